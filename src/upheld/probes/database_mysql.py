"""What is particular to MySQL and MariaDB: read-only sessions, catalogues that hide what a role has nothing on, and texts in rows.

Their information schema lists only what the role that asks may use. So nothing is concluded from it before the role's own
grants show that it sees everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection

NAMES = frozenset({"mysql", "mariadb"})
"""The names of the dialects of this family."""

_DENIED = frozenset({1044, 1142, 1143, 1227, 1370})
_REFUSED = frozenset({1040, 1045, 1049, 1129, 1130, 1226, 1698, 2002, 2003, 3118, 3159, 4151})
_TIMED_OUT = frozenset({1205, 1907, 1969, 3024})
_SELECT = frozenset({"SELECT"})
_EVERYTHING = frozenset({"ALL PRIVILEGES", "ALL"})
_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<where>\*|`(?:[^`]|``)*`)\.\* TO ")
_QUOTED = re.compile("'.*'")
_BINARY = frozenset({"bit", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_SHAPES = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
    }
)

_TABLES = """
SELECT table_name, table_type FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE') ORDER BY table_name LIMIT :limit
"""
_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND t.table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE')
ORDER BY c.table_name, c.ordinal_position LIMIT :limit
"""
_TENANT_TABLES = """
SELECT c.table_schema, c.table_name FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND c.column_name = :column AND t.table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE')
ORDER BY 1, 2 LIMIT :limit
"""


def driver(url: URL) -> URL:
    """The URL with PyMySQL as the driver where it names none."""
    return url.set(drivername=f"{url.drivername}+pymysql") if url.drivername in NAMES else url


def arguments(url: URL, seconds: float) -> dict[str, Any]:
    """What the driver is told besides the URL: time limits, and to send no file of this machine if the server asks for one."""
    if url.get_driver_name() != "pymysql":
        return {}
    limit = max(2, int(seconds))
    return {"connect_timeout": limit, "read_timeout": limit, "write_timeout": limit, "local_infile": False}


def bound(connection: Connection, seconds: float, *, read_only: bool) -> None:
    """Begin a transaction in which statements are bounded, times are in UTC and texts that differ are different."""
    run = connection.exec_driver_sql
    limit = max(1, int(seconds))
    if getattr(connection.dialect, "is_mariadb", False):
        run(f"SET SESSION max_statement_time = {limit}")
    else:
        run(f"SET SESSION max_execution_time = {limit * 1000}")
    run(
        f"SET SESSION lock_wait_timeout = {limit}, SESSION innodb_lock_wait_timeout = {limit}, SESSION time_zone = '+00:00'"
    )
    # The collation is that of texts which a statement makes: without it accents, capitals and spaces at the end would not count.
    collation = "utf8mb4_nopad_bin" if getattr(connection.dialect, "is_mariadb", False) else "utf8mb4_bin"
    run(f"SET NAMES utf8mb4 COLLATE {collation}")
    # For the session too, so that a statement which ends the transaction does not end this.
    run(f"SET SESSION TRANSACTION READ {'ONLY' if read_only else 'WRITE'}")
    run(f"START TRANSACTION READ {'ONLY' if read_only else 'WRITE'}")


def as_each_role(connection: Connection) -> Iterator[None]:
    """As the connection is, and then with each role that its account may take on: what a role may, whoever may take it on may."""
    yield
    if not getattr(connection.dialect, "is_mariadb", False):
        connection.exec_driver_sql("SET ROLE ALL")
        yield
        return
    statement = "SELECT role_name FROM information_schema.applicable_roles WHERE grantee = CURRENT_USER()"
    for role in connection.execute(sa.text(statement)).scalars().all():
        connection.exec_driver_sql(f"SET ROLE {connection.dialect.identifier_preparer.quote_identifier(str(role))}")
        yield


def most_counted(connection: Connection, counted: sa.Select[int]) -> int | None:
    """The most that the account counts, with any role that it may take on; None where all of them are denied it."""
    most: int | None = None
    for _ in as_each_role(connection):
        try:
            most = max(most or 0, int(connection.execute(counted).scalar_one()))
        except DBAPIError as error:
            if (meaning(error.orig) or ("", ""))[0] != "denied":
                raise
    return most


