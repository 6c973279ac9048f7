"""How an application goes on a listener: with a rate limit, an access log and secure headers around it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from upheld_reference.api.limits import Account, RateLimit, bearer_account
from upheld_reference.edge.headers import API_POLICY, SecureHeaders
from upheld_reference.logs import AccessLog
from upheld_reference.platform import Asgi, ListenerPlan, Platform


def publish(
    platform: Platform,
    plan: ListenerPlan,
    app: Asgi,
    routes: Sequence[BaseRoute],
    content_security_policy: str = API_POLICY,
    *,
    private: bool = False,
    account: Account = bearer_account,
) -> None:
    """Puts ``app`` on a listener for people and their programs; ``routes`` are what the rate limit tells paths apart by.

    Answers of a ``private`` one stay out of caches. ``account`` says who is proven to send a request.
    """
    logged = AccessLog(RateLimit(app, platform, routes=routes, account=account), plan.name)
    platform.listeners[plan.name].app = SecureHeaders(
        logged, platform.settings, content_security_policy, private=private
    )
