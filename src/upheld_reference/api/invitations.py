"""Invitations: how somebody gets into a workspace without anybody else ever knowing their password."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from upheld_reference import passwords
from upheld_reference.api import logins, sessions
from upheld_reference.database.scope import Connection, workspace_scope

if TYPE_CHECKING:
    from upheld_reference.api.logins import IssuedTokens
    from upheld_reference.services import Services

LIFETIME = timedelta(days=7)
"""How long an invitation can be accepted."""


class InvitationError(Exception):
    """An invitation is unknown, expired, or was accepted before."""


async def invite(db: Connection, workspace_id: UUID, member_id: UUID) -> tuple[str, datetime]:
    """A new invitation of a member who has no password yet: its token and when it expires."""
    token, expires = sessions.new_token(), datetime.now(UTC) + LIFETIME
    query = "INSERT INTO app.invitations (workspace_id, member_id, digest, expires_at) VALUES (%s, %s, %s, %s)"
    await db.execute(query, [workspace_id, member_id, sessions.digest_of(token), expires])
    return token, expires


async def accept(shared: Services, token: str, password: str) -> IssuedTokens:
    """Sets the password of whoever was invited and logs them in; raises InvitationError."""
    digest = sessions.digest_of(token)
    async with shared.pool.connection() as db:
        known = await (await db.execute("SELECT * FROM app.member_of_invitation(%s)", [digest])).fetchone()
    if known is None:
        raise InvitationError("unknown")
    hashed = await run_in_threadpool(passwords.hash_password, password)
    workspace_id, member_id = known["workspace_id"], known["member_id"]
    async with workspace_scope(shared.pool, workspace_id) as db:
        query = """
            UPDATE app.invitations SET accepted_at = now()
            WHERE workspace_id = %s AND digest = %s AND accepted_at IS NULL AND expires_at > now()
        """
        if (await db.execute(query, [workspace_id, digest])).rowcount != 1:
            raise InvitationError("expired or accepted before")
        query = """
            UPDATE app.members SET password_hash = %s
            WHERE workspace_id = %s AND id = %s AND disabled_at IS NULL
                AND EXISTS (SELECT FROM app.workspaces w WHERE w.id = workspace_id AND w.terminated_at IS NULL)
        """
        if (await db.execute(query, [hashed, workspace_id, member_id])).rowcount != 1:
            raise InvitationError("the account is disabled or the workspace terminated")
        return await logins.issue(db, shared, member_id, workspace_id)
