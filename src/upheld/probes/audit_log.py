"""The audit log in the database: its entries, its chain of digests, and whether the application's role could change it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes import database_mysql, mysql_audit_log
from upheld.probes.audit_log_answers import ChainLook, ChangeAttempt, EmergencySession, Entry, LogControl
from upheld.probes.base import Probe, look
from upheld.probes.database import Database, table_of
from upheld.probes.database_errors import ReadDenied
from upheld.probes.database_rows import rows_of
from upheld.probes.sending import DATABASE, WRITES, Sending, Sends, reading

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from upheld.target.audit_log import AuditLog as Description
    from upheld.target.audit_log import Chain

__all__ = ["ATTEMPTS", "AuditLog", "ChainLook", "ChangeAttempt", "EmergencySession", "Entry", "LogControl"]

ENTRIES_LIMIT = 10_000
"""Entries that one look gives."""
BREAKS_KEPT = 20
"""Breaks of the chain that a look tells of; all are counted."""
ANCHORS_BYTES = 64 * 1024 * 1024
"""Bytes that the file of anchors may have."""
_BATCH = 1_000

ATTEMPTS = ("delete", "update", "truncate", "take the triggers off and delete")
"""What the application's role is tried with."""


class AuditLog(Probe):
    """The log that the target describes, read through the auditing role of the database."""

    name = "audit_log"
    needs = ("audit_log", "database")
    sends: ClassVar[Sending] = {
        **dict.fromkeys(("chain", "emergency_sessions", "mark", "since"), reading("url", "of the audit log")),
        **dict.fromkeys(
            ("attempt", "control"),
            (
                Sends(
                    DATABASE,
                    "a try to change the audit log, rolled back",
                    "the role of {name:database.application_url}",
                    1,
                    WRITES,
                ),
            ),
        ),
    }

    @look
    def mark(self) -> int:
        """The number of the newest entry; raises Unobservable for an empty log."""
        column = self._column(self.description.columns.sequence)
        with self._database.reading() as connection:
            newest = connection.execute(sa.select(sa.func.max(column)).select_from(self._table)).scalar()
        if newest is None:
            raise Unobservable(f"{self.description.table} has no entries")
        return int(newest)

    @look
    def since(self, mark: int) -> tuple[Entry, ...]:
        """Every entry after that one, oldest first."""
        sequence = self._column(self.description.columns.sequence)
        query = self._select(self._entry_columns).where(sequence > mark).order_by(sequence).limit(ENTRIES_LIMIT + 1)
        with self._database.reading() as connection:
            found = list(rows_of(connection, query, self.description.table))
        if len(found) > ENTRIES_LIMIT:
            raise Unobservable(f"the log has more than {ENTRIES_LIMIT} entries since number {mark}")
        return tuple(self._entry(row) for row in found)

    @look
    def emergency_sessions(self) -> tuple[EmergencySession, ...]:
        """Every session of emergency access that the log tells of, oldest first; refused steps are not part of one.

        Raises Unobservable when the target does not say what the log calls its steps.
        """
        names = self.description.break_glass
        if names is None:
            raise Unobservable("the target does not say what the log calls emergency access (audit_log.break_glass)")
        columns = self.description.columns
        sequence, action = self._column(columns.sequence), self._column(columns.action)
        wanted = (names.request, names.approve, names.start, names.end)
        query = self._select(self._entry_columns).where(action.in_(wanted)).order_by(sequence).limit(ENTRIES_LIMIT + 1)
        with self._database.reading() as connection:
            rows = list(rows_of(connection, query, self.description.table))
        if len(rows) > ENTRIES_LIMIT:
            raise Unobservable(f"the log has more than {ENTRIES_LIMIT} entries about emergency access")
        steps: dict[str, dict[str, Entry]] = {}
        for entry in (self._entry(row) for row in rows):
            if entry.done:
                steps.setdefault(entry.target, {}).setdefault(entry.action, entry)
        return tuple(_session(target, known, names) for target, known in steps.items())

    @look
    def chain(self) -> ChainLook:
        """Recompute every digest from the stored entries, and compare with what was noted elsewhere."""
        described = self.description
        chain, columns = described.chain, described.columns
        if chain is None or columns.previous is None or columns.digest is None:
            raise Unobservable("the target does not describe how the log's entries are chained (audit_log.chain)")
        # Read before the entries: what is noted later cannot be expected among them.
        anchors = self._anchors() if described.anchors is not None else {}
        wanted = tuple(dict.fromkeys((*chain.covers, columns.sequence, columns.previous, columns.digest)))
        query = self._select(wanted).order_by(self._column(columns.sequence))
        breaks = _Breaks()
        count, expected, previous = 0, chain.first_sequence, chain.first_previous
        noted = 0
        with (
            self._database.reading() as connection,
            closing(rows_of(connection, query, described.table, kept_limit=None)) as rows,
        ):
            for row in rows:
                count += 1
                number, digest = int(row[columns.sequence]), str(row[columns.digest])
                if number != expected:
                    breaks.add(f"entry {number} stands where {expected} should")
                if str(row[columns.previous]) != previous:
                    breaks.add(f"entry {number} does not name the digest of the entry before it")
                if _digest(chain, row) != digest:
                    breaks.add(f"entry {number} has another content than its digest says")
                if number in anchors:
                    noted += 1
                    if anchors.pop(number) != digest:
                        breaks.add(f"entry {number} differs from what was noted of it elsewhere")
                expected, previous = number + 1, digest
        for number in sorted(anchors):
            breaks.add(f"entry {number}, which was noted elsewhere, is gone")
        return ChainLook(count, breaks.count, tuple(breaks.first), noted + len(anchors))

    @look
    def attempt(self, what: str) -> ChangeAttempt:
        """Try, as the application's role, to change the log (one of `ATTEMPTS`); everything is rolled back."""
        if what not in ATTEMPTS:
            raise Unobservable(f"{what} is none of {', '.join(ATTEMPTS)}")
        mysql = self._is_mysql()
        if mysql:
            self._can_be_rolled_back()
        table = self._quoted
        at = self.description.columns.at.replace('"', "")
        scripts = {
            "delete": (f"DELETE FROM {table}",),  # noqa: S608
            "update": (f'UPDATE {table} SET "{at}" = CURRENT_TIMESTAMP',),  # noqa: S608  (quoted names of the target)
            "truncate": (f"TRUNCATE {table}",),
            "take the triggers off and delete": (
                f"ALTER TABLE {table} DISABLE TRIGGER USER",
                f"DELETE FROM {table}",  # noqa: S608
            ),
        }
        rows = 0
        try:
            with self._database.attempting("application") as connection:
                if mysql:
                    denied, rows = mysql_audit_log.attempt(connection, self.description.table, what)
                    return ChangeAttempt(what, bool(denied), denied, rows)
                self._postgresql(connection)
                for script in scripts[what]:
                    if script.startswith(("DELETE", "UPDATE")):
                        # That it is denied shows without touching a row; only what is not denied is really tried.
                        connection.exec_driver_sql(f"{script} WHERE false")
                    rows = connection.exec_driver_sql(script).rowcount
        except ReadDenied as error:
            return ChangeAttempt(what, True, error.reason, 0)
        return ChangeAttempt(what, False, "", max(rows, 0))

    @look
    def control(self) -> LogControl:
        """Whether the application's role is let near the log, so that what it is denied means something."""
        some = sa.select(sa.literal(1)).select_from(self._table).limit(1)
        with self._database.reading("auditor") as connection:
            counted = sa.select(sa.func.count()).select_from(
                sa.select(sa.literal(1)).select_from(self._table).limit(_BATCH).subquery()
            )
            rows = int(connection.execute(counted).scalar_one())
        append = self.description.append
        if self._is_mysql():
            with self._database.reading("application") as connection:
                reads = mysql_audit_log.reads(connection, self.description.table)
            return LogControl(rows, reads, None if append is None else self._appends_in_mysql(append))
        try:
            with self._database.reading("application") as connection:
                connection.execute(some).all()
            reads = True
        except ReadDenied:
            reads = False
        appends: bool | None = None
        if append is not None:
            try:
                with self._database.attempting("application") as connection:
                    connection.exec_driver_sql(append)
                appends = True
            except ReadDenied:
                appends = False
        return LogControl(rows, reads, appends)

    # --- for itself ------------------------------------------------------------------------------------------------

    @property
    def description(self) -> Description:
        """The target's description of the log; raises Unobservable when there is none."""
        if self.target.audit_log is None:
            raise Unobservable("the target describes no audit log")
        return self.target.audit_log

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    @property
    def _table(self) -> sa.TableClause:
        return table_of(self.description.table)

    @property
    def _quoted(self) -> str:
        return ".".join(f'"{part}"' for part in self.description.table.replace('"', "").split("."))

    @property
    def _entry_columns(self) -> tuple[str, ...]:
        columns = self.description.columns
        names = (
            columns.sequence,
            columns.at,
            columns.actor,
            columns.action,
            columns.target,
            columns.tenant,
            columns.outcome,
            columns.reason,
            columns.details,
        )
        return tuple(dict.fromkeys(name for name in names if name is not None))

    @staticmethod
    def _column(name: str) -> sa.ColumnClause[Any]:
        return sa.column(sa.sql.quoted_name(name, quote=True))

    def _select(self, names: Sequence[str]) -> sa.Select[Any]:
        return sa.select(*(self._column(name) for name in names)).select_from(self._table)

    def _entry(self, row: Mapping[str, Any]) -> Entry:
        columns, described = self.description.columns, self.description

        def text(name: str | None) -> str:
            value = row[name] if name is not None else None
            return "" if value is None else value if isinstance(value, str) else _json(value)

        at = row[columns.at]
        if not isinstance(at, datetime):
            raise Unobservable(f"the column {columns.at} of the log holds no times")
        outcome = text(columns.outcome)
        return Entry(
            sequence=int(row[columns.sequence]),
            at=at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC),
            actor=text(columns.actor),
            action=text(columns.action),
            target=text(columns.target),
            tenant=text(columns.tenant).strip('"'),
            outcome=outcome,
            done=outcome in described.done,
            refused=outcome in described.refused,
            reason=text(columns.reason),
            details=text(columns.details),
        )

    def _anchors(self) -> dict[int, str]:
        path = self.session.target_folder / str(self.description.anchors)
        found: dict[int, str] = {}
        try:
            if path.stat().st_size > ANCHORS_BYTES:
                raise Unobservable(f"the file of anchors is larger than {ANCHORS_BYTES} bytes")
            with path.open(encoding="utf-8") as stream:
                for line in stream:
                    if line.endswith("\n"):  # A line that is being written is for the next look.
                        noted = json.loads(line)
                        found[int(noted["sequence"])] = str(noted["digest"])
        except OSError as error:
            raise Unobservable(
                f"the file of anchors cannot be read: {error.strerror or type(error).__name__}"
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Unobservable("the file of anchors holds a line that is no anchor") from None
        return found

    def _is_mysql(self) -> bool:
        with self._database.reading("auditor") as connection:
            return connection.dialect.name in database_mysql.NAMES

    def _can_be_rolled_back(self) -> None:
        with self._database.reading("auditor") as connection:
            mysql_audit_log.can_be_rolled_back(connection, self.description.table)

    def _appends_in_mysql(self, statement: str) -> bool:
        self._can_be_rolled_back()
        with self._database.attempting("application") as connection:
            return mysql_audit_log.is_let(connection, statement)

    @staticmethod
    def _postgresql(connection: Connection) -> None:
        if connection.dialect.name != "postgresql":
            raise Unobservable(f"what a role may do in a {connection.dialect.name} database is not known to upheld")


class _Breaks:
    """Counts breaks and keeps the first ones in words."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, words: str) -> None:
        self.count += 1
        if len(self.first) < BREAKS_KEPT:
            self.first.append(words)


def _digest(chain: Chain, row: Mapping[str, Any]) -> str:
    values = {name: _plain(row[name], chain) for name in chain.covers}
    if chain.form == "json":
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    else:
        text = chain.separator.join("" if one is None else str(one) for one in values.values())
    return hashlib.new(chain.algorithm, text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any, chain: Chain) -> Any:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).strftime(chain.timestamp)
    if isinstance(value, UUID):
        return str(value)
    if value is None or isinstance(value, str | int | bool | dict | list):
        return value
    raise Unobservable(f"a column that the digest covers holds a {type(value).__name__}, whose text is not known")


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _session(target: str, steps: Mapping[str, Entry], names: Any) -> EmergencySession:
    request, approve, start, end = (steps.get(name) for name in (names.request, names.approve, names.start, names.end))
    return EmergencySession(
        target=target,
        ticket=_ticket(request, names.ticket),
        requested_by=request.actor if request else None,
        approved_by=approve.actor if approve else None,
        requested_at=request.at if request else None,
        approved_at=approve.at if approve else None,
        started_by=start.actor if start else None,
        started_at=start.at if start else None,
        ended_at=end.at if end else None,
    )


def _ticket(request: Entry | None, pointer: str) -> str:
    try:
        node: Any = json.loads(request.details) if request and request.details else None
    except (ValueError, RecursionError):
        raise Unobservable("the details of a request for emergency access are no JSON") from None
    for part in pointer.split("/")[1:]:
        node = node.get(part) if isinstance(node, dict) else None
    return node if isinstance(node, str) else ""
