"""The background jobs: retention."""

from __future__ import annotations

from collections.abc import Mapping
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

Due = Mapping[UUID, datetime]
"""Workspaces, and the moment before which everything of each has expired."""
DUE = sql.SQL("unnest(%s::uuid[], %s::timestamptz[]) AS due (workspace_id, before)")
"""The same as a table, to which columns() gives the values."""


def cutoff(now: datetime, retention_days: int) -> datetime:
    """The moment before which everything of a workspace that keeps ``retention_days`` days has expired."""
    return now - timedelta(days=retention_days)


async def periods(db: AsyncConnection[Any]) -> list[tuple[UUID, int]]:
    """Every workspace, and for how many days it keeps its records now."""
    return list(await (await db.execute("SELECT id, retention_days FROM app.workspaces")).fetchall())


def columns(due: Due) -> tuple[list[UUID], list[datetime]]:
    """What DUE is filled with."""
    return list(due), list(due.values())


async def expire_rows(db: AsyncConnection[Any], table: str, due: Due) -> int:
    """Removes the rows of ``table`` that each workspace of ``due`` created before its time, and returns how many."""
    query = sql.SQL(
        "DELETE FROM {} AS kept USING {} WHERE kept.workspace_id = due.workspace_id AND created_at < before"
    )
    return (await db.execute(query.format(sql.Identifier("app", table), DUE), columns(due))).rowcount


async def expire_exports(db: AsyncConnection[Any], folder: Path, due: Due) -> int:
    """Removes the exports that hold a record from before their workspace's time, rows and files, and returns how many.

    A file that no row speaks of any more is removed by its own date.
    """
    query = sql.SQL("""
        DELETE FROM app.exports AS kept USING {} WHERE kept.workspace_id = due.workspace_id
            AND least(created_at, oldest_record_at) < before RETURNING kept.workspace_id, id
    """).format(DUE)
    expired = await (await db.execute(query, columns(due))).fetchall()
    files = [folder / str(workspace_id) / f"{export_id}.json" for workspace_id, export_id in expired]
    for workspace_id, before in due.items():
        of_workspace = (folder / str(workspace_id)).glob("*.json")
        files += [path for path in of_workspace if path not in files and path.stat().st_mtime < before.timestamp()]
    for path in files:
        path.unlink(missing_ok=True)
    return len(files)


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
            now = datetime.now(UTC)
            due = {workspace_id: cutoff(now, retention_days) for workspace_id, retention_days in await periods(db)}
            for table in TABLES:
                removed += await expire_rows(db, table, due)
            removed += await expire_exports(db, self._exports, due)
            for table in ENDED:
                removed += await remove_ended(db, table)
        if removed:
            app_log.info("retention removed %d expired records", removed)
        return removed
