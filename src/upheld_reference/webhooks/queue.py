"""The queue of deliveries: the table app.webhook_deliveries.

A delivery is put in by the transaction in which its event happens, so that no event is told that did not happen and none is
lost. It is taken out by a claim that ends by itself; every attempt is written down with its time and its outcome.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from upheld_reference.database.rows import Row, Table
from upheld_reference.database.scope import Connection, Reader

Event = Literal["message.created", "automation.run", "ping"]
"""What webhooks are told of."""

DELIVERIES = Table("app", "webhook_deliveries", ("id", "webhook_id", "event", "status", "attempts", "created_at"))
"""The queue, as the API shows it: without what was sent."""


@dataclass(frozen=True)
class Attempt:
    """One try to deliver something; it names no host and repeats nothing of an answer."""

    at: str
    """When, as RFC 3339."""
    status: int | None
    """The HTTP status of the answer; None when there was none."""
    error: str | None
    """Why it did not count as delivered, in the words of ``network.transport.failure`` or of ``sending``; None when it did."""


@dataclass(frozen=True)
class Delivery:
    """What is to be sent, and where."""

    id: UUID
    workspace_id: UUID
    webhook_id: UUID
    event: str
    body: bytes
    url: str
    attempts: int
    """How many there were before."""


async def enqueue(db: Connection, workspace_id: UUID, event: Event, payload: Mapping[str, Any]) -> int:
    """Queues ``event`` for every webhook of the workspace, in the caller's transaction, and returns how many those are.

    ``payload`` names what the event is about by ids; content is not sent, receivers ask the API for it. A webhook that is being
    removed at the same time is waited for, and is told nothing once it is gone: what happened stands all the same.
    """
    query = """
        INSERT INTO app.webhook_deliveries (workspace_id, webhook_id, event, body)
        SELECT w.workspace_id, w.id, %s, %s FROM app.webhooks w WHERE w.workspace_id = %s FOR KEY SHARE OF w
    """
    return (await db.execute(query, [event, _body(workspace_id, event, payload), workspace_id])).rowcount


async def enqueue_ping(db: Connection, workspace_id: UUID, webhook_id: UUID) -> Row:
    """Queues a ping for one webhook of the workspace and returns the delivery as the API shows it."""
    query = """
        INSERT INTO app.webhook_deliveries (workspace_id, webhook_id, event, body) VALUES (%s, %s, 'ping', %s)
        RETURNING id, webhook_id, event, status, attempts, created_at
    """
    body = _body(workspace_id, "ping", {"webhook_id": webhook_id})
    row = await (await db.execute(query, [workspace_id, webhook_id, body])).fetchone()
    if row is None:
        raise RuntimeError("PostgreSQL returned no row for the delivery that was inserted")
    return row


async def claim(db: Connection, at_most: int, lease_seconds: float, busy: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Takes deliveries that are due for ``lease_seconds``, of any workspace but the ``busy`` ones: their ids and workspaces."""
    query = "SELECT id, workspace_id FROM app.claim_webhook_deliveries(%s, %s, %s)"
    claimed = await db.execute(query, [at_most, lease_seconds, list(busy)])
    return [(row["id"], row["workspace_id"]) for row in await claimed.fetchall()]


async def read(db: Reader, workspace_id: UUID, delivery_id: UUID) -> Delivery | None:
    """A delivery that is still to be made; None when it was made, given up or deleted meanwhile."""
    query = """
        SELECT d.id, d.workspace_id, d.webhook_id, d.event, d.body, w.url, jsonb_array_length(d.attempts) AS attempts
        FROM app.webhook_deliveries d JOIN app.webhooks w ON w.workspace_id = d.workspace_id AND w.id = d.webhook_id
        WHERE d.workspace_id = %s AND d.id = %s AND d.status = 'pending'
    """
    row = await (await db.execute(query, [workspace_id, delivery_id])).fetchone()
    return None if row is None else Delivery(**{**row, "body": row["body"].encode("utf-8")})


async def note(db: Connection, delivery: Delivery, attempt: Attempt, again_in_seconds: float | None) -> None:
    """Writes an attempt down. Without an error the delivery is done; else it is tried again, or dead when not told when."""
    status = "delivered" if attempt.error is None else "dead" if again_in_seconds is None else "pending"
    query = """
        UPDATE app.webhook_deliveries
        SET status = %(status)s, attempts = attempts || %(attempt)s, due_at = now() + make_interval(secs => %(pause)s),
            body = CASE WHEN %(status)s = 'pending' THEN body END
        WHERE workspace_id = %(workspace)s AND id = %(id)s
    """
    one = {"at": attempt.at, "status": attempt.status, "error": attempt.error}
    values = {"status": status, "attempt": Jsonb([one]), "pause": again_in_seconds or 0.0}
    await db.execute(query, {**values, "workspace": delivery.workspace_id, "id": delivery.id})


def _body(workspace_id: UUID, event: Event, payload: Mapping[str, Any]) -> str:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"id": uuid4(), "event": event, "created_at": now, "workspace_id": workspace_id, "data": dict(payload)}
    return json.dumps(told, default=str)
