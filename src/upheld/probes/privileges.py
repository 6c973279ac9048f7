"""Who may do what in the database, by its catalogue: powers of roles, ownership, grants, and who reads which columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes import database_mysql, mysql_privileges
from upheld.probes.base import Probe, look
from upheld.probes.database import Database
from upheld.probes.sending import Sending, reading

if TYPE_CHECKING:
    from upheld.target.privileges import DatabaseAccess, KeptApart

ROWS_LIMIT = 200_000
"""Entries of the catalogue that one look reads; more are Unobservable."""
PUBLIC = "PUBLIC"
"""The name under which what everybody may is listed."""

_ROLES = """
SELECT r.rolname, r.rolcanlogin, array_remove(ARRAY[CASE WHEN r.rolsuper THEN 'superuser' END,
    CASE WHEN r.rolbypassrls THEN 'bypasses row security' END, CASE WHEN r.rolcreaterole THEN 'creates roles' END,
    CASE WHEN r.rolcreatedb THEN 'creates databases' END, CASE WHEN r.rolreplication THEN 'replicates' END], NULL)
FROM pg_catalog.pg_roles r WHERE r.rolname NOT LIKE 'pg\\_%' ORDER BY 1 LIMIT :limit
"""

_MEMBERSHIPS = """
SELECT m.rolname, r.rolname FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles r ON r.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member LIMIT :limit
"""

_OBJECTS = """
    SELECT n.nspname || '.' || c.relname AS place, c.relowner AS owner, c.relacl AS acl, n.nspname AS schema,
        CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
            ELSE 'table' END AS kind
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL SELECT n.nspname, n.nspowner, n.nspacl, n.nspname, 'schema' FROM pg_catalog.pg_namespace n
    -- Nobody can call a trigger's function by itself, whoever may.
    UNION ALL SELECT n.nspname || '.' || p.proname || '()', p.proowner,
            CASE WHEN p.prorettype NOT IN ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
                THEN coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) END,
            n.nspname, 'function'
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    UNION ALL SELECT 'database', d.datdba, d.datacl, '', 'database' FROM pg_catalog.pg_database d
        WHERE d.datname = pg_catalog.current_database()
"""

_OWNED = f"""
WITH objects AS ({_OBJECTS})
SELECT pg_catalog.pg_get_userbyid(owner), place, kind FROM objects
WHERE schema NOT IN ('pg_catalog', 'information_schema') AND schema NOT LIKE 'pg\\_t%' AND kind <> 'database'
    AND pg_catalog.pg_get_userbyid(owner) NOT LIKE 'pg\\_%' AND place NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2 LIMIT :limit
"""  # noqa: S608 - a constant

_GRANTED = f"""
WITH objects AS ({_OBJECTS}
    UNION ALL SELECT n.nspname || '.' || c.relname || '.' || a.attname, c.relowner, a.attacl, n.nspname, 'column'
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT 'future ' || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END || ' of ' || pg_catalog.pg_get_userbyid(d.defaclrole)
            || coalesce(' in ' || n.nspname, ''), d.defaclrole, d.defaclacl, coalesce(n.nspname, ''), 'default privilege'
        FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
)
SELECT coalesce(g.rolname, '{PUBLIC}'), o.place, o.kind, e.privilege_type, e.is_grantable
FROM objects o, pg_catalog.aclexplode(o.acl) e LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
WHERE e.grantee <> o.owner AND coalesce(g.rolname, '') NOT LIKE 'pg\\_%'
    -- What everybody may in the system's own schemas comes with PostgreSQL, as do connecting and looking into the schema public.
    AND NOT (e.grantee = 0 AND o.kind = 'schema' AND o.place = 'public' AND e.privilege_type = 'USAGE')
    AND NOT (e.grantee = 0 AND o.schema IN ('pg_catalog', 'information_schema'))
    AND NOT (e.grantee = 0 AND o.kind = 'database' AND e.privilege_type IN ('CONNECT', 'TEMPORARY'))
