"""Sessions: what keeps a member logged in, and what ends it at the very next request."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from upheld_reference.api.tokens import Claims, TokenSigner
from upheld_reference.database.scope import Connection, Pool, Reader, single_statements, workspace_scope
from upheld_reference.logs import security_log

_RANDOM_BYTES = 32


class RefreshError(Exception):
    """A refresh token is unknown, expired or revoked, or was exchanged before."""


@dataclass(frozen=True)
class Holder:
    """The member and the session that an access token speaks for, as the database has them now."""

    email: str
    role: str
    plan: str
    enabled: bool
    """Whether the member's account has not been disabled."""
    session_lives: bool
    """Whether the session was neither revoked nor has expired."""
    workspace_lives: bool
    """Whether the workspace has not been terminated."""


@dataclass(frozen=True)
class SessionTokens:
    """What a session hands out: a short-lived access token, and the token that is exchanged for the next pair."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_seconds: int
    """How long the access token is valid."""


async def holder(db: Reader, claims: Claims) -> Holder | None:
    """Who holds the session of ``claims`` now; None when there is no such session or member."""
    query = "SELECT * FROM app.session_holder(%s, %s, %s)"
    row = await (await db.execute(query, [claims.session_id, claims.member_id, claims.workspace_id])).fetchone()
    return Holder(**row) if row else None


def admits(found: Holder | None) -> bool:
    """Whether a request by this holder is let in: account, session and workspace must all be alive."""
    return found is not None and found.enabled and found.session_lives and found.workspace_lives


async def start(
    db: Connection, signer: TokenSigner, member_id: UUID, workspace_id: UUID, lifetime: timedelta
) -> SessionTokens:
    """Starts a session of ``lifetime`` in the workspace that ``db`` is set to."""
    query = "INSERT INTO app.sessions (workspace_id, member_id, expires_at) VALUES (%s, %s, %s) RETURNING id"
    expires = datetime.now(UTC) + lifetime
    row = await (await db.execute(query, [workspace_id, member_id, expires])).fetchone()
    if row is None:
        raise RuntimeError("PostgreSQL returned no row for the session that was inserted")
    return await _hand_out(db, signer, Claims(member_id, workspace_id, row["id"]))


async def refresh(pool: Pool, signer: TokenSigner, refresh_token: str) -> SessionTokens:
    """Exchanges a refresh token, which is worth nothing afterwards, for new tokens; raises RefreshError.

    A token that was exchanged before ends its session, for then two have it and one of them is a thief (RFC 9700 §4.14.2).
    """
    digest = digest_of(refresh_token)
    async with single_statements(pool) as db:
        query = "SELECT * FROM app.session_of_refresh_token(%s)"
        known = await (await db.execute(query, [digest])).fetchone()
    if known is None:
        raise RefreshError("unknown")
    async with workspace_scope(pool, known["workspace_id"]) as db:
        query = "SELECT member_id FROM app.sessions WHERE id = %s AND workspace_id = %s"
        session = await (await db.execute(query, [known["session_id"], known["workspace_id"]])).fetchone()
        if session is None:
            raise RefreshError("its session is gone")
        claims = Claims(session["member_id"], known["workspace_id"], known["session_id"])
        if not admits(await holder(db, claims)):
            raise RefreshError("its session is over")
        if await spend(db, claims.workspace_id, digest):
            return await _hand_out(db, signer, claims)
        await revoke(db, claims.workspace_id, claims.session_id)
    security_log.warning("session %s is revoked: a refresh token was used twice", claims.session_id)
    raise RefreshError("exchanged before")


async def spend(db: Connection, workspace_id: UUID, digest: bytes) -> bool:
    """Marks a refresh token as exchanged and tells whether this was the first time."""
    query = """
        UPDATE app.refresh_tokens SET exchanged_at = now()
        WHERE workspace_id = %s AND digest = %s AND exchanged_at IS NULL
    """
    return (await db.execute(query, [workspace_id, digest])).rowcount == 1


async def revoke(db: Connection, workspace_id: UUID, session_id: UUID) -> None:
    """Ends a session: its access tokens are refused from the next request on."""
    query = "UPDATE app.sessions SET revoked_at = now() WHERE workspace_id = %s AND id = %s AND revoked_at IS NULL"
    await db.execute(query, [workspace_id, session_id])


async def revoke_all(db: Connection, workspace_id: UUID, member_id: UUID, but: UUID | None = None) -> None:
    """Ends every session of a member, except the one named by ``but``."""
    query = """
        UPDATE app.sessions SET revoked_at = now()
        WHERE workspace_id = %s AND member_id = %s AND revoked_at IS NULL AND id IS DISTINCT FROM %s::uuid
    """
    await db.execute(query, [workspace_id, member_id, but])


async def revoke_by_token(pool: Pool, signer: TokenSigner, token: str) -> UUID | None:
    """Ends the session that an access or refresh token belongs to and returns its id; None for a token of no session."""
    claims = signer.verify(token)
    if claims is not None:
        workspace_id, session_id = claims.workspace_id, claims.session_id
    else:
        async with single_statements(pool) as db:
            query = "SELECT * FROM app.session_of_refresh_token(%s)"
            known = await (await db.execute(query, [digest_of(token)])).fetchone()
        if known is None:
            return None
        workspace_id, session_id = known["workspace_id"], known["session_id"]
    async with workspace_scope(pool, workspace_id) as db:
        await revoke(db, workspace_id, session_id)
    return session_id


async def _hand_out(db: Connection, signer: TokenSigner, claims: Claims) -> SessionTokens:
    token = new_token()
    query = "INSERT INTO app.refresh_tokens (workspace_id, session_id, digest) VALUES (%s, %s, %s)"
    await db.execute(query, [claims.workspace_id, claims.session_id, digest_of(token)])
    return SessionTokens(signer.issue(claims), token, signer.lifetime_seconds)


def new_token() -> str:
    """43 characters that nobody guesses."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(token: str) -> bytes:
    """What is kept of a token; it is random enough for one fast hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
