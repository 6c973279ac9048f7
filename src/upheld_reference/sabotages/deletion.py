"""Workspaces that are terminated, and not gone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from upheld_reference import deletion
from upheld_reference.deletion import Deletion
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIM = "deletion-30-days"


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "app.contacts",
        "rows of hooli",
    ),
)
def deletion_forgets_one_table(platform: Platform) -> None:
    """The contacts of terminated workspaces stay: the list of tables to empty was written by hand, without theirs."""
    # With the reference to its workspace in place PostgreSQL itself would not let a contact stay behind.
    platform.schema.append("ALTER TABLE app.contacts DROP CONSTRAINT contacts_workspace_id_fkey")
    right = deletion.tables

    async def tables(db: AsyncConnection[Any]) -> list[str]:
        return [table for table in await right(db) if table != "app.contacts"]

    platform.replace(deletion, "tables", tables)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "export files",
        "files of hooli",
    ),
)
def deletion_leaves_files(platform: Platform) -> None:
    """The export files of terminated workspaces stay."""

    def remove_files(_folder: Path, _workspace_id: UUID) -> None:
        return

    platform.replace(deletion, "remove_files", remove_files)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "app.invoices",
        "sha256 of hooli",
    ),
)
def anonymised_by_reversible_hash(platform: Platform) -> None:
    """The pseudonym on a former customer's invoices is a hash of their name, so that whoever guesses the name knows them."""

    def pseudonym(workspace_name: str) -> str:
        return f"former customer {hashlib.sha256(workspace_name.encode('utf-8')).hexdigest()[:16]}"

    platform.replace(deletion, "pseudonym", pseudonym)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "app.members",
        "export files",
        "rows of hooli",
    ),
)
def deletion_job_off(platform: Platform) -> None:
    """The job that deletes terminated workspaces does nothing."""

    async def once(_self: Deletion) -> int:
        return 0

    platform.replace(Deletion, "once", once)
