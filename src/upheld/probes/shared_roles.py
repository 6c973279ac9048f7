"""Database roles that all tenants share: what each of them sees with a tenant set, with another, and with none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes import database_mysql
from upheld.probes.base import Probe, look
from upheld.probes.database import Database, table_of
from upheld.probes.database_errors import ReadDenied
from upheld.probes.sending import DATABASE, Sending, Sends

if TYPE_CHECKING:
    from upheld.target.network import SharedRoles as Description

TENANTS_LIMIT = 50
"""Tenants of a table that are told."""


@dataclass(frozen=True, slots=True)
class RowsSeen:
    """How many rows a role saw, of the tenant that was set and of others; or that it may not read the table."""

    own: int
    foreign: int
    denied: bool


class SharedRoles(Probe):
    """Reads tables as the declared roles, each time in a fresh session and a read-only transaction."""

    name: ClassVar[str] = "shared_roles"
    needs: ClassVar[tuple[str, ...]] = ("shared_roles", "database")
    sends: ClassVar[Sending] = dict.fromkeys(
        ("rows", "tenants_in"), (Sends(DATABASE, "SELECT of {shared_roles.tables}", "each role of shared_roles"),)
    )

    @look
    def roles(self) -> tuple[str, ...]:
        """The names of the declared roles."""
        return tuple(self._described.roles)

    @look
    def tables(self) -> tuple[str, ...]:
        """The declared tables."""
        return self._described.tables

    @look
    def tenants_in(self, table: str) -> tuple[str, ...]:
        """The tenants that have rows in a table, by the auditing role."""
        with self._database.reading("auditor") as connection:
            column = sa.cast(table_of(table, self._column).c[self._column], sa.Text)
            statement = sa.select(column).distinct().order_by(sa.text("1")).limit(TENANTS_LIMIT)
            return tuple(str(one) for (one,) in connection.execute(statement) if one is not None)

    @look
    def rows(self, role: str, table: str, tenants: tuple[str, ...]) -> tuple[RowsSeen, ...]:
        """What `role` sees of a table with no tenant set in a fresh session, and then with each of these set in turn."""
        whole = table_of(table, self._column)
        column = sa.cast(whole.c[self._column], sa.Text)
        found = []
        try:
            with self._database.reading_as(self._described.roles[role], role) as connection:
                for tenant in ("", *tenants):
                    if tenant:
                        self._set(connection, tenant)
                    mine = sa.func.count(sa.case((column == tenant, 1)))
                    own, seen = connection.execute(sa.select(mine, sa.func.count()).select_from(whole)).one()
                    found.append(RowsSeen(int(own), int(seen) - int(own), denied=False))
        except ReadDenied:
            return (RowsSeen(0, 0, denied=True),) * (len(tenants) + 1)
        return tuple(found)

    def _set(self, connection: sa.Connection, tenant: str) -> None:
        if connection.dialect.name in database_mysql.NAMES:
            # What views and routines can go by there: a variable of the session.
            quoted = connection.dialect.identifier_preparer.quote_identifier(self._described.setting)
            connection.execute(sa.text(f"SET @{quoted} = :value"), {"value": tenant})
        elif connection.dialect.name == "postgresql":
            setting = sa.text("SELECT pg_catalog.set_config(:name, :value, true)")
            connection.execute(setting, {"name": self._described.setting, "value": tenant})
        else:
            raise Unobservable(f"how a {connection.dialect.name} session is told its tenant is not known to upheld")

    @property
    def _described(self) -> Description:
        if self.target.shared_roles is None:
            raise Unobservable("the target describes no shared roles")
        return self.target.shared_roles

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    @property
    def _column(self) -> str:
        column = self._database.description.tenant_column
        if column is None:
            raise Unobservable("the target does not say which column names the tenant (database.tenant_column)")
        return column
