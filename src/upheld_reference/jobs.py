"""The background jobs: retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, sql

from upheld_reference.logs import app_log
from upheld_reference.recurring import DatabaseJob

TABLES = ("message_logs", "messages", "automation_runs", "notices", "webhook_deliveries")
"""The tables of schema app whose rows expire by their created_at, after as many days as their workspace keeps them."""
ENDED = ("sessions", "invitations")
"""The tables of schema app whose rows go as soon as their expires_at is over."""


def cutoff(now: datetime, retention_days: int) -> datetime:
    """The moment before which everything of a workspace that keeps ``retention_days`` days has expired."""
    return now - timedelta(days=retention_days)


async def periods(db: AsyncConnection[Any]) -> list[tuple[UUID, int]]:
    """Every workspace, and for how many days it keeps its records now."""
    return list(await (await db.execute("SELECT id, retention_days FROM app.workspaces")).fetchall())


async def expire_rows(db: AsyncConnection[Any], table: str, workspace_id: UUID, before: datetime) -> int:
    """Removes the rows of ``table`` that the workspace created ``before``, and returns how many those were."""
    query = sql.SQL("DELETE FROM {} WHERE workspace_id = %s AND created_at < %s").format(sql.Identifier("app", table))
    return (await db.execute(query, [workspace_id, before])).rowcount


async def expire_exports(db: AsyncConnection[Any], folder: Path, workspace_id: UUID, before: datetime) -> int:
    """Removes the workspace's exports that hold a record from ``before``, rows and files, and returns how many.

    A file that no row speaks of any more is removed by its own date.
    """
    query = """
        DELETE FROM app.exports WHERE workspace_id = %s AND least(created_at, oldest_record_at) < %s RETURNING id
    """
    expired = [row[0] for row in await (await db.execute(query, [workspace_id, before])).fetchall()]
    of_workspace = folder / str(workspace_id)
    for export_id in expired:
        (of_workspace / f"{export_id}.json").unlink(missing_ok=True)
    leftovers = [path for path in of_workspace.glob("*.json") if path.stat().st_mtime < before.timestamp()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(expired) + len(leftovers)


async def remove_ended(db: AsyncConnection[Any], table: str) -> int:
    """Removes the rows of ``table`` whose time is over and returns how many those were."""
    query = sql.SQL("DELETE FROM {} WHERE expires_at < now()").format(sql.Identifier("app", table))
    return (await db.execute(query)).rowcount


class Retention(DatabaseJob):
    """The job that removes what is older than its workspace keeps it."""

    what = "the retention job"

    def __init__(self, url: str, exports: Path, interval_seconds: float) -> None:
        """Works as the role in ``url`` on the database, and on the files below ``exports``."""
        super().__init__(url, interval_seconds)
        self._exports = exports

    async def once(self) -> int:
        """Removes everything that has expired by now and returns how many things those were."""
        db = await self.connected()
        removed = 0
        async with db.transaction():
            for workspace_id, retention_days in await periods(db):
                before = cutoff(datetime.now(UTC), retention_days)
                for table in TABLES:
                    removed += await expire_rows(db, table, workspace_id, before)
                removed += await expire_exports(db, self._exports, workspace_id, before)
            for table in ENDED:
                removed += await remove_ended(db, table)
        if removed:
            app_log.info("retention removed %d expired records", removed)
        return removed
