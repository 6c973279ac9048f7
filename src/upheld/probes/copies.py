"""Copies of secrets in what a deployment stores: every table as a dump has it, the write-ahead log, files. Streamed, in constant memory."""

from __future__ import annotations

import re
import secrets as randomness
import struct
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Refused, Unobservable
from upheld.probes import database_guard, database_mysql, mysql_copies
from upheld.probes.base import Probe, look
from upheld.probes.database import Database
from upheld.probes.log_files import CHUNK, UNPACKED_LIMIT, chunks_of, opened
from upheld.probes.search import Searcher
from upheld.probes.sending import DATABASE, WRITES, Sending, Sends, reading
from upheld.target.manners import DATABASE as DATABASE_HOST

if TYPE_CHECKING:
    from upheld.target.credentials import StoresSearched

SEARCH_SECONDS = 900
"""Seconds after which a search is given up."""
FILES_LIMIT = 200_000
"""Files of one pattern that are searched; more are Unobservable."""

_TABLES = """
SELECT n.nspname, c.relname, c.relkind::text, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%'
ORDER BY 1, 2
"""
# Of the system's own tables those that hold what users write.
_SYSTEM = ("pg_largeobject", "pg_proc", "pg_description", "pg_db_role_setting", "pg_seclabel")

_NOTHING = "the database shows no table with anything in it"
_WAL_NAME = re.compile(r"[0-9A-F]{24}(\.partial)?")
_PAGE = 8192
_PIECE = 1 << 20
_LONG_HEADER = 0x0002


@dataclass(frozen=True, slots=True)
class Copy:
    """A place that holds a secret: which (its placeholder), in what spelling, and how many times."""

    secret: str
    place: str
    encoding: str
    times: int