UNION
SELECT m.rolname, 'role ' || r.rolname, 'role', 'MEMBER', a.admin_option FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles r ON r.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
WHERE m.rolname NOT LIKE 'pg\\_%'
ORDER BY 1, 2, 4 LIMIT :limit
"""  # noqa: S608 - a constant

_COLUMNS = """
SELECT c.oid::bigint, n.nspname, c.relname, a.attname, a.attnum::int, c.relkind::text
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%' ORDER BY 2, 3, 5 LIMIT :limit
"""

# What each view reads: the rule that makes it a view depends on the columns.
_VIEWS = """
SELECT DISTINCT w.ev_class::bigint, d.refobjid::bigint, d.refobjsubid
FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> w.ev_class AND d.refobjsubid > 0 LIMIT :limit
"""

_READERS = """
SELECT r.rolname, r.rolsuper, x.relation, x.number
FROM pg_catalog.pg_roles r, unnest(cast(:relations AS bigint[]), cast(:numbers AS int[])) AS x(relation, number)
JOIN pg_catalog.pg_class c ON c.oid = x.relation::oid
WHERE r.rolname NOT LIKE 'pg\\_%' AND pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
    AND pg_catalog.has_column_privilege(r.oid, c.oid, x.number::smallint, 'SELECT') LIMIT :limit
