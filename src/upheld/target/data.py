"""Where data lies: the database, sealed columns, and what is kept for a period only."""

from __future__ import annotations

from typing import Any

from upheld.target.parts import LocalPath, Part, SecretRef


class Database(Part):
    """The database, read-only.

    `application_url` is the role that the application itself uses, `planting_url` one that may write aged rows, `sealed_url` one
    that reads what `url` may not: sealed columns, which a careful database keeps from everybody else. `dump_url` is a role that sees
    every row of every table, as whoever makes dumps must.
    """

    url: SecretRef
    application_url: SecretRef | None = None
    planting_url: SecretRef | None = None
    sealed_url: SecretRef | None = None
    dump_url: SecretRef | None = None
    tenant_column: str | None = None
    shared_tables: dict[str, str] = {}
    """Tables with the tenant's column that are no tenant's data, with the reason."""


class SealedColumn(Part):
    """A column that must hold ciphertext. `associated_data` is a template over the row's columns."""

    table: str
    column: str
    what: str
    id: str = "id"
    associated_data: str = ""


class Encryption(Part):
    """How sensitive columns are sealed: AES-GCM as header (with the key's identifier), nonce, ciphertext and tag."""

    columns: tuple[SealedColumn, ...]
    header_bytes: int = 0
    key_id_offset: int = 0
    key_id_bytes: int = 0
    nonce_bytes: int = 12
    keys: dict[str, SecretRef]


class TableStore(Part):
    """A table whose rows are kept only for a period. `plant` gives values for the other columns of a planted row.

    `content` names the columns that hold what must go. In `plant`, `{canary}`, `{uuid}`, `{tenant}` and `{at}` (the row's
    timestamp) are filled in.
    """

    name: str
    table: str
    timestamp: str
    tenant_column: str
    id: str = "id"
    content: tuple[str, ...] = ()
    plant: dict[str, Any] | None = None
    tombstones: bool = False
    """Whether rows whose content columns are all empty may stay: they only say that something was there."""


class FileStore(Part):
    """A folder whose files are kept only for a period, judged by modification time. `{tenant}` in the pattern is the tenant's id."""

    name: str
    folder: LocalPath
    pattern: str = "**/*"
    plant: str | None = None
    """The path below the folder of a planted file: `{tenant}`, `{uuid}` and `{id}` (of the row planted with it) are filled in."""
    plant_with: str | None = None
    """The table store that has a row for each file; a planted file belongs to a row that is planted there."""


class Retention(Part):
    """What is kept only for a period, where the period of each tenant stands, and how long the job may take."""

    tables: tuple[TableStore, ...] = ()
    files: tuple[FileStore, ...] = ()
    period_table: str | None = None
    period_tenant_column: str = "id"
    period_column: str = "retention_days"
    job_within_seconds: float = 120.0