@dataclass(frozen=True, slots=True)
class Unread:
    """A place that could not be searched, with the reason."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Searched:
    """What one search read, what it found, and what it could not read. `controls` are harmless words that it was to find, and did."""

    places: int
    bytes: int
    copies: tuple[Copy, ...]
    unread: tuple[Unread, ...]
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WalMark:
    """A harmless word that was written to the write-ahead log and flushed, and when."""

    word: str
    at: float


class Copies(Probe):
    """The stores of the deployment, searched for secrets that are given by their placeholders."""

    name = "copies"
    needs = ("database", "stores_searched")
    sends: ClassVar[Sending] = {
        "tables": reading("dump_url", "of every table, as a dump would"),
        **dict.fromkeys(
            ("mark_wal", "write_ahead_log"),
            (
                Sends(
                    DATABASE,
                    "a harmless word into the write-ahead log, which is then flushed",
                    "the role of {name:database.dump_url}",
                    3,
                    WRITES,
                ),
            ),
        ),
    }

    @look
    def tables(self, secrets: tuple[str, ...], controls: tuple[str, ...] = ()) -> Searched:
        """Search every table as a dump would have it, through the role that sees every row; `controls` are harmless words to find.

        Row security is switched off for it, so that a row which the role may not see is an error and not an absence.
        """
        words = [*self._values(secrets), *controls]
        searcher = Searcher(words)
        shown: set[str] = set()
        copies: list[Copy] = []
        unread: list[Unread] = []
        size = places = 0
        with self._database.reading("dumper") as connection:
            if connection.dialect.name in database_mysql.NAMES:
                listed = self._tables_of_mysql(connection)
            elif connection.dialect.name == "postgresql":
                listed = self._tables_of_postgresql(connection)
            else:
                raise Unobservable(f"a {connection.dialect.name} database cannot be searched yet")
            for place, elsewhere, pieces in listed:
                if elsewhere:
                    unread.append(Unread(place, "it is a foreign table, whose rows lie elsewhere"))
                    continue
                try:
                    self.session.pace(DATABASE_HOST)  # Past SQLAlchemy, which tells of its own statements only.
                    with closing(pieces) as opened_pieces:
                        found = searcher.stream(opened_pieces)
                except Exception as error:  # Whatever the driver says: this table was not searched.
                    if not mysql_copies.is_missing(error):
                        unread.append(Unread(place, _said(error)))
                    continue
                places += 1
                size += found.bytes
                shown |= {words[one.needle] for one in found.found if one.needle >= len(secrets)}
                copies += _copies([one for one in found.found if one.needle < len(secrets)], secrets, place)
        if not size:
            raise Unobservable(_NOTHING)
        return Searched(places, size, tuple(copies), tuple(unread), tuple(word for word in controls if word in shown))

    @staticmethod
    def _tables_of_postgresql(connection: sa.Connection) -> list[tuple[str, bool, Generator[bytes]]]:
        """Each table: what it is called, whether its rows lie elsewhere, and its rows as COPY gives them."""
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{SEARCH_SECONDS}s'")
        database_guard.allow(connection, SEARCH_SECONDS)
        connection.exec_driver_sql("SET LOCAL row_security = off")
        listed = [tuple(row) for row in connection.execute(sa.text(_TABLES))]
        if not listed:
            raise Unobservable(_NOTHING)
        system = [("pg_catalog", name, "r", f"pg_catalog.{name}") for name in _SYSTEM]
        return [
            (f"table {schema}.{name}", kind == "f", _copied(connection, quoted))
            for schema, name, kind, quoted in (*listed, *system)
        ]

    @staticmethod
    def _tables_of_mysql(connection: sa.Connection) -> list[tuple[str, bool, Generator[bytes]]]:
        listed = mysql_copies.listed(connection, SEARCH_SECONDS)
        return [
            (
                f"table {schema}.{name}",
                mysql_copies.lies_elsewhere(said),
                _cut(mysql_copies.rows(connection, schema, name, said)),
            )
            for schema, name, said in listed
        ]

    @look
    def mark_wal(self) -> WalMark:
        """Write a harmless word to the write-ahead log and have everything until then flushed."""
        word = f"upheld-marker-{randomness.token_hex(12)}"
        at = time.time()
        with self._database.writing("dumper") as connection:
            if connection.dialect.name != "postgresql":
                raise Unobservable(
                    f"what a {connection.dialect.name} database wrote meanwhile cannot be searched: its logs are not"
                    " known to upheld, and a mark in them would not show that all between two marks was seen"
                )
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            compressed = str(connection.exec_driver_sql("SHOW wal_compression").scalar_one())
            if compressed != "off":
                raise Unobservable(f"the write-ahead log holds compressed pages (wal_compression = {compressed})")
            connection.execute(
                sa.text("SELECT pg_catalog.pg_logical_emit_message(true, 'upheld', :word)"), {"word": word}
            )
        return WalMark(word, at)

    @look
    def write_ahead_log(self, secrets: tuple[str, ...], first: WalMark, last: WalMark) -> Searched:
        """Search what the write-ahead log holds from one mark to the other; `controls` says which of the two it showed.

        Whatever any transaction wrote between them is there, even if it was removed again or never committed.
        """
        described = self._description.write_ahead_log
        if described is None:
            raise Unobservable(
                "the target does not say where the write-ahead log lies (stores_searched.write_ahead_log)"
            )
        folder = self.session.target_folder / described
        searcher = Searcher([*self._values(secrets), first.word, last.word])
        try:
            files = sorted(
                path
                for path in folder.iterdir()
                if _WAL_NAME.fullmatch(path.name) and path.stat().st_mtime >= first.at - 5
            )
            found = searcher.stream(_wal(files))
        except OSError as error:
            raise Refused(f"the write-ahead log cannot be read: {error.strerror}") from error
        words = (*secrets, first.word, last.word)
        shown = {words[one.needle] for one in found.found}
        controls = tuple(word for word in (first.word, last.word) if word in shown)
        hits = [one for one in found.found if one.needle < len(secrets)]
        return Searched(len(files), found.bytes, tuple(_copies(hits, secrets, "write-ahead log")), (), controls)

    @look
    def file_groups(self) -> tuple[str, ...]:
        """The names of the declared groups of files."""
        return tuple(one.name for one in self._description.files)

    @look
    def files(self, group: str, secrets: tuple[str, ...]) -> Searched:
        """Search every file of a group, unpacked where it is compressed."""
        described = next((one for one in self._description.files if one.name == group), None)
        if described is None:
            raise Unobservable(f"the target declares no files called {group}")
        searcher = self._searcher(secrets)
        copies: list[Copy] = []
        unread: list[Unread] = []
        size = places = 0
        until = time.monotonic() + SEARCH_SECONDS
        for path, name in self._paths(described.path):
            try:
                with opened(path) as (stream, _):
                    found = searcher.stream(chunks_of(stream, until, limit=UNPACKED_LIMIT))
            except FileNotFoundError:
                continue  # It went away meanwhile, as temporary files do.
            except Unobservable as unobservable:
                if path.exists():
                    unread.append(Unread(name, unobservable.reason))
                continue
            places += 1
            size += found.bytes
            copies += _copies(found.found, secrets, name)
        return Searched(places, size, tuple(copies), tuple(unread))

    def _paths(self, pattern: str) -> Iterator[tuple[Path, str]]:
        whole = (self.session.target_folder / pattern).absolute()
        fixed = next((i for i, part in enumerate(whole.parts) if re.search(r"[*?\[]", part)), len(whole.parts) - 1)
        base = Path(*whole.parts[:fixed])
        if not base.is_dir():
            raise Unobservable(f"there is no folder {base.name} at {pattern}")
        count = 0
        for path in sorted(base.glob(str(Path(*whole.parts[fixed:])))):
            if path.is_file() and not path.is_symlink():
                count += 1
                if count > FILES_LIMIT:
                    raise Unobservable(f"{pattern} names more than {FILES_LIMIT} files")
                yield path, path.relative_to(base).as_posix()

    @property
    def _description(self) -> StoresSearched:
        if self.target.stores_searched is None:
            raise Unobservable("the target describes no stores searched")
        return self.target.stores_searched

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    def _values(self, secrets: tuple[str, ...]) -> list[str]:
        if not secrets:
            raise Unobservable("there is nothing to search for")
        try:
            return [self.session.redactor.value(placeholder) for placeholder in secrets]
        except KeyError as error:
            raise Unobservable("a secret to search for is not known to this run") from error

    def _searcher(self, secrets: tuple[str, ...]) -> Searcher:
        return Searcher(self._values(secrets))


def _copies(found: Any, secrets: tuple[str, ...], place: str) -> list[Copy]:
    times: dict[tuple[str, str], int] = {}
    for one in found:
        key = (secrets[one.needle], one.encoding)
        times[key] = times.get(key, 0) + 1
    return [Copy(secret, place, encoding, count) for (secret, encoding), count in times.items()]


def _copied(connection: sa.Connection, quoted: str) -> Generator[bytes]:
    raw = cast("Any", connection.connection.driver_connection)
    statement = f"COPY (SELECT * FROM {quoted}) TO STDOUT"  # noqa: S608 - the server quoted the name
    with raw.transaction(), raw.cursor() as cursor, cursor.copy(statement) as rows:
        yield from _cut(rows)


def _cut(blocks: Iterable[Any]) -> Generator[bytes]:
    for block in blocks:
        yield from _pieces(block)


def _pieces(block: Any) -> Iterator[bytes]:
    """A row as the driver gives it, in pieces: one value may be larger than a search should hold several times over."""
    whole = memoryview(block)
    for start in range(0, len(whole), _PIECE):
        yield bytes(whole[start : start + _PIECE])


def _said(error: Exception) -> str:
    numbered = database_mysql.meaning(getattr(error, "orig", None))
    if numbered is not None:
        return numbered[1]
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return str(primary or str(error).partition("\n")[0] or type(error).__name__)


def _wal(files: list[Path]) -> Iterator[bytes]:
    """The records of these segments without the pages' headers, which would stand in the middle of what crosses a page."""
    for path in files:
        with path.open("rb") as stream:
            page = _PAGE
            while block := stream.read(page * (CHUNK // page)):
                pieces = []
                for start in range(0, len(block), page):
                    (info,) = struct.unpack_from("<H", block, start + 2) if len(block) >= start + 4 else (0,)
                    pieces.append(block[start + (40 if info & _LONG_HEADER else 24) : start + page])
                yield b"".join(pieces)
