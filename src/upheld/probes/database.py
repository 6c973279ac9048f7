"""The deployment's database, read-only: its catalogue, and what each role can read.

Every read is one transaction that is read-only and bounded in time and size. Whatever a driver raises becomes `Refused`,
`TimedOut` or `Unobservable` in `database_errors`, and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from upheld.errors import Refused, TimedOut, Unobservable
from upheld.probes import database_guard, database_mysql, database_place
from upheld.probes.base import Probe, look
from upheld.probes.database_errors import ReadDenied, mapped
from upheld.probes.sending import Sending, reading
from upheld.target.manners import DATABASE
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.data import Database as Description

ROWS_COUNTED = 1_000
"""Rows after which a count of readable rows stops: more would say no more."""
CELL_LIMIT = 64 * 1024
"""Bytes of one value that are read; a longer one is Unobservable."""
TABLES_LIMIT = 20_000
"""Tables that the catalogue may list."""
COLUMNS_LIMIT = 100_000
"""Columns that the catalogue may list."""

_ROLES = {
    "auditor": "url",
    "application": "application_url",
    "planter": "planting_url",
    "sealed": "sealed_url",
    "dumper": "dump_url",
}

_TENANT_TABLES = """
SELECT n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity,
       (SELECT count(*) FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid),
       CASE WHEN c.relkind = 'r' AND c.relispartition THEN 'partition' WHEN c.relkind = 'p' THEN 'partitioned table'
            WHEN c.relkind = 'm' THEN 'materialized view' WHEN c.relkind = 'f' THEN 'foreign table' ELSE 'table' END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND a.attname = :column
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
ORDER BY 1, 2
LIMIT :limit
"""

_COLUMNS = """
SELECT n.nspname || '.' || c.relname, a.attname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
ORDER BY 1, a.attnum
LIMIT :limit
"""
_LOGIN_ROLES = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolcanlogin ORDER BY 1 LIMIT :limit"


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """A table, materialised view or foreign table as `schema.name`, and its columns; a partition is part of its table."""

    table: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        """`schema.name`."""
        return self.table


@dataclass(frozen=True, slots=True)
class TenantTable:
    """A table, partition or materialised view that has the tenant's column, and what the catalogue says of its row security."""

    schema: str
    name: str
    row_security: bool
    forced: bool
    policies: int
    kind: str = "table"

    def __str__(self) -> str:
        """`schema.name`."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class ReadAttempt:
    """What the application's role read with no tenant set: the rows (counting stops at `ROWS_COUNTED`), or that it was denied.

    `control_rows` is what the auditing role sees in the same table: 0 means that the attempt proves nothing.
    """

    rows: int
    denied: bool
    control_rows: int


class Database(Probe):
    """The database that the target declares, seen through its auditing role and through the application's own."""

    name = "database"
    needs = ("database",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(
            ("column_default", "login_roles", "shared_tables", "stored_columns", "tenant_tables"),
            reading("url", "of the catalogue"),
        ),
        "rows_without_tenant": reading("application_url", "of a few rows of each table"),
    }

    def __init__(self, session: Session) -> None:
        """Connects to nothing yet."""
        super().__init__(session)
        self._engines: dict[str, Engine] = {}
        self._cuts: list[str] = []

    @look
    def shared_tables(self) -> Mapping[str, str]:
        """The tables that the target declares as shared by all tenants, each with the reason."""
        return dict(self.description.shared_tables)

    @look
    def tenant_tables(self) -> tuple[TenantTable, ...]:
        """Every table, partition, materialised view and foreign table that has the tenant's column, by the catalogue."""
        column = self.description.tenant_column
        if column is None:
            raise Unobservable("the target does not say which column names the tenant (database.tenant_column)")
        with self.reading("auditor") as connection:
            if connection.dialect.name in database_mysql.NAMES:
                found: Sequence[Any] = database_mysql.tenant_tables(connection, column, TABLES_LIMIT + 1)
            else:
                self._postgresql(connection)
                found = connection.execute(sa.text(_TENANT_TABLES), {"column": column, "limit": TABLES_LIMIT + 1}).all()
        if len(found) > TABLES_LIMIT:
            raise Unobservable(f"more than {TABLES_LIMIT} tables have the column {column}")
        return tuple(TenantTable(*row) for row in found)

    @look
    def rows_without_tenant(self, table: TenantTable | str) -> ReadAttempt:
        """What the application's own role reads of `table` in a fresh session in which no tenant was set."""
        counted = sa.select(sa.func.count()).select_from(
            sa.select(sa.literal(1)).select_from(table_of(str(table))).limit(ROWS_COUNTED).subquery()
        )
        control = self._rows(counted)
        try:
            with self.reading("application") as connection:
                if connection.dialect.name in database_mysql.NAMES:
                    rows = database_mysql.most_counted(connection, counted)
                    return ReadAttempt(rows or 0, denied=rows is None, control_rows=control)
                return ReadAttempt(int(connection.execute(counted).scalar_one()), denied=False, control_rows=control)
        except ReadDenied:
            return ReadAttempt(0, denied=True, control_rows=control)

    @look
    def column_default(self, table: str, column: str) -> str:
        """The expression that the catalogue gives as a column's default; empty when it has none."""
        schema, _, name = table.rpartition(".")
        with self.reading("auditor") as connection:
            if connection.dialect.name in database_mysql.NAMES:
                return database_mysql.default_of(connection, schema, name, column)
            self._postgresql(connection)
            statement = sa.text(
                "SELECT coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') FROM pg_catalog.pg_attribute a"
                " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
                " WHERE c.relname = :name AND a.attname = :column AND a.attnum > 0 AND NOT a.attisdropped"
                " AND (n.nspname = :schema OR (:schema = '' AND pg_catalog.pg_table_is_visible(c.oid)))"
            )
            found = connection.execute(statement, {"name": name, "column": column, "schema": schema}).scalar()
        if found is None:
            raise Unobservable(f"the catalogue lists no column {table}.{column}")
        return str(found)

    def _rows(self, counted: sa.Select[int]) -> int:
        """What an auditor's role counts: the one that sees most, else the one for what is kept from it."""
        try:
            with self.reading("auditor") as connection:
                return int(connection.execute(counted).scalar_one())
        except ReadDenied:
            if self.description.sealed_url is None:
                raise
        with self.reading("sealed") as connection:
            return int(connection.execute(counted).scalar_one())

    @look
    def stored_columns(self) -> tuple[StoredColumns, ...]:
        """Every column of every table that is not the database's own, by the catalogue; raises Unobservable when there is none."""
        with self.reading("auditor") as connection:
            if connection.dialect.name in database_mysql.NAMES:
                found = [(table, column) for table, column, _ in database_mysql.columns(connection, COLUMNS_LIMIT + 1)]
            else:
                self._postgresql(connection)
                rows = connection.execute(sa.text(_COLUMNS), {"limit": COLUMNS_LIMIT + 1})
                found = [(str(table), str(column)) for table, column in rows]
        if not found:
            raise Unobservable("the catalogue lists no table")
        if len(found) > COLUMNS_LIMIT:
            raise Unobservable(f"the database has more than {COLUMNS_LIMIT} columns")
        tables: dict[str, list[str]] = {}
        for table, column in found:
            tables.setdefault(table, []).append(column)
        return tuple(StoredColumns(table, tuple(columns)) for table, columns in tables.items())

    @look
    def login_roles(self) -> tuple[str, ...]:
        """The roles that may log in, by the catalogue."""
        with self.reading("auditor") as connection:
            if connection.dialect.name in database_mysql.NAMES:
                statement = database_mysql.login_roles(connection)
            else:
                self._postgresql(connection)
                statement = _LOGIN_ROLES
            found = connection.execute(sa.text(statement), {"limit": TABLES_LIMIT + 1}).scalars().all()
        if len(found) > TABLES_LIMIT:
            raise Unobservable(f"more than {TABLES_LIMIT} roles may log in")
        return tuple(str(name) for name in found)

    # --- for probes that read the database too ---------------------------------------------------------------------

    @property
    def description(self) -> Description:
        """The target's description of the database; raises Unobservable when there is none."""
        if self.target.database is None:
            raise Unobservable("the target describes no database")
        return self.target.database

    @contextmanager
    def reading(self, role: str = "auditor") -> Iterator[Connection]:
        """A connection as `role` (auditor, application, sealed or dumper), in a read-only transaction that is rolled back.

        Raises Refused, TimedOut or Unobservable for whatever goes wrong in it.
        """
        with self._connected(role) as connection:
            yield from self._read_only(connection)

    @contextmanager
    def reading_as(self, reference: str, who: str) -> Iterator[Connection]:
        """As `reading`, with the database URL that the secret `reference` stands for, in a session of its own."""
        engine = self._engine_for(reference, who, f"the URL of {who}", NullPool)
        try:
            with self._connected(who, engine) as connection:
                yield from self._read_only(connection)
        finally:
            engine.dispose()

    def _read_only(self, connection: Connection) -> Iterator[Connection]:
        with connection.begin() as transaction:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            elif connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            self._bound(connection, read_only=True)
            yield connection
            transaction.rollback()

    @contextmanager
    def attempting(self, role: str = "application") -> Iterator[Connection]:
        """A connection as `role` whose transaction is rolled back whatever happens in it: for trying what must be denied.

        Raises Refused, TimedOut or Unobservable for whatever goes wrong in it.
        """
        with self._connected(role) as connection, connection.begin() as transaction:
            self._bound(connection)
            try:
                yield connection
            finally:
                transaction.rollback()

    @contextmanager
    def writing(self, role: str = "planter") -> Iterator[Connection]:
        """A connection as the planting role (or another), in a transaction that is committed at the end of the block."""
        with self._connected(role) as connection, connection.begin():
            self._bound(connection)
            yield connection

    def close(self) -> None:
        """Close every connection."""
        while self._engines:
            self._engines.popitem()[1].dispose()

    @contextmanager
    def _connected(self, role: str, engine: Engine | None = None) -> Iterator[Connection]:
        who = f"the database ({role}'s role)"
        chosen = engine or self._engine(role)
        fenced = self.session.scope.fence.up() if database_place.in_python(chosen.url) else contextlib.nullcontext()
        try:
            with fenced:
                opened = self._opened(chosen, who)
            with opened as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._meant(error, who) from None  # The cause may quote statements with values in them.

    def _opened(self, engine: Engine, who: str) -> Connection:
        try:
            return engine.connect()
        except SQLAlchemyError as error:
            meant = self._meant(error, who)
            # Whoever is not let in was not denied what it would have asked for.
            raise (Refused(meant.reason) if isinstance(meant, ReadDenied) else meant) from None

    def _meant(self, error: SQLAlchemyError, who: str) -> Unobservable:
        if not self._cuts:
            return mapped(error, who)
        why = self._cuts.pop()
        return TimedOut(f"{who}: {why}") if "time limit" in why else Unobservable(f"{who}: {why}")

    def _bound(self, connection: Connection, *, read_only: bool = False) -> None:
        if connection.dialect.name in database_mysql.NAMES:
            database_mysql.bound(connection, self.target.timeout_seconds, read_only=read_only)
        milliseconds = int(self.target.timeout_seconds * 1000)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
            connection.exec_driver_sql("SET LOCAL timezone = 'UTC'")

    def _engine(self, role: str) -> Engine:
        if role not in self._engines:
            self._engines[role] = self._make_engine(role)
        return self._engines[role]

    def _make_engine(self, role: str) -> Engine:
        reference = getattr(self.description, _ROLES[role])
        if reference is None:
            raise Unobservable(f"the target gives no URL for the {role}'s role (database.{_ROLES[role]})")
        # The application's role is looked at in fresh sessions only: a pooled one could carry a tenant.
        pool = NullPool if role == "application" else None
        return self._engine_for(reference, role, f"database.{_ROLES[role]}", pool)

    def _engine_for(self, reference: str, role: str, what: str, pool: type[NullPool] | None) -> Engine:
        try:
            url = database_mysql.driver(_driver(make_url(resolve(reference, self.session.target_folder))))
        except (ArgumentError, ValueError):
            raise Unobservable(f"{what} is no database URL") from None
        if url.password is not None and len(str(url.password)) >= 4:
            self.session.redactor.add(str(url.password), f"database password of {role}")
        scope, where = self.session.scope, f"the database ({role}'s role)"
        try:
            url, arguments = database_place.pinned(url, lambda host, port: scope.reach(where, host, port))
        except (NoSuchModuleError, ImportError) as error:
            raise Unobservable(
                f"databases of the kind {url.drivername} cannot be read: {type(error).__name__}"
            ) from error
        if url.get_backend_name() == "postgresql":
            arguments |= {"connect_timeout": max(2, int(self.target.timeout_seconds)), "application_name": "upheld"}
            arguments["prepare_threshold"] = None  # A connection pooler in between may not keep prepared statements.
        if url.get_backend_name() in database_mysql.NAMES:
            arguments |= database_mysql.arguments(url, self.target.timeout_seconds)
        try:
            engine = sa.create_engine(url, connect_args=arguments, poolclass=pool, hide_parameters=True)
        except (NoSuchModuleError, ImportError, ArgumentError) as error:
            raise Unobservable(
                f"databases of the kind {url.get_backend_name()} cannot be read: {type(error).__name__}"
            ) from error
        if url.get_backend_name() != "sqlite":
            database_guard.watch(engine, self.target.timeout_seconds, self._cuts.append)
            sa.event.listen(engine, "before_cursor_execute", self._in_turn)
        return engine

    def _in_turn(self, *_: object) -> None:
        self.session.pace(DATABASE)

    @staticmethod
    def _postgresql(connection: Connection) -> None:
        if connection.dialect.name != "postgresql":
            raise Unobservable(f"the catalogue of a {connection.dialect.name} database is not known to upheld")


def table_of(name: str, *columns: str) -> sa.TableClause:
    """The table `schema.name` or `name` with these columns, every name quoted."""
    schema, _, bare = name.rpartition(".")
    quoted: list[sa.ColumnClause[Any]] = [sa.column(sa.sql.quoted_name(column, quote=True)) for column in columns]
    return sa.table(
        sa.sql.quoted_name(bare, quote=True), *quoted, schema=sa.sql.quoted_name(schema, quote=True) if schema else None
    )


def _driver(url: URL) -> URL:
    """The URL with psycopg 3 as PostgreSQL's driver where it names none."""
    name = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}.get(url.drivername)
    return url.set(drivername=name) if name else url