"""
_QUERIES = {
    "roles": _ROLES,
    "memberships": _MEMBERSHIPS,
    "owned": _OWNED,
    "granted": _GRANTED,
    "columns": _COLUMNS,
    "views": _VIEWS,
    "readers": _READERS,
}


@dataclass(frozen=True, slots=True)
class Role:
    """A role and the powers that it has over the whole server; `may_become` are the roles that it is a member of, through others too."""

    name: str
    can_login: bool
    powers: tuple[str, ...]
    may_become: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Owned:
    """An object and the role that owns it."""

    role: str
    object: str
    kind: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege that a role (or `PUBLIC`) has on an object that it does not own."""

    role: str
    object: str
    kind: str
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True)
class Together:
    """A relation or a schema, and the columns of two groups that it holds or reads."""

    place: str
    kind: str
    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """A role, and what it may read of the two groups: columns, or views that show them."""

    role: str
    superuser: bool
    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Two groups of columns as the catalogue has them: which declared ones are missing, where both stand, and who reads what."""

    missing: tuple[str, ...]
    relations: tuple[Together, ...]
    schemas: tuple[Together, ...]
    readers: tuple[Reader, ...]


class Privileges(Probe):
    """The roles and grants of a PostgreSQL or MariaDB server, read with the auditing role."""

    name = "privileges"
    detached = True
    needs = ("database", "database_access")
    sends: ClassVar[Sending] = dict.fromkeys(
        (
            *("administrators", "apart", "application_role", "declared", "declared_application", "exempt", "granted"),
            *("kept_apart", "owned", "owners", "roles", "service_roles"),
        ),
        reading("url", "of the catalogue of roles and grants"),
    )

    @look
    def roles(self) -> tuple[Role, ...]:
        """Every role and account but those that come with the server; raises Unobservable when there is none."""
        members = self._memberships()
        roles = tuple(
            Role(name, can_login, tuple(powers), tuple(sorted(_reachable(name, members))))
            for name, can_login, powers in self._read("roles")
        )
        if not roles:
            raise Unobservable("the catalogue lists no role")
        return roles

    @look
    def owned(self) -> tuple[Owned, ...]:
        """Every schema, table, view, sequence and function with its owner; raises Unobservable when there is none."""
        owned = tuple(Owned(*row) for row in self._read("owned"))
        if not owned:
            raise Unobservable("the catalogue lists no object outside the system's own schemas")
        return owned

    @look
    def granted(self) -> tuple[Grant, ...]:
        """Every privilege on something that the grantee does not own, memberships (`role NAME`) and default privileges included."""
        granted = tuple(Grant(*row) for row in self._read("granted"))
        if not granted:
            raise Unobservable("the catalogue lists no grant at all")
        return granted

    @look
    def application_role(self) -> str:
        """The role as which the application's own URL connects."""
        with self._database.reading("application") as connection:
            mysql = connection.dialect.name in database_mysql.NAMES
            who = "SELECT CURRENT_USER()" if mysql else "SELECT session_user"
            return str(connection.execute(sa.text(who)).scalar_one())

    @look
    def declared_application(self) -> str:
        """The role that the target says the application connects as."""
        return self._description.application_role

    @look
    def service_roles(self) -> tuple[str, ...]:
        """The roles that the target says services connect as, the application's first."""
        access = self._description
        return tuple(dict.fromkeys((access.application_role, *access.service_roles)))

    @look
    def declared(self, role: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What the target says that a role was granted: objects with their privileges."""
        return tuple(self._description.grants.get(role, {}).items())

    @look
    def administrators(self) -> tuple[tuple[str, str], ...]:
        """The roles that may have powers over the whole server, each with the reason."""
        return tuple(self._description.administrators.items())

    @look
    def owners(self) -> tuple[tuple[str, str], ...]:
        """The roles that may own objects, each with the reason."""
        return tuple(self._description.owners.items())

    @look
    def kept_apart(self) -> tuple[str, ...]:
        """The names of what the target says is kept apart; raises Unobservable when it names nothing."""
        if not self._description.kept_apart:
            raise Unobservable("the target names no columns that are kept apart (database_access.kept_apart)")
        return tuple(one.name for one in self._description.kept_apart)

    @look
    def exempt(self, name: str) -> tuple[tuple[str, str], ...]:
        """The roles that may read both groups, each with the reason."""
        return tuple(self._kept(name).exempt_roles.items())

    @look
    def apart(self, name: str) -> Apart:
        """Where columns of both groups stand together, and which roles may read which of them."""
        kept = self._kept(name)
        columns = self._read("columns")
        known = {f"{schema}.{table}.{column}": (oid, number) for oid, schema, table, column, number, _ in columns}
        missing = tuple(one for one in (*kept.first, *kept.second) if one not in known)
        names = [{one.rpartition(".")[2] for one in group} for group in (kept.first, kept.second)]
        declared = [{known[one] for one in group if one in known} for group in (kept.first, kept.second)]
        shown = self._shown()
        relations: list[Together] = []
        held: dict[str, list[set[str]]] = defaultdict(lambda: [set(), set()])
        watched: tuple[dict[tuple[int, int], str], ...] = ({}, {})
        by_relation: dict[tuple[int, str, str, str], list[tuple[str, int]]] = defaultdict(list)
        for oid, schema, table, column, number, kind in columns:
            by_relation[oid, schema, table, kind].append((column, number))
        for (oid, schema, table, kind), its in by_relation.items():
            through = [{one for one in shown.get(oid, ()) if one in group} for group in declared]
            called = [{column for column, _ in its if column in group} for group in names]
            both = [called[group] | {_called(columns, one) for one in through[group]} for group in (0, 1)]
            together = bool(both[0] and both[1])
            for column, number in its:
                place = f"{schema}.{table}.{column}"
                for group in (0, 1):
                    if through[group]:  # Which column of a view shows which is not told apart.
                        watched[group].setdefault((oid, number), f"{place} (through the view)")
                    elif (oid, number) in declared[group] or (together and column in names[group]):
                        watched[group][oid, number] = place
                    if column in names[group] and not any(through):
                        held[schema][group].add(f"{table}.{column}")
            if together:
                word = {"v": "view", "m": "materialized view", "f": "foreign table"}.get(kind, "table")
                relations.append(Together(f"{schema}.{table}", word, tuple(sorted(both[0])), tuple(sorted(both[1]))))
        # A schema counts as a group's own only where a declared column stands; a column that is merely called alike does not.
        own = [{one.split(".")[0] for one in group} for group in (kept.first, kept.second)]
        schemas = [
            Together(schema, "schema", tuple(sorted(first)), tuple(sorted(second)))
            for schema, (first, second) in sorted(held.items())
            if first and second and (schema in own[0] or schema in own[1])
        ]
        return Apart(missing, tuple(relations), tuple(schemas), self._readers(watched))

    def _readers(self, watched: tuple[dict[tuple[int, int], str], ...]) -> tuple[Reader, ...]:
        """What each role may read of the columns watched in each group, as itself and as every role that it may become."""
        places = list(dict.fromkeys((*watched[0], *watched[1])))
        reads: dict[str, list[set[str]]] = defaultdict(lambda: [set(), set()])
        superusers: set[str] = set()
        for role, is_superuser, relation, number in self._read(
            "readers", relations=[oid for oid, _ in places], numbers=[number for _, number in places]
        ):
            for group in (0, 1):
                if (relation, number) in watched[group]:
                    reads[role][group].add(watched[group][relation, number])
            if is_superuser:
                superusers.add(role)
        members = self._memberships()
        found = []
        for role, *_ in self._read("roles"):
            every = [reads[one] for one in (role, *_reachable(role, members)) if one in reads]
            groups = [tuple(sorted(set().union(*(one[group] for one in every)))) for group in (0, 1)]
            found.append(Reader(role, role in superusers, groups[0], groups[1]))
        return tuple(found)

    def _shown(self) -> dict[int, set[tuple[int, int]]]:
        """For each view the columns that it reads, through other views too."""
        direct: dict[int, set[tuple[int, int]]] = defaultdict(set)
        for view, relation, number in self._read("views"):
            direct[view].add((relation, number))
        whole: dict[int, set[tuple[int, int]]] = {}
        for view, columns in direct.items():
            seen: set[tuple[int, int]] = set()
            waiting = list(columns)
            while waiting:
                one = waiting.pop()
                if one not in seen:
                    seen.add(one)
                    waiting += direct.get(one[0], ())
            whole[view] = seen
        return whole

    def _memberships(self) -> dict[str, set[str]]:
        members: dict[str, set[str]] = defaultdict(set)
        for member, role in self._read("memberships"):
            members[member].add(role)
        return members

    @property
    def _description(self) -> DatabaseAccess:
        if self.target.database_access is None:
            raise Unobservable("the target describes no database access")
        return self.target.database_access

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    def _kept(self, name: str) -> KeptApart:
        found = next((one for one in self._description.kept_apart if one.name == name), None)
        if found is None:
            raise Unobservable(f"the target keeps nothing apart that is called {name}")
        return found

    def _read(self, question: str, **values: Any) -> list[Any]:
        limit = ROWS_LIMIT + 1
        with self._database.reading("auditor") as connection:
            if connection.dialect.name in database_mysql.NAMES:
                found: Sequence[Any] = list(mysql_privileges.ANSWERS[question](connection, limit, **values))
            elif connection.dialect.name == "postgresql":
                found = connection.execute(sa.text(_QUERIES[question]), {**values, "limit": limit}).all()
            else:
                raise Unobservable(f"the catalogue of a {connection.dialect.name} database is not known to upheld")
        if len(found) > ROWS_LIMIT:
            raise Unobservable(f"the catalogue has more than {ROWS_LIMIT} entries of one kind")
        return [tuple(row) for row in found]


def _reachable(role: str, members: dict[str, set[str]]) -> set[str]:
    """The roles that `role` is a member of, through others too."""
    found: set[str] = set()
    waiting = list(members.get(role, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += members.get(one, ())
    return found


def _called(columns: list[Any], place: tuple[int, int]) -> str:
    return next(
        f"{schema}.{table}.{column}" for oid, schema, table, column, number, _ in columns if (oid, number) == place
    )
