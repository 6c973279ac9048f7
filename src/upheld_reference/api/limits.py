"""The rate limit of every public endpoint: for each client and for each account, on each operation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute, Match

from upheld_reference import services
from upheld_reference.api.tokens import bearer
from upheld_reference.platform import Asgi, Platform, Receive, Scope, Send

UNKNOWN_ROUTE = "?"
"""The bucket of all paths that no route serves: spelling one in many ways gives no further budget."""
_REMEMBERED_WINDOWS = 20_000
_REMEMBERED_PATHS = 5_000
_BODY = b'{"error":"too many requests"}'

Account = Callable[[Platform, Scope], str | None]
"""Who is proven to send a request; None for nobody."""


def bearer_account(platform: Platform, scope: Scope) -> str | None:
    """The account that the bearer token proves; an invalid token proves none."""
    for name, value in scope["headers"]:
        if name == b"authorization" and (token := bearer(value.decode("latin-1"))):
            claims = services.of(platform).signer.verify(token)
            return str(claims.member_id) if claims else None
    return None


def client_address(scope: Scope) -> str:
    """The address of the peer that is connected; what a header says about another one is not looked at."""
    client = scope.get("client")
    return str(client[0]) if client else "-"


def operation(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """Method and path template of the route that serves ``scope``; `UNKNOWN_ROUTE` for none.

    HEAD is a GET without its body, and all methods that a path does not serve are one, so that no method gives a further
    budget.
    """
    partial = UNKNOWN_ROUTE
    for route in routes:
        match, _ = route.matches(scope)
        path = getattr(route, "path", UNKNOWN_ROUTE)
        if match is Match.FULL:
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            return f"{method} {path}"
        if match is Match.PARTIAL and partial == UNKNOWN_ROUTE:
            partial = f"GET {path}" if scope["method"] == "HEAD" else f"{UNKNOWN_ROUTE} {path}"
    return partial


def refusal_headers(retry_after_seconds: int) -> list[tuple[bytes, bytes]]:
    """The headers of a 429 answer (RFC 6585 §4, RFC 9110 §10.2.3)."""
    return [(b"content-type", b"application/json"), (b"retry-after", str(retry_after_seconds).encode("ascii"))]


class FixedWindows:
    """Counts events by key in windows of fixed length that begin with a key's first event."""

    def __init__(self, requests: int, seconds: float) -> None:
        """Allows ``requests`` events of a key within ``seconds``."""
        self._requests = requests
        self._seconds = seconds
        self._windows: dict[tuple[str, ...], tuple[float, int]] = {}

    def wait_seconds(self, key: tuple[str, ...]) -> float:
        """Counts one event and returns how long ``key`` has to wait: 0 when the event is within the limit."""
        now = time.monotonic()
        ends, count = self._windows.get(key, (0.0, 0))
        if now >= ends:
            ends, count = now + self._seconds, 0
            if len(self._windows) >= _REMEMBERED_WINDOWS:
                self._windows = {kept: window for kept, window in self._windows.items() if window[0] > now}
        self._windows[key] = (ends, count + 1)
        return ends - now if count >= self._requests else 0.0


class RateLimit:
    """ASGI middleware that answers 429 to whoever asks for one operation too often; it stands before authentication."""

    def __init__(
        self,
        app: Asgi,
        platform: Platform,
        routes: Sequence[BaseRoute] = (),
        account: Account = bearer_account,
    ) -> None:
        """Wraps ``app``, whose paths are told apart by ``routes`` and whose callers by ``account``."""
        self.app = app
        self.routes = routes
        self._account = account
        self._platform = platform
        settings = platform.settings
        self._known: dict[tuple[str, str], str] = {}
        self._windows = FixedWindows(settings.rate_limit_requests, settings.rate_limit_window_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = self._route(scope)
        keys = [("client", route, client_address(scope))]
        if account := self._account(self._platform, scope):
            keys.append(("account", route, account))
        wait = max(self._windows.wait_seconds(key) for key in keys)
        if wait <= 0:
            await self.app(scope, receive, send)
            return
        headers = [*refusal_headers(max(1, math.ceil(wait))), (b"content-length", str(len(_BODY)).encode("ascii"))]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": _BODY})

    def _route(self, scope: Scope) -> str:
        """What `operation` says of a request, which is the same for each of the same method and path."""
        asked = scope["method"], scope["path"]
        found = self._known.get(asked)
        if found is None:
            if len(self._known) >= _REMEMBERED_PATHS:
                self._known.clear()
            found = self._known[asked] = operation(self.routes, scope)
        return found
