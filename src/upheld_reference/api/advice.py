"""Advice on credentials: whose token is older than it should be, and the job that says so and clears up behind the vault."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from upheld_reference.database.scope import Connection, Pool, workspace_scope
from upheld_reference.logs import app_log
from upheld_reference.recurring import Job
from upheld_reference.vault.client import VaultClient

KIND = "token_rotation"
"""The kind of the notices about tokens."""


def age_days(received_at: datetime, now: datetime) -> int:
    """The age of a token in whole days."""
    return (now - received_at) // timedelta(days=1)


def rotation_advised(days: int, advised_days: int) -> bool:
    """Whether a token that is ``days`` old should be rotated, where that is advised after ``advised_days``."""
    return days >= advised_days


def with_advice(account: Mapping[str, Any], received: Mapping[UUID, datetime], advised_days: int) -> dict[str, Any]:
    """A WhatsApp account with the age of its token and whether to rotate it; no age where the vault has no token."""
    at = received.get(account["id"])
    days = None if at is None else age_days(at, datetime.now(UTC))
    advised = days is not None and rotation_advised(days, advised_days)
    return {**account, "token_age_days": days, "rotation_advised": advised}


class Upkeep(Job):
    """The job that tells workspaces of old tokens, and has the vault drop credentials that belong to nothing any more."""

    what = "the upkeep of credentials"

    def __init__(self, pool: Pool, vault: VaultClient, advised_days: int, interval_seconds: float) -> None:
        """Works as the application, through ``vault``."""
        super().__init__(interval_seconds)
        self._pool = pool
        self._vault = vault
        self._advised_days = advised_days

    async def once(self) -> None:
        """Goes through every workspace that has a credential; raises VaultError, psycopg.Error."""
        for workspace_id in await self._vault.workspaces():
            received = await self._vault.token_ages(workspace_id)
            async with workspace_scope(self._pool, workspace_id) as db:
                accounts = await _ids(db, "SELECT id FROM meta.whatsapp_accounts WHERE workspace_id = %s", workspace_id)
                webhooks = await _ids(db, "SELECT id FROM app.webhooks WHERE workspace_id = %s", workspace_id)
                await self._advise(db, workspace_id, {one: received[one] for one in accounts if one in received})
            removed = await self._vault.retain(workspace_id, accounts, webhooks)
            if removed:
                app_log.info("the vault dropped %d credentials that belonged to nothing", removed)

    async def _advise(self, db: Connection, workspace_id: UUID, received: Mapping[UUID, datetime]) -> None:
        now = datetime.now(UTC)
        for account_id, at in received.items():
            if not rotation_advised(age_days(at, now), self._advised_days):
                continue
            # One token, one notice: its id follows from both, so that the job may come by again.
            notice_id = uuid5(account_id, at.isoformat())
            title = "A WhatsApp access token should be rotated"
            body = (
                f"The access token of a connected WhatsApp number (account {account_id}) has been in use since"
                f" {at:%Y-%m-%d}. We advise to rotate tokens after {self._advised_days} days."
            )
            query = """
                INSERT INTO app.notices (id, workspace_id, kind, title, body) VALUES (%s, %s, %s, %s, %s)
                ON CONFLICT DO NOTHING
            """
            await db.execute(query, [notice_id, workspace_id, KIND, title, body])


async def _ids(db: Connection, query: str, workspace_id: UUID) -> list[UUID]:
    return [row["id"] for row in await (await db.execute(query, [workspace_id])).fetchall()]
