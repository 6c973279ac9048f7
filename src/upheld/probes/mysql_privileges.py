"""Who may do what in MariaDB, by its tables of accounts: the same questions that the catalogue of PostgreSQL answers.

An account is called `user@host` and a role by its name alone. Databases stand where PostgreSQL has schemas. What everybody may is
granted to the role PUBLIC, or to accounts without a name, whose rights to databases hold for all that come from the same host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.database_mysql import covers, see_all_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

EVERYWHERE = "*"
"""The object on which privileges over the whole server are listed."""

# In the order of their bits in mysql.global_priv.
_GLOBAL = (
    *(
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "DROP",
        "RELOAD",
        "SHUTDOWN",
        "PROCESS",
        "FILE",
        "GRANT OPTION",
    ),
    *("REFERENCES", "INDEX", "ALTER", "SHOW DATABASES", "SUPER", "CREATE TEMPORARY TABLES", "LOCK TABLES", "EXECUTE"),
    *(
        "REPLICATION SLAVE",
        "BINLOG MONITOR",
        "CREATE VIEW",
        "SHOW VIEW",
        "CREATE ROUTINE",
        "ALTER ROUTINE",
        "CREATE USER",
    ),
    *("EVENT", "TRIGGER", "CREATE TABLESPACE", "DELETE HISTORY", "SET USER", "FEDERATED ADMIN", "CONNECTION ADMIN"),
    *("READ_ONLY ADMIN", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "BINLOG ADMIN", "BINLOG REPLAY"),
    *("SLAVE MONITOR", "SHOW CREATE ROUTINE"),
)
_GRANT = 1 << _GLOBAL.index("GRANT OPTION")

_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "TRIGGER"})
_SHOWN = 6


_ACCOUNTS = """
SELECT User, Host, coalesce(JSON_VALUE(Priv, '$.is_role'), '0') IN ('1', 'true'),
    coalesce(JSON_VALUE(Priv, '$.account_locked'), '0') IN ('1', 'true'), JSON_VALUE(Priv, '$.access')
