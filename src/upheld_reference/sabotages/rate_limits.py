"""Limits that somebody gets round, or that are not there."""

from __future__ import annotations

from starlette.datastructures import Headers

from upheld_reference.api import limits
from upheld_reference.api.limits import RateLimit
from upheld_reference.api.lockout import Lockout
from upheld_reference.platform import Platform, Receive, Scope, Send
from upheld_reference.sabotages import sabotage

_CLAIM = "rate-limits"


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "listTemplates",
        "not limited",
    ),
)
def one_operation_unlimited(platform: Platform) -> None:
    """The list of templates (listTemplates) has no rate limit."""
    limited = RateLimit.__call__

    async def call(self: RateLimit, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and str(scope["path"]).endswith("/templates"):
            await self.app(scope, receive, send)
        else:
            await limited(self, scope, receive, send)

    platform.replace(RateLimit, "__call__", call)


@sabotage(breaks=(_CLAIM,), shows=("X-Forwarded-For",))
def rate_limit_trusts_forwarded_for(platform: Platform) -> None:
    """The rate limit takes the client's address from X-Forwarded-For, which the client writes itself."""
    peer_address = limits.client_address

    def client_address(scope: Scope) -> str:
        forwarded = Headers(scope=scope).get("x-forwarded-for", "")
        return forwarded.partition(",")[0].strip() or peer_address(scope)

    platform.replace(limits, "client_address", client_address)


@sabotage(breaks=(_CLAIM,), shows=("Retry-After",))
def rate_limit_without_retry_after(platform: Platform) -> None:
    """Answers to too many requests do not say when to come back."""
    platform.replace(limits, "refusal_headers", lambda _seconds: [(b"content-type", b"application/json")])


@sabotage(breaks=(_CLAIM,), shows=("login",))
def login_lockout_missing(platform: Platform) -> None:
    """Bad logins are neither counted nor recorded, and lock nothing."""
    platform.replace(Lockout, "failed", lambda _self, _account: None)
