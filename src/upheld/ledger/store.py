"""The ledger itself: opening it, adding to it under its lock, and reading what stands in it."""

from __future__ import annotations

import getpass
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, case, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from upheld.errors import InputError, Mistake, UpheldError
from upheld.ledger import chain
from upheld.ledger.place import Place, place_of
from upheld.ledger.records import Record, canonical, packed, unpacked
from upheld.ledger.rows import Entry, Row, listed
from upheld.ledger.schema import HEAD, VERSION_TABLE, bodies, entries
from upheld.model import Run, timestamp

RUN, BEGUN, PRUNED = "run", "begun", "pruned"
_PATIENCE = 120
"""Seconds that a writer waits for others."""
_LOCK = 0x7570_6865_6C64
"""PostgreSQL's advisory lock that writers of a ledger take."""
_SHORTEST_PREFIX = 4


class LedgerFault(UpheldError):
    """The ledger cannot be reached, read or written; the message says which and why, and shows no password."""


class Ledger:
    """One ledger. Each call connects by itself, so that an object may be used by many threads; processes open their own."""

    def __init__(self, place: Place, engine: Engine, now: Callable[[], datetime]) -> None:
        self.place = place
        self._engine = engine
        self._now = now

    @classmethod
    def open(
        cls, where: str | Path | Place, *, make: bool = True, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> Ledger:
        """The ledger at a path or URL, brought to this version's tables; made where there is none, unless `make` is False.

        Raises InputError where there is no ledger (and none is to be made) or it is of a later version, LedgerFault where it
        cannot be reached. `now` is the clock by which entries are dated.
        """
        place = where if isinstance(where, Place) else place_of(str(where))
        if place.file is not None:
            if not make and not place.file.exists():
                raise InputError([Mistake(str(place), 0, 0, "there is no ledger here; upheld run records in one")])
            with _faults(place):
                place.file.parent.mkdir(parents=True, exist_ok=True)
                if make and not place.file.exists():
                    place.file.touch(mode=0o600)  # What is in it is for whoever runs the audits.
        ledger = cls(place, _engine(place), now)
        ledger._prepare(make=make)
        return ledger

    # --- adding ----------------------------------------------------------------------------------------------------

    def begin(self, run: Run, folder: Path | None = None) -> Entry:
        """Note that `run` has begun, so that it shows as one that did not end when nothing more is heard of it."""
        from upheld.ledger.taking import recorded  # noqa: PLC0415  (reading a ledger does without what a run needs)

        return self._add_record(recorded(run, folder, ended=False), BEGUN)

    def add(self, run: Run, folder: Path | None = None) -> Entry:
        """Add what `run` came to; `folder` is where its reports are. Adding the same run again gives the entry that stands.

        A run that did not complete may be added again once more of it is known. Another run of the same id raises LedgerFault.
        """
        from upheld.ledger.taking import recorded  # noqa: PLC0415  (likewise)

        return self._add_record(recorded(run, folder), RUN)

    def note(self, kind: str, body: Mapping[str, Any], *, run: str = "", series: str = "") -> Entry:
        """Add something else than a run (a delivery, a missed run), as plain data that JSON can carry."""
        with self._writing() as connection:
            return self._append(connection, kind, canonical(dict(body)), run=run, series=series)

    def prune(self, before: datetime, keep: str, by: str = "", needed: int | None = None) -> tuple[int, Entry | None]:
        """Let go of the entries that were added before that moment; gives how many, and the entry that signs them off.

        What goes is the beginning of the chain up to the first entry that is kept, or is still `needed`. `by` is who signs it
        off [the user].
        """
        with self._writing() as connection:
            kept = connection.execute(
                select(func.min(entries.c.seq)).where(entries.c.at >= timestamp(before.astimezone(UTC)))
            ).scalar()
            last = connection.execute(select(func.max(entries.c.seq))).scalar()
            through = (kept - 1) if kept is not None else (last or 0)
            through = min(through, needed - 1) if needed is not None else through
            going = select(entries).where(entries.c.seq <= through)
            count, runs, began, ended = connection.execute(
                select(
                    func.count(),
                    func.sum(case((entries.c.kind == RUN, 1), else_=0)),
                    func.min(entries.c.at),
                    func.max(entries.c.at),
                ).where(entries.c.seq <= through)
            ).one()
            if not count:
                return 0, None
            head = connection.execute(going.where(entries.c.seq == through)).mappings().one()["digest"]
            body = {
                "format": "upheld-ledger-pruned/1",
                "through": through,
                "head": head,
                "entries": count,
                "runs": int(runs or 0),
                "first_at": began,
                "last_at": ended,
                "keep": keep,
                "by": by or _user(),
            }
            entry = self._append(connection, PRUNED, canonical(body), through=through)
            connection.execute(bodies.delete().where(bodies.c.seq <= through))
            connection.execute(entries.delete().where(entries.c.seq <= through))
            return count, entry

    # --- reading ---------------------------------------------------------------------------------------------------

    def runs(self, series: str | None = None) -> list[Row]:
        """Every run, in the order in which they started; of one that was added in parts the latest, of one without an end its beginning."""
        columns = [entries.c[name] for name in ("kind", *Row.__dataclass_fields__) if name != "ended"]
        wanted = select(*columns).where(entries.c.kind.in_((RUN, BEGUN))).order_by(entries.c.seq)
        if series is not None:
            wanted = wanted.where(entries.c.series == series)
        found: dict[str, Row] = {}
        lists: dict[str, str] = {}
        """One text for each list of claims, which is mostly the same, so that it is looked up quickly."""
        with self._reading() as connection:
            for kind, *values in connection.execute(wanted):
                seq, run, at, key, policy, target, environment, broken, started, finished, complete, claims, letters = (
                    values
                )
                claims = lists.setdefault(claims, claims)
                if kind == RUN or run not in found:
                    found[run] = Row(
                        seq, run, at, key, policy, target, environment, broken, started, finished, complete, kind == RUN, claims, letters
                    )  # fmt: skip
        return sorted(found.values(), key=lambda one: (one.started, one.seq))

    def record(self, seq: int) -> Record:
        """The run of that entry in full; raises LedgerFault where there is none, or it cannot be read."""
        _, body = self.entry(seq)
        try:
            return unpacked(body)
        except ValueError as error:
            raise LedgerFault(f"{self.place}: entry {seq} is {error}") from error

    def entry(self, seq: int) -> tuple[Entry, bytes]:
        """An entry with its body; raises LedgerFault where there is none, or its body is another one than was added."""
        for entry, body in self.notes(seq=seq):
            return entry, body
        raise LedgerFault(f"{self.place}: there is no entry {seq}")

    def notes(self, *kinds: str, seq: int | None = None) -> Iterator[tuple[Entry, bytes]]:
        """The entries of those kinds with their bodies, in the chain's order; raises LedgerFault for a damaged one."""
        wanted = select(*(entries.c[name] for name in Entry.__dataclass_fields__), bodies.c.body)
        wanted = wanted.join_from(entries, bodies, entries.c.seq == bodies.c.seq).order_by(entries.c.seq)
        if kinds:
            wanted = wanted.where(entries.c.kind.in_(kinds))
        if seq is not None:
            wanted = wanted.where(entries.c.seq == seq)
        with self._reading() as connection:
            found = connection.execute(wanted).all()
        for *columns, body in found:
            entry = Entry(*columns)
            try:
                whole = zlib.decompress(body)
            except zlib.error:
                whole = b""
            if chain.body_digest(whole) != entry.body_digest:
                raise LedgerFault(
                    f"{self.place}: the body of entry {entry.seq} is damaged; upheld ledger verify says more"
                )
            yield entry, whole

    def find(self, named: str, among: Sequence[Row] | None = None) -> Row:
        """The run of that entry's number, id, beginning of an id, or `latest`; raises InputError where it names none, or several.

        `among` are all its runs, where they were read already.
        """
        runs = self.runs() if among is None else among
        if named == "latest" and runs:
            return runs[-1]
        number = named.removeprefix("#")
        found = [one for one in runs if number.isdigit() and one.seq == int(number)]
        if not found and len(named) >= _SHORTEST_PREFIX:
            found = [one for one in runs if one.run.startswith(named)]
        if len(found) == 1:
            return found[0]
        says = "names several runs" if found else "is no run of this ledger"
        raise InputError(
            [Mistake(str(self.place), 0, 0, says, repr(named), "an entry's number, or a run's id or its beginning")]
        )

    def verify(self, expected: Sequence[tuple[int, str]] = ()) -> chain.Verified:
        """Go through the whole chain; `expected` are numbers and digests that were noted elsewhere and must be in it."""
        pruned = [json.loads(body) for _, body in self._prunings()]
        with self._reading() as connection:
            wanted = select(entries, bodies.c.body).outerjoin_from(entries, bodies, entries.c.seq == bodies.c.seq)
            rows = connection.execution_options(yield_per=200).execute(wanted.order_by(entries.c.seq)).mappings()
            return chain.verified(_apart(rows), pruned, expected)

    def head(self) -> tuple[int, str]:
        """The number and digest of the last entry; 0 and zeros in an empty ledger."""
        with self._reading() as connection:
            return _head(connection)

    # --- how -------------------------------------------------------------------------------------------------------

    def _prunings(self) -> Iterator[tuple[Entry, bytes]]:
        with suppress(LedgerFault):  # A damaged one is found when the chain is gone through.
            yield from self.notes(PRUNED)

    def _add_record(self, record: Record, kind: str) -> Entry:
        body = packed(record)
        claims, letters = listed(record)
        with self._writing() as connection:
            standing = self._standing(connection, record, kind)
            if standing is not None:
                return standing
            return self._append(
                connection,
                kind,
                body,
                run=record.run,
                series=record.series.key,
                policy=record.policy,
                target=record.target,
                environment=record.environment,
                sabotages=", ".join(record.sabotages),
                started=record.started,
                finished=record.finished,
                complete=record.complete,
                claims=claims,
                letters=letters,
            )

    def _standing(self, connection: Connection, record: Record, kind: str) -> Entry | None:
        """The entry that this run has already; None where it is to be added."""
        same = select(entries, bodies.c.body).join_from(entries, bodies, entries.c.seq == bodies.c.seq)
        found = connection.execute(same.where(entries.c.run == record.run).order_by(entries.c.seq.desc())).mappings()
        for one in found:
            if one["kind"] not in {RUN, BEGUN} or (kind == RUN and one["kind"] == BEGUN):
                continue
            entry = Entry(*(one[name] for name in Entry.__dataclass_fields__))
            if kind == BEGUN or unpacked(zlib.decompress(one["body"])).run_digest == record.run_digest:
                return entry
            if one["complete"]:
                raise LedgerFault(
                    f"{self.place}: entry {entry.seq} is another run of the id {record.run}; nothing was added"
                )
            return None
        return None

    def _append(self, connection: Connection, kind: str, body: bytes, *, through: int = 0, **given: Any) -> Entry:
        last, previous = _head(connection)
        columns: dict[str, Any] = {
            **dict.fromkeys(
                (
                    "run",
                    "series",
                    "policy",
                    "target",
                    "environment",
                    "sabotages",
                    "started",
                    "finished",
                    "claims",
                    "letters",
                ),
                "",
            ),
            "complete": False,
            **given,
            "seq": last + 1,
            "kind": kind,
            "at": timestamp(self._now().astimezone(UTC)),
            "through": through,
            "previous": previous,
            "body_digest": chain.body_digest(body),
        }
        columns["digest"] = chain.digest_of(columns)
        connection.execute(entries.insert(), columns)
        connection.execute(bodies.insert(), {"seq": last + 1, "body": zlib.compress(body)})
        return Entry(*(columns[name] for name in Entry.__dataclass_fields__))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _faults(self.place), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that no other writer shares."""
        with _faults(self.place), self._engine.execution_options(upheld_writes=True).begin() as connection:
            if self.place.file is None:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock, hashtext(current_schema()))").bindparams(
                        lock=_LOCK & 0x7FFF_FFFF
                    )
                )
            yield connection

    def _prepare(self, *, make: bool) -> None:
        """Bring the tables to this version's, under the lock; nothing is done where they are."""
        with self._reading() as connection:
            version = _version(connection)
        if version == HEAD:
            return
        if version is None and not make:
            raise InputError([Mistake(str(self.place), 0, 0, "there is no ledger here; upheld run records in one")])
        if version is not None and version > HEAD:
            raise InputError([Mistake(str(self.place), 0, 0, "was made by a later version of upheld", version, HEAD)])
        with self._writing() as connection:
            if _version(connection) != HEAD:
                _migrate(connection)


def _engine(place: Place) -> Engine:
    if place.file is None:
        return create_engine(place.url, poolclass=NullPool)
    engine = create_engine(place.url, poolclass=NullPool, connect_args={"timeout": _PATIENCE})

    # Python's sqlite3 begins transactions by itself, and too late for a writer that reads first.
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: object) -> None:  # noqa: ARG001
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("upheld_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _version(connection: Connection) -> str | None:
    """Which migration the tables are at; None where there are none."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  (our own name)
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  (slow to import, and seldom needed)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, HEAD)


@contextmanager
def _faults(place: Place) -> Iterator[None]:
    """Say of a database's own error where and why, in one line."""
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise LedgerFault(f"the ledger {place}: {said[0]}") from error
    except SQLAlchemyError as error:
        raise LedgerFault(f"the ledger {place}: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise LedgerFault(f"the ledger {place}: {error.strerror or type(error).__name__}") from error


def _head(connection: Connection) -> tuple[int, str]:
    last = connection.execute(select(entries.c.seq, entries.c.digest).order_by(entries.c.seq.desc()).limit(1)).first()
    return (int(last[0]), str(last[1])) if last else (0, chain.FIRST)


def _apart(rows: Any) -> Iterator[tuple[Mapping[str, Any], bytes | None]]:
    for row in rows:
        columns = dict(row)
        body = columns.pop("body")
        columns["complete"] = bool(columns["complete"])
        yield columns, body


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
