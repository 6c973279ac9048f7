"""Adding entries to the audit log.

An entry waits for every earlier transaction that added one: record it last in a transaction, and do nothing slow after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from psycopg.types.json import Jsonb

from upheld_reference.audit import chain
from upheld_reference.database.scope import single_statements

if TYPE_CHECKING:
    from uuid import UUID

    from upheld_reference.database.scope import Connection, Pool

Outcome = Literal["done", "refused", "failed"]
"""``done``: it happened; ``refused``: somebody may not do it; ``failed``: it was allowed and did not come about."""

_ACTOR = re.compile(r"(member|staff|service):[A-Za-z0-9_.-]{1,64}")
_ACTION = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_APPEND = "SELECT audit.append(%s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True)
class Entry:
    """What the audit log is to say; sequence, time and digests are added by the database.

    Raises ValueError when actor or action are not of their form, or when ``details`` holds what has no canonical JSON.
    """

    actor: str
    """``member:<uuid>``, ``staff:<uuid>`` or ``service:<name>``: never a name or an address of a person."""
    action: str
    """What was done or tried, as area and verb: ``staff.read_message``."""
    target: str
    """What it was done to, as kind and identifier: ``message:<uuid>``."""
    outcome: Outcome
    """How it ended."""
    workspace_id: UUID | None = None
    """The workspace that it concerns; its owners may read the entry."""
    reason: str | None = None
    """Why, in the words of whoever did it."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """More, as JSON: strings, whole numbers, booleans, null, lists and objects; no credentials, no content."""

    def __post_init__(self) -> None:
        """Refuses here what the table would refuse later."""
        if not _ACTOR.fullmatch(self.actor):
            raise ValueError(f"an actor is member:, staff: or service: and an identifier, not {self.actor!r}")
        if not _ACTION.fullmatch(self.action):
            raise ValueError(f"an action is an area, a dot and a verb, not {self.action!r}")
        if not self.target or "@" in self.target:
            raise ValueError("a target is a kind and an identifier, and never an address")
        chain.canonical(dict(self.details))


async def record(db: Connection, entry: Entry) -> None:
    """Adds ``entry`` in the caller's transaction: it stands only if that commits."""
    await db.execute(
        _APPEND,
        [
            entry.actor,
            entry.action,
            _storable(entry.target),
            entry.outcome,
            entry.workspace_id,
            None if entry.reason is None else _storable(entry.reason),
            Jsonb(dict(entry.details), dumps=lambda details: _storable(chain.canonical(details))),
        ],
    )


class AuditLog:
    """Adds entries in transactions of their own: for refusals, whose own transaction is rolled back or never began."""

    def __init__(self, pool: Pool) -> None:
        """Takes connections from ``pool``; its role says for whom it may speak."""
        self._pool = pool

    async def record(self, entry: Entry) -> None:
        """Adds ``entry`` and commits."""
        async with single_statements(self._pool) as db:
            await record(db, entry)


def _storable(text: str) -> str:
    """The text without what PostgreSQL cannot store: what somebody sent is logged even when it is odd."""
    clean = text.replace("\x00", "\ufffd").replace("\\u0000", "\\ufffd")
    return clean.encode("utf-8", "replace").decode("utf-8")
