"""What the application's role may do to the audit log in MySQL and MariaDB, tried by statements that can change nothing for good.

Their TRUNCATE, ALTER TABLE and DROP cannot be rolled back, and neither can a DELETE from a table whose engine has no transactions.
So what cannot be rolled back is tried by statements that fail for another reason where they are allowed: privileges are looked at first.
A role that the application may take on by SET ROLE counts, whether it does so or not.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from upheld.errors import Unobservable
from upheld.probes import database_mysql

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_NO_SUCH_PARTITION = frozenset({1505, 1507, 1508, 1735, 4116})
_NO_SUCH_COLUMN = 1054
_REFUSED_BY_TRIGGER = 1644

_ENGINES = """
SELECT t.table_schema, t.table_name, coalesce(t.engine, '')
FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = :schema AND t.table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE') AND coalesce(e.transactions, 'NO') <> 'YES'
ORDER BY 1, 2 LIMIT 1
"""
_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = :schema AND table_name = :table AND extra NOT LIKE '%GENERATED%' ORDER BY ordinal_position
"""


def can_be_rolled_back(connection: Connection, table: str) -> None:
    """Raise Unobservable unless every table beside this one has an engine with transactions: a trigger may write into any."""
    schema, _ = _place(connection, table)
    database_mysql.see_all_of(connection, schema)
    found = connection.execute(sa.text(_ENGINES), {"schema": schema}).one_or_none()
    if found is not None:
        raise Unobservable(
            f"nothing is tried that could not be rolled back, and {found[0]}.{found[1]} has an engine without"
            f" transactions ({found[2]})"
        )


def is_let(connection: Connection, statement: str) -> bool:
    """Whether the account, or a role that it may take on, is let do that; it is rolled back."""
    return any(not _denied(connection, statement) for _ in database_mysql.as_each_role(connection))


def reads(connection: Connection, table: str) -> bool:
    """Whether the account, or a role that it may take on, reads the table."""
    return is_let(connection, f"SELECT 1 FROM {_quoted(connection, table)} LIMIT 1")  # noqa: S608


def attempt(connection: Connection, table: str, what: str) -> tuple[str, int]:
    """The server's words where that is denied, or an empty text and how many rows it would have reached (one is enough)."""
    said, allowed, reached = "", False, 0
    for _ in database_mysql.as_each_role(connection):
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 1")
        if what == "delete":
            denied, rows = _delete(connection, table)
        elif what == "update":
            denied, rows = _update(connection, table)
        elif what == "truncate":
            denied, rows = _truncate(connection, table)
        else:
            denied, rows = _without_triggers(connection, table)
        allowed = allowed or not denied
        reached = max(reached, rows)
        said = said or denied
    return ("", reached) if allowed else (said, 0)


def _delete(connection: Connection, table: str) -> tuple[str, int]:
    quoted = _quoted(connection, table)
    denied = _denied(connection, f"DELETE FROM {quoted} WHERE 1 = 0")  # noqa: S608  (quoted names of the target)
    return (denied, 0) if denied else _reached(connection, f"DELETE FROM {quoted} LIMIT 1")  # noqa: S608


def _update(connection: Connection, table: str) -> tuple[str, int]:
    quoted = _quoted(connection, table)
    schema, bare = _place(connection, table)
    names = connection.execute(sa.text(_COLUMNS), {"schema": schema, "table": bare}).scalars().all()
    if not names:
        return "the catalogue shows it no column of the log", 0
    denied = ""
    for name in names:
        column = connection.dialect.identifier_preparer.quote_identifier(str(name))
        said = _denied(connection, f"UPDATE {quoted} SET {column} = NULL WHERE 1 = 0")  # noqa: S608
        if not said:
            # What is written is what stood there: a column that may not be NULL would refuse that and show nothing.
            if _denied(connection, f"SELECT {column} FROM {quoted} LIMIT 1"):  # noqa: S608
                raise Unobservable(
                    f"it may update the column {name}, but not read it, so that no harmless try shows more"
                )
            return _reached(connection, f"UPDATE {quoted} SET {column} = {column} LIMIT 1")  # noqa: S608
        denied = denied or said
    return denied, 0


def _truncate(connection: Connection, table: str) -> tuple[str, int]:
    """Truncating a partition that there is not needs the same privilege as truncating the table."""
    statement = f"ALTER TABLE {_quoted(connection, table)} TRUNCATE PARTITION upheld_{secrets.token_hex(8)}"
    return _denied(connection, statement, *_NO_SUCH_PARTITION), 0


def _without_triggers(connection: Connection, table: str) -> tuple[str, int]:
    """A trigger that sets a column that there is not needs the privilege by which triggers are dropped, and is not made."""
    quoted, name = _quoted(connection, table), f"upheld_{secrets.token_hex(8)}"
    schema = connection.dialect.identifier_preparer.quote_identifier(_place(connection, table)[0])
    statement = f"CREATE TRIGGER {schema}.{name} BEFORE INSERT ON {quoted} FOR EACH ROW SET NEW.{name} = 1"
    denied = _denied(connection, statement, _NO_SUCH_COLUMN)
    denied = denied or _denied(connection, f"DELETE FROM {quoted} WHERE 1 = 0")  # noqa: S608
    return (denied, 0) if denied else ("", 1)


def _denied(connection: Connection, statement: str, *otherwise: int) -> str:
    """The server's words if it denies the statement; empty if it does not. `otherwise` are the errors that show that it does not."""
    connection.exec_driver_sql("ROLLBACK")
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        meaning = database_mysql.meaning(error.orig)
        if meaning is not None and meaning[0] == "denied":
            return meaning[1]
        if database_mysql.number(error.orig) not in otherwise:
            raise
    finally:
        connection.exec_driver_sql("ROLLBACK")
    return ""


def _reached(connection: Connection, statement: str) -> tuple[str, int]:
    """How many rows the statement changes, and what a trigger says that refuses it; rolled back."""
    connection.exec_driver_sql("START TRANSACTION READ WRITE")
    try:
        return "", max(connection.exec_driver_sql(statement).rowcount, 0)
    except DBAPIError as error:
        meaning = database_mysql.meaning(error.orig)
        if meaning is None or database_mysql.number(error.orig) != _REFUSED_BY_TRIGGER:
            raise
        return f"a trigger refuses it: {meaning[1]}", 0
    finally:
        connection.exec_driver_sql("ROLLBACK")


def _place(connection: Connection, table: str) -> tuple[str, str]:
    schema, _, bare = table.rpartition(".")
    return schema or str(connection.execute(sa.text("SELECT DATABASE()")).scalar()), bare


def _quoted(connection: Connection, table: str) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in _place(connection, table))