FROM mysql.global_priv ORDER BY 1, 2 LIMIT :limit
"""
_ROLES = "SELECT User, Host, Role, Admin_option = 'Y' FROM mysql.roles_mapping LIMIT :limit"
_PROXIES = """
SELECT User, Host, Proxied_user, Proxied_host, With_grant <> 0 FROM mysql.proxies_priv LIMIT :limit
"""
_TABLES = "SELECT User, Host, Db, Table_name, Table_priv FROM mysql.tables_priv WHERE Table_priv <> '' LIMIT :limit"
_COLUMNS = "SELECT User, Host, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv LIMIT :limit"
_ROUTINES = "SELECT User, Host, Db, Routine_name, Proc_priv FROM mysql.procs_priv LIMIT :limit"
_SHOWN_COLUMNS = """
SELECT c.table_schema, c.table_name, c.column_name, c.ordinal_position, t.table_type
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
ORDER BY 1, 2, 4 LIMIT :limit
"""


def roles(connection: Connection, limit: int) -> Iterator[tuple[Any, ...]]:
    """Each account and role, whether it may log in, and its powers over the whole server."""
    written: dict[str, set[str]] = {}
    for role, place, _, privilege, _ in granted(connection, limit):
        database = place.partition(".")[0]
        if place != EVERYWHERE and privilege in _WRITES and covers(f"`{database}`", "mysql"):
            written.setdefault(role, set()).add(privilege)
    for name, is_role, locked, access in _accounts(connection, limit):
        held = _global(access)
        powers = [*held[:_SHOWN], *([f"{len(held) - _SHOWN} more privileges"] if len(held) > _SHOWN else [])]
        if name in written:
            powers.append(f"writes the tables of accounts ({', '.join(sorted(written[name]))} on mysql)")
        yield name, not is_role and not locked, powers


def memberships(connection: Connection, limit: int) -> Iterator[tuple[Any, ...]]:
    """Each account or role, and a role or an account that it may become."""
    known = [(name, is_role) for name, is_role, *_ in _accounts(connection, limit)]
    for user, host, role, _ in _rows(connection, _ROLES, limit):
        yield _named(user, host), role
    for user, host, proxied, of, _ in _rows(connection, _PROXIES, limit):
        for name in [_named(proxied, of)] if proxied else [name for name, is_role in known if not is_role]:
            yield _named(user, host), name
    if ("PUBLIC", True) in known:
        for name, _ in known:
            if name != "PUBLIC":
                yield name, "PUBLIC"


def owned(*_: Any) -> Iterator[tuple[Any, ...]]:
    """Nothing: raises Unobservable."""
    raise Unobservable(
        "MySQL and MariaDB have no owners of objects: whoever has CREATE, ALTER or DROP on one may change it,"
        " which is among the grants"
    )


def granted(connection: Connection, limit: int) -> Iterator[tuple[Any, ...]]:
    """Each privilege: whose, on what, what kind of object that is, which, and whether it may be passed on."""
    ours = {name for name, *_ in _accounts(connection, limit)}
    for name, _, _, access in _accounts(connection, limit):
        for privilege in _global(access):
            if privilege != "GRANT OPTION":
                yield name, EVERYWHERE, "server", privilege, bool(access & _GRANT)
    for row in connection.execute(sa.text("SELECT * FROM mysql.db LIMIT :limit"), {"limit": limit}).mappings():
        held = [_spelled(one) for one, value in row.items() if one.endswith("_priv") and value == "Y"]
        yield from _each(_named(row["User"], row["Host"]), _plain(row["Db"]), "schema", held)
    for user, host, database, table, words in _rows(connection, _TABLES, limit):
        if _named(user, host) in ours:
            yield from _each(_named(user, host), f"{database}.{table}", "table", _words(words))
    for user, host, database, table, column, words in _rows(connection, _COLUMNS, limit):
        yield from _each(_named(user, host), f"{database}.{table}.{column}", "column", _words(words))
    for user, host, database, routine, words in _rows(connection, _ROUTINES, limit):
        yield from _each(_named(user, host), f"{database}.{routine}()", "function", _words(words))
    for user, host, role, passes in _rows(connection, _ROLES, limit):
        yield _named(user, host), f"role {role}", "role", "MEMBER", bool(passes)
    for user, host, proxied, of, passes in _rows(connection, _PROXIES, limit):
        if _named(user, host) in ours:
            yield _named(user, host), f"account {_named(proxied, of)}", "account", "PROXY", bool(passes)


def columns(connection: Connection, limit: int) -> Iterator[tuple[Any, ...]]:
    """Each column of each database: a number of its table, database, table, column, its own number, and the kind of the table."""
    see_all_of(connection, "*", to=frozenset({"SELECT", "REFERENCES"}))
    numbers: dict[tuple[str, str], int] = {}
    for schema, table, column, number, kind in connection.execute(sa.text(_SHOWN_COLUMNS), {"limit": limit}):
        if kind == "VIEW":
            raise Unobservable(
                f"there is the view {schema}.{table}, and which columns a view reads is not in the catalogue of MariaDB"
            )
        yield numbers.setdefault((schema, table), len(numbers) + 1), schema, table, column, int(number), "r"


def readers(
    connection: Connection, limit: int, *, relations: list[int], numbers: list[int]
) -> Iterator[tuple[Any, ...]]:
    """Each account and role with the columns (numbers of table and column) that it may select by itself."""
    wanted = set(zip(relations, numbers, strict=True))
    places = [
        (relation, number, schema, table, column)
        for relation, schema, table, column, number, _ in columns(connection, limit)
        if (relation, number) in wanted
    ]
    selects: dict[str, list[tuple[str, str]]] = {}
    for role, place, kind, privilege, _ in granted(connection, limit):
        if privilege == "SELECT":
            selects.setdefault(role, []).append((kind, place))
    # What is granted to a nameless account on a database holds for everybody from that host.
    nameless = [one for role, held in selects.items() if role.startswith("@") for one in held if one[0] == "schema"]
    for name, _, _, access in _accounts(connection, limit):
        superuser = bool(access & (1 << _GLOBAL.index("SUPER")))
        for relation, number, schema, table, column in places:
            if any(_holds(kind, place, schema, table, column) for kind, place in (*selects.get(name, ()), *nameless)):
                yield name, superuser, relation, number


def views(*_: Any) -> Iterator[tuple[Any, ...]]:
    """Nothing: where there is a view, `columns` says that it cannot be looked through."""
    yield from ()


ANSWERS: dict[str, Callable[..., Iterator[tuple[Any, ...]]]] = {
    "roles": roles,
    "memberships": memberships,
    "owned": owned,
    "granted": granted,
    "columns": columns,
    "views": views,
    "readers": readers,
}
"""What answers each question, given the connection and the most rows to read."""


def _rows(connection: Connection, statement: str, limit: int) -> list[Any]:
    return list(connection.execute(sa.text(statement), {"limit": limit}))


def _accounts(connection: Connection, limit: int) -> Iterator[tuple[str, bool, bool, int]]:
    """Each account and role: its name, whether it is a role, whether it is locked, and the bits of its global privileges."""
    if not getattr(connection.dialect, "is_mariadb", False):
        raise Unobservable("accounts and roles are read in MariaDB's own tables, which MySQL has not")
    see_all_of(connection, "mysql")
    for user, host, is_role, locked, access in _rows(connection, _ACCOUNTS, limit):
        if (user, host) == ("mariadb.sys", "localhost") and locked:
            continue  # It comes with the server, and nobody can log in as it.
        if access is None or not str(access).isdigit():
            raise Unobservable(f"mysql.global_priv does not say what {_named(user, host)} may")
        yield _named(user, host), bool(is_role), bool(locked), int(access)


def _global(access: int) -> list[str]:
    names = dict(enumerate(_GLOBAL))
    return [names.get(bit, f"privilege number {bit}") for bit in range(access.bit_length()) if access >> bit & 1]


def _each(name: str, place: str, kind: str, words: list[str]) -> Iterator[tuple[Any, ...]]:
    if name == "mariadb.sys@localhost":
        return
    passes = "GRANT" in words
    for privilege in [word for word in words if word != "GRANT"] or (["GRANT OPTION"] if passes else []):
        yield name, place, kind, privilege, passes


def _words(text: Any) -> list[str]:
    """A SET of MariaDB as its driver gives it: text with commas."""
    return [one.strip().upper() for one in (text if isinstance(text, set | frozenset) else str(text).split(","))]


def _spelled(column: str) -> str:
    words = column.removesuffix("_priv").replace("_", " ").upper()
    return {"CREATE TMP TABLE": "CREATE TEMPORARY TABLES"}.get(words, words)


def _plain(pattern: str) -> str:
    """The name of the one database that a pattern of mysql.db means; the pattern itself where it may mean several."""
    bare = pattern.replace("\\_", "").replace("\\%", "")
    return pattern if "%" in bare or "_" in bare else pattern.replace("\\_", "_").replace("\\%", "%")


def _named(user: str, host: str) -> str:
    return f"{user}@{host}" if host else user


def _holds(kind: str, place: str, schema: str, table: str, column: str) -> bool:
    """Whether a privilege on that place is one on the column."""
    if kind == "server":
        return True
    if kind == "schema":
        return place == schema or covers(f"`{place}`", schema)
    return place in {f"{schema}.{table}", f"{schema}.{table}.{column}"}