def number(original: object) -> int:
    """The number of an error of the driver; 0 for one that has none."""
    first = next(iter(getattr(original, "args", ())), 0)
    return first if isinstance(first, int) else 0


def meaning(original: object) -> tuple[str, str] | None:
    """What an error of the driver is ("denied", "timed out", "refused" or ""), and its text; None for one that has no number."""
    parts: tuple[Any, ...] = tuple(getattr(original, "args", ()))
    if len(parts) < 2 or not isinstance(parts[0], int):
        return None
    code, text = parts[0], str(parts[1]).splitlines()[0] if str(parts[1]) else ""
    if code in _DENIED:
        return "denied", text
    if code in _TIMED_OUT or "timed out" in text.lower():
        return "timed out", text
    if code in _REFUSED:
        return "refused", text
    # Other messages quote values.
    return "", f"error {code}: {_QUOTED.sub('...', text)}"


def see_all_of(connection: Connection, schema: str | None = None, *, to: frozenset[str] = _SELECT) -> None:
    """Raise Unobservable unless the role has one of these privileges on the whole schema (None: the connection's own; `*`: all)."""
    name = schema or connection.execute(sa.text("SELECT DATABASE()")).scalar()
    if not name:
        raise Unobservable("the database's URL names no database, so it is not known which one is meant")
    lines = [str(line) for line in connection.execute(sa.text("SHOW GRANTS")).scalars()]
    if any(line.startswith("REVOKE") for line in lines):
        raise Unobservable("the role has partial revokes, so what the catalogue hides from it is not known")
    for line in lines:
        found = _GRANT.match(line)
        if (
            found
            and (to | _EVERYTHING) & {word.strip() for word in found["what"].split(",")}
            and (found["where"] == "*" or (name != "*" and covers(found["where"], str(name))))
        ):
            return
    raise Unobservable(
        f"the catalogue hides what a role may not use, and this one may not read all of {name if name != '*' else 'it'}"
        f" (GRANT {min(to)} ON {name}.* to it)"
    )


def tables(connection: Connection, limit: int) -> list[str]:
    """Every table of the connection's database, at most `limit`; raises Unobservable where the role does not see all."""
    see_all_of(connection)
    return [str(name) for name, _ in connection.execute(sa.text(_TABLES), {"limit": limit})]


def tenant_tables(connection: Connection, column: str, limit: int) -> list[tuple[str, str, bool, bool, int, str]]:
    """Every table with that column; none of them has row security, for these servers have no such thing."""
    see_all_of(connection)
    found = connection.execute(sa.text(_TENANT_TABLES), {"column": column, "limit": limit})
    return [(str(schema), str(table), False, False, 0, "table") for schema, table in found]


def columns(connection: Connection, limit: int) -> list[tuple[str, str, str]]:
    """Table, column and type of every column of the connection's database; raises Unobservable where the role does not see all."""
    see_all_of(connection)
    return [(str(a), str(b), str(c)) for a, b, c in connection.execute(sa.text(_COLUMNS), {"limit": limit})]


def whole(connection: Connection, table: str) -> None:
    """Raise Unobservable for a table that keeps its former rows, which a plain read does not show."""
    schema, _, bare = table.rpartition(".")
    statement = (
        "SELECT table_type FROM information_schema.tables"
        " WHERE table_schema = coalesce(nullif(:schema, ''), DATABASE()) AND table_name = :table"
    )
    found = connection.execute(sa.text(statement), {"schema": schema, "table": bare}).scalars().all()
    if "SYSTEM VERSIONED" in found:
        raise Unobservable(f"{bare} is system-versioned, and its former rows are not searched")


