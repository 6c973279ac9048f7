"""Traces of customers who have left: in every table that the catalogue lists, in files, and behind pseudonyms."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Refused, Unobservable
from upheld.probes import database_mysql
from upheld.probes.base import Probe, look
from upheld.probes.database import Database, table_of
from upheld.probes.database_errors import ReadDenied
from upheld.probes.sending import Sending, reading
from upheld.probes.store_files import files_in

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.deletion import Deletion, FolderStore

TABLES_LIMIT = 5_000
"""Tables that are searched; more are Unobservable."""
VALUES_LIMIT = 100_000
"""Different pseudonyms of one column that are tried; more are Unobservable."""
SHORTEST_PREFIX = 8
"""Characters of a digest that tell it from chance."""
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s", "sha3_256")

_TABLES_OF_SQLITE = """
SELECT name, 0 FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name LIMIT :limit
"""
_TABLES = """
SELECT n.nspname || '.' || c.relname,
       row_security_active(c.oid) AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_policies p
           WHERE p.schemaname = n.nspname AND p.tablename = c.relname AND p.permissive = 'PERMISSIVE'
             AND p.cmd IN ('SELECT', 'ALL') AND p.qual = 'true'
             AND EXISTS (SELECT FROM unnest(p.roles) r WHERE r = 'public' OR pg_has_role(current_user, r, 'USAGE'))
       )
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
ORDER BY 1 LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Departed:
    """A customer who left, when that was, and the texts by which their data would be known."""

    name: str
    at: datetime
    traces: tuple[str, ...]

    def __str__(self) -> str:
        """The name."""
        return self.name


@dataclass(frozen=True, slots=True)
class SearchedStore:
    """What a search of one table or folder found: how many rows or files hold a trace, by customer.

    `living` is how many hold something of a customer who is still there. `limited` says that row security keeps rows from
    the role that searched, so that what it did not see may be there.
    """

    store: str
    records: int
    living: int
    found: tuple[tuple[str, int], ...]
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Anonymised:
    """The pseudonyms in the columns of one table: how many rows and values there are, and which are digests of known names.

    Each of `reversible` is column, algorithm and the name that the digest is of.
    """

    table: str
    rows: int
    values: int
    reversible: tuple[tuple[str, str, str], ...]


