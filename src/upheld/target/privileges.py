"""Who may do what in the database: its roles, what each was granted by decision, and what no role may read together."""

from __future__ import annotations

from upheld.target.parts import Part


class KeptApart(Part):
    """Two groups of columns that stand in no table, view or schema together, and that no role reads both.

    Columns are named `schema.table.column`. Whatever has a column called as one of the first group beside one of the second
    counts, wherever it stands.
    """

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    exempt_roles: dict[str, str] = {}
    """Roles that may read both, with the reason: the superuser that the server was made with, say."""


class DatabaseAccess(Part):
    """The roles of the database, and everything that they were granted by decision; whatever is beyond it is too much.

    `grants` has, for each role, the privileges by object: `schema`, `schema.table`, `schema.table.column`,
    `schema.function()`, and `PUBLIC` as a role. An owner's own privileges are not listed. On MariaDB accounts are called
    `name@host`, databases stand for schemas, and `*` is the whole server.
    """

    application_role: str
    service_roles: tuple[str, ...] = ()
    """All roles that services connect as."""
    grants: dict[str, dict[str, tuple[str, ...]]]
    administrators: dict[str, str] = {}
    """Roles with powers over the whole server (superuser, replication, creating roles), with the reason."""
    owners: dict[str, str] = {}
    """Roles that own objects, with the reason."""
    kept_apart: tuple[KeptApart, ...] = ()
