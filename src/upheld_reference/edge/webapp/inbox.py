"""What the inbox shows: the conversations of a workspace, and the messages of the one that is open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from upheld_reference.api.session import Caller

_MOST_CONVERSATIONS = 100
_MOST_MESSAGES = 200

_CONVERSATIONS = """
    SELECT c.id, p.name AS contact, p.phone_number, m.text AS last, coalesce(m.created_at, c.created_at) AS at
    FROM app.conversations c
        JOIN app.contacts p ON p.workspace_id = c.workspace_id AND p.id = c.contact_id
        LEFT JOIN LATERAL (
            SELECT text, created_at FROM app.messages
            WHERE workspace_id = c.workspace_id AND conversation_id = c.id ORDER BY created_at DESC, id LIMIT 1
        ) m ON true
    WHERE c.workspace_id = %(workspace)s AND (
        %(words)s::text IS NULL OR strpos(lower(p.name), lower(%(words)s)) > 0 OR EXISTS (
            SELECT FROM app.messages s
            WHERE s.workspace_id = c.workspace_id AND s.conversation_id = c.id
                AND strpos(lower(s.text), lower(%(words)s)) > 0
        )
    )
    ORDER BY at DESC, c.id LIMIT %(most)s
"""
_MESSAGES = """
    SELECT direction, text, created_at AS at FROM app.messages
    WHERE workspace_id = %(workspace)s AND conversation_id = %(conversation)s
    ORDER BY created_at DESC, id LIMIT %(most)s
"""


async def contents(caller: Caller, conversation_id: UUID | None, words: str | None) -> dict[str, Any] | None:
    """Conversations, newest first, and the messages of one of them, oldest first; plain JSON types only.

    Without ``conversation_id`` the newest one is open. ``words`` leaves only conversations that have them. None when the
    workspace has no such conversation.
    """
    async with caller.workspace() as db:
        values = {"workspace": caller.workspace_id, "words": words, "most": _MOST_CONVERSATIONS}
        found = await (await db.execute(_CONVERSATIONS, values)).fetchall()
        opened = conversation_id or (found[0]["id"] if found else None)
        if conversation_id and all(row["id"] != conversation_id for row in found):
            query = "SELECT id FROM app.conversations WHERE workspace_id = %s AND id = %s"
            if await (await db.execute(query, [caller.workspace_id, conversation_id])).fetchone() is None:
                return None
        wanted = {"workspace": caller.workspace_id, "conversation": opened, "most": _MOST_MESSAGES}
        messages = await (await db.execute(_MESSAGES, wanted)).fetchall() if opened else []
    return {
        "conversations": [
            {
                "address": f"/inbox?conversation={row['id']}",
                "contact": row["contact"],
                "phone_number": row["phone_number"],
                "last": row["last"],
                "at": _moment(row["at"]),
                "open": row["id"] == opened,
            }
            for row in found
        ],
        "messages": [
            {"direction": row["direction"], "text": row["text"], "at": _moment(row["at"])} for row in reversed(messages)
        ],
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