class Traces(Probe):
    """The stores in which nothing of customers who left may be."""

    name: ClassVar[str] = "traces"
    needs: ClassVar[tuple[str, ...]] = ("deletion",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(
            ("anonymised_tables", "pseudonyms", "search_table", "tables"),
            reading("dump_url", "of every table, as a dump would"),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Reads nothing yet."""
        super().__init__(session)
        self._catalogues: dict[str, dict[str, bool]] = {}

    @look
    def departed(self) -> tuple[Departed, ...]:
        """The customers who left; raises Unobservable when the target names none."""
        if not self._described.terminated:
            raise Unobservable("the target names no customer who left (deletion.terminated)")
        return tuple(Departed(one.name, one.at, one.traces) for one in self._described.terminated)

    @look
    def tables(self) -> tuple[str, ...]:
        """Every table of the database, by its catalogue."""
        return tuple(self._tables("auditor"))

    @look
    def kept(self) -> tuple[tuple[str, str], ...]:
        """The tables that the target declares to stay as they are, with the reason."""
        return tuple(self._described.kept_tables.items())

    @look
    def folders(self) -> tuple[str, ...]:
        """The declared folders."""
        return tuple(one.name for one in self._described.folders)

    @look
    def search_table(self, table: str) -> SearchedStore:
        """How many rows of a table hold a trace anywhere, in any column, whatever its case."""
        try:
            return self._search_table("auditor", table)
        except ReadDenied:
            if self._database.description.sealed_url is None:
                raise
        return self._search_table("sealed", table)

    @look
    def search_folder(self, name: str) -> SearchedStore:
        """How many files of a folder hold a trace in their path or their content, whatever its case; gzipped ones are opened."""
        store = next((one for one in self._described.folders if one.name == name), None)
        if store is None:
            raise Unobservable(f"the target declares no folder {name!r}")
        return self._search_folder(store)

    @look
    def anonymised_tables(self) -> tuple[str, ...]:
        """The tables that the target declares to hold anonymised rows."""
        return tuple(one.table for one in self._described.anonymised)

    @look
    def pseudonyms(self, table: str) -> Anonymised:
        """The values in the columns of an anonymised table, tried against the digests of every name that is known."""
        described = next((one for one in self._described.anonymised if one.table == table), None)
        if described is None:
            raise Unobservable(f"the target declares no anonymised table {table!r}")
        digests = dict(self._digests())
        clause = table_of(table, *described.columns)
        reversible: set[tuple[str, str, str]] = set()
        count = 0
        with self._database.reading() as connection:
            rows = int(connection.execute(sa.select(sa.func.count()).select_from(clause)).scalar_one())
            for column in described.columns:
                text = sa.cast(clause.c[column], sa.Text)
                values = connection.execute(sa.select(text).distinct().limit(VALUES_LIMIT + 1)).scalars().all()
                if len(values) > VALUES_LIMIT:
                    raise Unobservable(f"{table}.{column} has more than {VALUES_LIMIT} different values")
                count += len(values)
                for value in filter(None, values):
                    reversible |= {(column, *digests[piece]) for piece in _pieces(value) if piece in digests}
        return Anonymised(table, rows, count, tuple(sorted(reversible)))

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Deletion:
        if self.target.deletion is None:
            raise Unobservable("the target describes no deletion")
        return self.target.deletion

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    def _tables(self, role: str) -> dict[str, bool]:
        """Every table with whether row security keeps rows from the role; the catalogue is read once."""
        if role not in self._catalogues:
            self._catalogues[role] = self._read_catalogue(role)
        return self._catalogues[role]

    def _read_catalogue(self, role: str) -> dict[str, bool]:
        with self._database.reading(role) as connection:
            if connection.dialect.name in database_mysql.NAMES:
                listed: Sequence[Any] = [(name, 0) for name in database_mysql.tables(connection, TABLES_LIMIT + 1)]
            elif connection.dialect.name not in {"postgresql", "sqlite"}:
                raise Unobservable(f"the catalogue of a {connection.dialect.name} database is not known to upheld")
            else:
                statement = _TABLES if connection.dialect.name == "postgresql" else _TABLES_OF_SQLITE
                listed = connection.execute(sa.text(statement), {"limit": TABLES_LIMIT + 1}).all()
        if len(listed) > TABLES_LIMIT:
            raise Unobservable(f"the database has more than {TABLES_LIMIT} tables")
        if not listed:
            raise Unobservable("the database's catalogue lists no table")
        return {str(name): bool(limited) for name, limited in listed}

    def _search_table(self, role: str, table: str) -> SearchedStore:
        departed = self._described.terminated
        limited = self._tables(role).get(table, False)
        with self._database.reading(role) as connection:
            too_large: sa.ColumnElement[bool] = sa.false()
            if connection.dialect.name in database_mysql.NAMES:
                clause, holds, too_large = database_mysql.searched(connection, table)
            else:
                clause, holds = _searched(connection, table)

            def holding(texts: Sequence[str]) -> sa.ColumnElement[int]:
                spelled = {spelling for text in texts for spelling in _spellings(text)}
                return sa.func.count(sa.case((sa.or_(*map(holds, sorted(spelled))), 1)))

            columns: list[Any] = [sa.func.count(), holding(self._described.living)]
            columns += [holding(one.traces) for one in departed]
            columns.append(sa.func.count(sa.case((too_large, 1))))
            total, living, *counts, large = connection.execute(sa.select(*columns).select_from(clause)).one()
        if large:
            raise Unobservable(f"{table}: {large} rows hold values that are too large for the server to search")
        found = tuple((one.name, int(count)) for one, count in zip(departed, counts, strict=True) if count)
        return SearchedStore(table, int(total), int(living), found, limited)

    def _search_folder(self, store: FolderStore) -> SearchedStore:
        folder = (self.session.target_folder / store.folder).absolute()
        living, departed = self._described.living, self._described.terminated
        groups = [("", [text.lower().encode() for text in living])]
        groups += [(one.name, [text.lower().encode() for text in one.traces]) for one in departed]
        counts = dict.fromkeys((name for name, _ in groups), 0)
        files = 0
        for _, path, _ in files_in(folder, store.pattern, store.name):
            files += 1
            relative = path.relative_to(folder).as_posix().lower().encode()
            wanted = {text for _, texts in groups for text in texts}
            seen = {text for text in wanted if text in relative} | _texts_in(path, wanted, store.name)
            for name, texts in groups:
                counts[name] += any(text in seen for text in texts)
        found = tuple((name, count) for name, count in counts.items() if name and count)
        return SearchedStore(store.name, files, counts[""], found)

    def _digests(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """The beginning of every digest of every known name in its usual spellings, with algorithm and name."""
        names = [text for one in self._described.terminated for text in (one.name, *one.traces)]
        names += [*self._described.living, *(one.name for one in self.target.tenants)]
        for name in dict.fromkeys(names):
            for spelling in dict.fromkeys((name, name.lower(), name.upper(), name.title())):
                raw = spelling.encode()
                for algorithm in _ALGORITHMS:
                    digest = hashlib.new(algorithm, raw, usedforsecurity=False)
                    yield digest.hexdigest()[:SHORTEST_PREFIX], (algorithm, name)
                    yield b64encode(digest.digest()).decode()[:SHORTEST_PREFIX], (algorithm, name)
                    yield b64encode(digest.digest(), b"-_").decode()[:SHORTEST_PREFIX], (algorithm, name)


def _searched(connection: sa.Connection, table: str) -> tuple[sa.FromClause, Callable[[str], sa.ColumnElement[bool]]]:
    """A table, and whether a row holds a text: every column in its textual form and in small letters, what is binary in hexadecimal."""
    if connection.dialect.name == "postgresql":
        clause: sa.FromClause = table_of(table).alias("searched")
        whole = sa.func.lower(sa.cast(sa.literal_column("searched"), sa.Text))
        return clause, lambda text: whole.contains(text, autoescape=True)
    names = [str(one["name"]) for one in sa.inspect(connection).get_columns(table)]
    clause = table_of(table, *names).alias("searched")
    # A column of SQLite takes values of any type; what is binary is cast to text byte by byte.
    row: sa.ColumnElement[str] = sa.literal("")
    for name in names:
        row = row + sa.func.coalesce(sa.cast(clause.c[name], sa.Text), "") + "\n"
    # LIKE would end at the first zero byte.
    return clause, lambda text: sa.func.instr(sa.func.lower(row), text) > 0


def _spellings(text: str) -> set[str]:
    """How a text can stand in a row in small letters, also where the database makes only ASCII letters small."""
    written = {text.lower(), *(re.sub("[A-Z]+", lambda match: match[0].lower(), one) for one in (text, text.upper()))}
    return written | {text.encode().hex()}


def _pieces(value: str) -> Iterator[str]:
    """The beginnings of the words of a value, as they stand and in lower case."""
    for word in value.replace(":", " ").replace("/", " ").replace("@", " ").split():
        if len(word) >= SHORTEST_PREFIX:
            yield word[:SHORTEST_PREFIX]
            yield word[:SHORTEST_PREFIX].lower()


def _texts_in(path: Path, wanted: set[bytes], store: str) -> set[bytes]:
    """Which of the texts a file holds, read piece by piece; a file that went away meanwhile holds nothing."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP
            raw.seek(0)
            return _in_stream(cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if zipped else raw, wanted)
    except FileNotFoundError:
        return set()
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(f"{store}: a file cannot be read: {type(error).__name__}") from error


def _in_stream(stream: IO[bytes], wanted: set[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    overlap = max((len(text) for text in wanted), default=1) - 1
    tail = b""
    while (chunk := stream.read(_CHUNK)) and len(found) < len(wanted):
        piece = tail + chunk.lower()
        found |= {text for text in wanted - found if text in piece}
        tail = piece[-overlap:] if overlap else b""
    return found
