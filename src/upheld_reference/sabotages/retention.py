"""Records that are kept too long, or not long enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, sql

from upheld_reference import jobs
from upheld_reference.jobs import Due, Retention
from upheld_reference.platform import Platform
from upheld_reference.sabotages import rewriting, sabotage

_CLAIMS = ("retention-90-days", "retention-configurable")
"""What is not removed in time is not either when a tenant has set the time."""
_ALSO = ("retention-header",)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "message logs",
        "automation runs",
        "export",
        "kept for too long",
    ),
)
def retention_job_off(platform: Platform) -> None:
    """The retention job does nothing."""

    async def once(_self: Retention) -> int:
        return 0

    platform.replace(Retention, "once", once)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "message logs",
        "automation runs",
        "export",
        "kept for too long",
    ),
)
def retention_off_by_a_unit(platform: Platform) -> None:
    """The retention period is taken for weeks instead of days."""

    def cutoff(now: datetime, retention_days: int) -> datetime:
        return now - timedelta(weeks=retention_days)

    platform.replace(jobs, "cutoff", cutoff)


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("young: removed before its period was over",))
def retention_deletes_too_early(platform: Platform) -> None:
    """The retention period is taken for hours instead of days."""

    def cutoff(now: datetime, retention_days: int) -> datetime:
        return now - timedelta(hours=retention_days)

    platform.replace(jobs, "cutoff", cutoff)


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("automation",))
def retention_forgets_automation_runs(platform: Platform) -> None:
    """The runs of automations are kept for ever."""
    platform.replace(jobs, "TABLES", tuple(table for table in jobs.TABLES if table != "automation_runs"))


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("export",))
def retention_keeps_exports(platform: Platform) -> None:
    """Exports, which hold copies of message logs, are kept for ever."""

    async def expire_exports(_db: AsyncConnection[Any], _folder: Path, _due: Due) -> int:
        return 0

    platform.replace(jobs, "expire_exports", expire_exports)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "kept for too long",
        "still there",
    ),
)
def retention_soft_delete_keeps_content(platform: Platform) -> None:
    """Expired message logs and automation runs are hidden from the API, but stay in the database."""
    hidden, remove = ("message_logs", "automation_runs"), jobs.expire_rows
    for table in hidden:
        # Data inventory and list of grants tell the truth about it, so that nothing else is wrong.
        rewriting.inventory(platform, f"app.{table}", {"deleted_at": "Hides what has expired"}, "operational")
        platform.schema.append(
            f"ALTER TABLE app.{table} ADD COLUMN deleted_at timestamptz;"
            f"CREATE POLICY not_deleted ON app.{table} AS RESTRICTIVE FOR SELECT TO rivet_application"
            " USING (deleted_at IS NULL);"
            f"CREATE POLICY hide ON app.{table} FOR UPDATE TO rivet_retention USING (true);"
            f"GRANT UPDATE (deleted_at) ON app.{table} TO rivet_retention;"
        )

    async def expire_rows(db: AsyncConnection[Any], table: str, due: Due) -> int:
        if table not in hidden:
            return await remove(db, table, due)
        query = sql.SQL(
            "UPDATE {} AS kept SET deleted_at = now() FROM {}"
            " WHERE kept.workspace_id = due.workspace_id AND created_at < before AND deleted_at IS NULL"
        ).format(sql.Identifier("app", table), jobs.DUE)
        return (await db.execute(query, jobs.columns(due))).rowcount

    platform.replace(jobs, "expire_rows", expire_rows)
    rewriting.granted(platform, "rivet_retention", {f"app.{table}.deleted_at": ["UPDATE"] for table in hidden})
