"""What staff sees of customers' data: metadata, and single messages with a justification."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from upheld_reference.api import errors
from upheld_reference.database.scope import Connection
from upheld_reference.staff.acting import Caller, RecordedRefusalError

_WORKSPACES = "SELECT id, name, plan, retention_days, created_at FROM app.workspaces ORDER BY name LIMIT %s"
_CONVERSATIONS = """
    SELECT id, workspace_id, contact_id, created_at FROM app.conversations WHERE workspace_id = %s
    ORDER BY created_at DESC, id LIMIT %s
"""
_MESSAGES = """
    SELECT id, workspace_id, conversation_id, direction, created_at FROM app.messages WHERE workspace_id = %s
    ORDER BY created_at DESC, id LIMIT %s
"""
_SEARCH = """
    SELECT kind, id, workspace_id, label, created_at FROM (
        SELECT 'workspace' AS kind, id, id AS workspace_id, name AS label, created_at FROM app.workspaces
        UNION ALL SELECT 'conversation', id, workspace_id, 'conversation', created_at FROM app.conversations
        UNION ALL SELECT 'message', id, workspace_id, direction || ' message', created_at FROM app.messages
    ) AS everything
    WHERE strpos(id::text, lower(%(wanted)s)) > 0 OR strpos(lower(label), lower(%(wanted)s)) > 0
    ORDER BY created_at DESC, id LIMIT %(limit)s
"""
_STATUSES = {"no session": 401, "role": 403, "not found": 404}


async def workspaces(db: Connection, limit: int) -> list[dict[str, Any]]:
    """The workspaces by name."""
    return await (await db.execute(_WORKSPACES, [limit])).fetchall()


async def workspace_exists(db: Connection, workspace_id: UUID) -> bool:
    """Whether there is such a workspace."""
    query = "SELECT 1 FROM app.workspaces WHERE id = %s"
    return await (await db.execute(query, [workspace_id])).fetchone() is not None


async def conversations(db: Connection, workspace_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The newest conversations of a workspace, as metadata."""
    return await (await db.execute(_CONVERSATIONS, [workspace_id, limit])).fetchall()


async def messages(db: Connection, workspace_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The newest messages of a workspace, as metadata."""
    return await (await db.execute(_MESSAGES, [workspace_id, limit])).fetchall()


async def search(db: Connection, wanted: str, limit: int) -> list[dict[str, Any]]:
    """Workspaces, conversations and messages by identifier and kind; nothing that customers wrote is looked at."""
    return await (await db.execute(_SEARCH, {"wanted": wanted, "limit": limit})).fetchall()


async def message(caller: Caller, workspace_id: UUID, message_id: UUID, justification: str | None) -> dict[str, Any]:
    """One message with its text; raises a 422 for a poor justification, a 404 for no such message.

    The function of the database that gives it has judged the justification, and has added the entry, refusals included.
    """
    query = "SELECT * FROM staff.read_message(%s, %s, %s, %s)"
    async with caller.console.pool.connection() as db:
        values = [caller.session_digest, workspace_id, message_id, justification]
        row = await (await db.execute(query, values)).fetchone()
    if row is None:
        raise RuntimeError("PostgreSQL returned no answer to a request for a message")
    if (refusal := row["refusal"]) is None:
        return row
    if refusal == "no session":  # it ended just now: this one the database could not record for anybody
        raise errors.unauthenticated("a session is needed")
    raise RecordedRefusalError(_STATUSES.get(refusal, 422), refusal.replace("justification", "the justification", 1))