def searched(
    connection: Connection, table: str
) -> tuple[sa.FromClause, Callable[[str], sa.ColumnElement[bool]], sa.ColumnElement[bool]]:
    """A table, whether a row holds a text in any column, and whether a row is too large for the server to search.

    Bytes are compared, in one-byte letters made small: texts are UTF-8 first, and what is binary is not decoded, for the server
    answers NULL or question marks for what it cannot decode.
    """
    whole(connection, table)
    kinds = kinds_of(connection, table)
    clause = sa.table(
        sa.sql.quoted_name(table, quote=True), *(sa.column(sa.sql.quoted_name(name, quote=True)) for name, _ in kinds)
    ).alias("searched")
    values = [bytes_of(clause.c[name], kind) for name, kind in kinds]
    # What a function makes may not be longer than a packet, or else the server answers NULL; a letter has four bytes at most.
    packet = int(connection.execute(sa.text("SELECT @@max_allowed_packet")).scalar_one())
    large = sa.or_(*(sa.func.coalesce(sa.func.length(clause.c[name]), 0) > packet // 4 for name, _ in kinds))

    def holds(text: str) -> sa.ColumnElement[bool]:
        needle = _small(sa.cast(sa.literal(text), sa.LargeBinary))
        return sa.or_(*(sa.func.coalesce(sa.func.instr(_small(value), needle), 0) > 0 for value in values))

    return clause, holds, large


def kinds_of(connection: Connection, table: str) -> list[tuple[str, str]]:
    """Each column of a table (`table` or `database.table`) and its type, in order; raises Unobservable where none is shown."""
    schema, _, bare = table.rpartition(".")
    statement = (
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = coalesce(nullif(:schema, ''), DATABASE()) AND table_name = :table ORDER BY ordinal_position"
    )
    found = connection.execute(sa.text(statement), {"schema": schema, "table": bare})
    kinds = [(str(name), str(kind).lower()) for name, kind in found]
    if not kinds:
        raise Unobservable(f"the catalogue shows no column of {table}")
    return kinds


def text_of(column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    """A column as text; what is binary in hexadecimal, for the server makes NULL of bytes that are no text."""
    return sa.func.lower(sa.func.hex(column)) if kind in _BINARY else sa.cast(column, sa.Text)


def value_of(kind: str, text: str) -> object:
    """What a column of that type holds where `text_of` gives that text."""
    if kind not in _BINARY:
        return text
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Unobservable("what stands in a binary column is named in hexadecimal") from None


def bytes_of(column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    """A column as bytes, texts in UTF-8."""
    if kind in _BINARY:
        return sa.cast(column, sa.LargeBinary)
    if kind in _SHAPES:
        return sa.func.st_asbinary(column)
    return sa.cast(_using(column, "utf8mb4"), sa.LargeBinary)


def _small(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.collate(sa.func.lower(_using(value, "latin1")), "latin1_bin")


def _using(value: sa.ColumnElement[Any], characters: str) -> sa.ColumnElement[Any]:
    return sa.func.convert(value.op("USING")(sa.literal_column(characters)))


def covers(pattern: str, name: str) -> bool:
    """Whether what stands before `.*` in a grant is this schema: `*`, its name, or a pattern with % and _."""
    if pattern == "*":
        return True
    parts = re.findall(r"\\.|.", pattern[1:-1].replace("``", "`"))
    regexp = "".join(
        ".*" if one == "%" else "." if one == "_" else re.escape(one[1:] if len(one) == 2 else one) for one in parts
    )
    return re.fullmatch(regexp, name, re.DOTALL) is not None


def default_of(connection: Connection, schema: str, table: str, column: str) -> str:
    """The default of a column as the catalogue has it; empty when it has none."""
    statement = (
        "SELECT column_name, column_default FROM information_schema.columns"
        " WHERE table_schema = coalesce(nullif(:schema, ''), DATABASE()) AND table_name = :table AND column_name = :column"
    )
    found = connection.execute(sa.text(statement), {"schema": schema, "table": table, "column": column}).one_or_none()
    if found is None:
        raise Unobservable(f"the catalogue shows no column {table}.{column}")
    return "" if found[1] is None or str(found[1]).upper() == "NULL" else str(found[1])


def login_roles(connection: Connection) -> str:
    """The statement that lists the accounts that may log in, as name@host."""
    kind = "is_role = 'N'" if getattr(connection.dialect, "is_mariadb", False) else "account_locked = 'N'"
    return f"SELECT concat(User, '@', Host) FROM mysql.user WHERE {kind} ORDER BY 1 LIMIT :limit"  # noqa: S608 - a constant
