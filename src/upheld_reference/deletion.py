"""The job that removes terminated workspaces: every row, every file, and whatever says whose the invoices were.

Which tables there are it asks the database's catalogue, so that a table that somebody adds is not forgotten: whatever has the
column workspace_id is emptied of the workspace, unless it is declared here as anonymised or kept.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import AsyncConnection, sql

from upheld_reference.audit import log
from upheld_reference.audit.log import Entry
from upheld_reference.logs import app_log
from upheld_reference.recurring import DatabaseJob

if TYPE_CHECKING:
    from upheld_reference.database.seed import Seed
    from upheld_reference.platform import Platform
    from upheld_reference.vault.client import VaultClient

PROMISED_DAYS = 30
"""Within how many days of its termination a workspace must be gone: what customers are promised."""
ANONYMISED = ("app.invoices",)
"""Tables whose rows stay because tax law says so, without anything that leads back to the workspace."""
KEPT = {"audit.entries": "it says which member did what by random identifiers, and nothing else says whose those were"}
"""Tables that stay as they are, and why."""
VAULT_SCHEMA = "vault"
"""The schema whose rows the vault removes, since no other role may touch them."""

_TABLES = """
    SELECT n.nspname || '.' || c.relname AS name,
        coalesce(array_agg(DISTINCT fn.nspname || '.' || f.relname) FILTER (WHERE f.oid <> c.oid), '{}') AS refers_to
    FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped
        LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
        LEFT JOIN pg_class f ON f.oid = k.confrelid
        LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    GROUP BY n.nspname, c.relname
"""
_DUE = """
    SELECT id FROM app.workspaces WHERE terminated_at <= now() - make_interval(days => %s) ORDER BY terminated_at
"""


async def tables(db: AsyncConnection[Any]) -> list[str]:
    """Every table with the column workspace_id, those that refer to others before those, without the ones that are kept."""
    found = {row[0]: set(row[1]) for row in await (await db.execute(_TABLES)).fetchall()}
    order = TopologicalSorter({name: [other for other in refers if other in found] for name, refers in found.items()})
    return [name for name in reversed(list(order.static_order())) if name not in KEPT]


async def remove_rows(db: AsyncConnection[Any], table: str, workspace_id: UUID) -> int:
    """Removes every row of the workspace from ``table`` (schema.table) and returns how many those were."""
    query = sql.SQL("DELETE FROM {} WHERE workspace_id = %s").format(sql.Identifier(*table.split(".")))
    return (await db.execute(query, [workspace_id])).rowcount


def pseudonym(_workspace_name: str) -> str:
    """What stands for a customer who is gone: chosen at random, so that nothing leads back from it."""
    return f"former customer {secrets.token_hex(8)}"


async def anonymise(db: AsyncConnection[Any], workspace_id: UUID) -> int:
    """Takes everything from the workspace's invoices that says whose they were; one pseudonym still holds them together."""
    name = await (await db.execute("SELECT name FROM app.workspaces WHERE id = %s", [workspace_id])).fetchone()
    whose = pseudonym(str(name[0]) if name else "")
    query = "UPDATE app.invoices SET workspace_id = NULL, account = %s, billed_to = %s WHERE workspace_id = %s"
    return (await db.execute(query, [whose, whose, workspace_id])).rowcount


def remove_files(folder: Path, workspace_id: UUID) -> None:
    """Removes every file of the workspace below ``folder``."""
    if (folder / str(workspace_id)).exists():
        shutil.rmtree(folder / str(workspace_id))


class Deletion(DatabaseJob):
    """Removes workspaces some days after they were terminated."""

    what = "the deletion job"

    def __init__(
        self, url: str, vault: VaultClient, folders: Sequence[Path], after_days: int, interval_seconds: float
    ) -> None:
        """Works as the role in ``url``, through ``vault``, and on the folder of a workspace below each of ``folders``."""
        super().__init__(url, interval_seconds)
        self._vault = vault
        self._folders = tuple(folders)
        self._after_days = after_days

    async def once(self) -> int:
        """Removes every workspace that is due and returns how many those were; one that fails does not hold up the others."""
        db = await self.connected()
        due = [row[0] for row in await (await db.execute(_DUE, [self._after_days])).fetchall()]
        removed = 0
        for workspace_id in due:
            try:
                await self._remove(db, workspace_id)
                removed += 1
            except Exception:
                app_log.exception("the workspace %s could not be deleted", workspace_id)
        return removed

    async def _remove(self, db: AsyncConnection[Any], workspace_id: UUID) -> None:
        # The rows of the database come last: as long as they are there, the next run finds the workspace again.
        await self._vault.forget_workspace(workspace_id)
        for folder in self._folders:
            await asyncio.to_thread(remove_files, folder, workspace_id)
        async with db.transaction():
            await anonymise(db, workspace_id)
            rows = 0
            for table in await tables(db):
                if table not in ANONYMISED and not table.startswith(f"{VAULT_SCHEMA}."):
                    rows += await remove_rows(db, table, workspace_id)
            await db.execute("DELETE FROM app.workspaces WHERE id = %s", [workspace_id])
            entry = Entry("service:deletion", "workspace.delete", f"workspace:{workspace_id}", "done", workspace_id)
            await log.record(db, entry)
        app_log.info("the workspace %s is deleted with %d rows", workspace_id, rows)


def facts(platform: Platform, seed: Seed) -> dict[str, Any]:
    """What deployment.json tells of terminated workspaces, with words by which traces of them would be found."""
    return {
        "promised_days": PROMISED_DAYS,
        "after_days": platform.settings.deletion_after_days,
        "anonymised_tables": list(ANONYMISED),
        "kept_tables": dict(KEPT),
        "terminated_workspaces": [
            {
                "id": str(workspace.id),
                "name": workspace.name,
                "terminated_days_ago": workspace.terminated_days_ago,
                "traces": [str(workspace.id), workspace.name, f"{workspace.name}.example.com"],
                "owner": next(
                    {"email": one.email, "password": one.password}
                    for one in seed.identities
                    if one.tenant == workspace.name and one.role == "owner"
                ),
            }
            for workspace in seed.workspaces
            if not workspace.lives
        ],
    }
