"""Who is logged in with which browser: kept here on the server; the browser gets nothing but a random name for it.

A browser's session stands on a session of the API, whose tokens are dropped at once: they never leave the server, and the
session ends with that one (revocation, a disabled account, the end of its lifetime), at the very next request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from upheld_reference.api import logins, sessions
from upheld_reference.api.session import Caller
from upheld_reference.api.tokens import Claims
from upheld_reference.database.scope import single_statements, workspace_scope
from upheld_reference.services import Services

_RANDOM_BYTES = 32
_REMEMBERED = 10_000


@dataclass
class _Session:
    claims: Claims
    used: float


class BrowserSessions:
    """The sessions of all browsers; of a cookie's value only the SHA-256 digest is kept."""

    def __init__(self, idle_seconds: float) -> None:
        """Ends a session when it is not used for ``idle_seconds``; its whole lifetime is that of the API's session."""
        self._idle_seconds = idle_seconds
        self._sessions: dict[bytes, _Session] = {}
        self._csrf_key = secrets.token_bytes(_RANDOM_BYTES)

    async def log_in(self, shared: Services, email: str, password: str) -> str:
        """Starts a session and returns the value of its cookie; raises logins.LoginError."""
        issued = await logins.log_in(shared, email, password)
        claims = shared.signer.verify(issued.access_token)
        if claims is None:
            raise RuntimeError("a token that was issued just now is not valid")
        cookie = new_cookie()
        if len(self._sessions) >= _REMEMBERED:
            self._forget_idle()
        self._sessions[_digest(cookie)] = _Session(claims, time.monotonic())
        return cookie

    async def caller(self, shared: Services, cookie: str | None, *, used: bool = True) -> Caller | None:
        """Who the session of ``cookie`` belongs to, with the role that the database has now; None without a session.

        A request that the browser sends by itself is no use of the session, and does not keep it alive.
        """
        session = self._living(cookie)
        if cookie is None or session is None:
            return None
        claims = session.claims
        async with single_statements(shared.pool) as db:
            holder = await sessions.holder(db, claims)
        if holder is None or not sessions.admits(holder):
            self._sessions.pop(_digest(cookie), None)
            return None
        if used:
            session.used = time.monotonic()
        return Caller(
            claims.member_id, claims.workspace_id, claims.session_id, holder.email, holder.role, holder.plan, shared
        )

    def member(self, cookie: str | None) -> str | None:
        """The id of the member whose session ``cookie`` names, without asking the database; None without a session."""
        session = self._living(cookie)
        return str(session.claims.member_id) if session else None

    async def log_out(self, shared: Services, cookie: str) -> None:
        """Ends the session of ``cookie``, here and in the API."""
        session = self._sessions.pop(_digest(cookie), None)
        if session is None:
            return
        async with workspace_scope(shared.pool, session.claims.workspace_id) as db:
            await sessions.revoke(db, session.claims.workspace_id, session.claims.session_id)

    def csrf_token(self, cookie: str) -> str:
        """What a form must carry that comes with ``cookie``; whoever knows the one cannot compute the other."""
        return hmac.new(self._csrf_key, cookie.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _living(self, cookie: str | None) -> _Session | None:
        session = self._sessions.get(_digest(cookie)) if cookie else None
        if session is None or time.monotonic() - session.used > self._idle_seconds:
            return None
        return session

    def _forget_idle(self) -> None:
        """Makes room: what has been idle too long goes, and if that is nothing, what has been idle longest."""
        now = time.monotonic()
        kept = {key: one for key, one in self._sessions.items() if now - one.used <= self._idle_seconds}
        if len(kept) >= _REMEMBERED:
            kept.pop(min(kept, key=lambda key: kept[key].used))
        self._sessions = kept


def new_cookie() -> str:
    """A random value of 256 bits."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
