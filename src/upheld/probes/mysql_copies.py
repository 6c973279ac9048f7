"""Every table of MySQL and MariaDB as a dump has it: hidden columns and former rows too, and the tables of the server's own with what users wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from upheld.probes import database_guard, database_mysql

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_BATCH = 100
_TABLES = """
SELECT table_schema, table_name, table_type, coalesce(upper(engine), '') FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE') ORDER BY 1, 2
"""
_ELSEWHERE = frozenset({"FEDERATED", "CONNECT", "SPIDER"})
# The log of statements may be a table, and so are the texts of routines and passwords of other servers.
_SYSTEM = ("general_log", "slow_log", "proc", "event", "servers")
_NO_SUCH_TABLE = 1146


def listed(connection: Connection, seconds: int) -> list[tuple[str, str, str]]:
    """Database, table, and what must be said of it: why its rows cannot be read, or else how they are."""
    database_mysql.see_all_of(connection)
    database_guard.allow(connection, seconds)
    if getattr(connection.dialect, "is_mariadb", False):
        connection.exec_driver_sql(f"SET SESSION max_statement_time = {seconds}")
    else:
        connection.exec_driver_sql(f"SET SESSION max_execution_time = {seconds * 1000}")
    found = []
    for schema, table, kind, engine in connection.execute(sa.text(_TABLES)).all():
        former = " FOR SYSTEM_TIME ALL" if kind == "SYSTEM VERSIONED" else ""
        found.append((str(schema), str(table), engine if engine in _ELSEWHERE else former))
    return found + [("mysql", name, "") for name in _SYSTEM]


def lies_elsewhere(said: str) -> bool:
    """Whether what `listed` says of a table is that its rows are not here."""
    return said in _ELSEWHERE


def is_missing(error: Exception) -> bool:
    """Whether the server says that there is no such table."""
    return database_mysql.number(getattr(error, "orig", None)) == _NO_SUCH_TABLE


def rows(connection: Connection, schema: str, table: str, former: str) -> Iterator[bytes]:
    """The rows of a table, one after the other, with tabs between their values."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    place = f"{quote(schema)}.{quote(table)}"
    # By name: a star leaves out what is declared invisible.
    names = ", ".join(quote(name) for name, _ in database_mysql.kinds_of(connection, f"{schema}.{table}"))
    statement = sa.text(f"SELECT {names} FROM {place}{former}".replace(":", "\\:"))  # noqa: S608  (names of the catalogue)
    with connection.execute(statement, execution_options={"yield_per": _BATCH}) as result:
        for row in result:
            yield b"\t".join(map(_bytes, row)) + b"\n"


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b"" if value is None else str(value).encode("utf-8", "surrogatepass")
