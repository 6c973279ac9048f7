"""The backups that the target describes: what is in the store, what the catalogue says, and what a restore brings back.

Objects may go while they are looked at, for they are kept only for a time: what is gone is counted and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.backup_answers import (
    SHOWN,
    Archive,
    Archiver,
    BaseBackup,
    Contents,
    Excused,
    Mark,
    Restored,
    Suspect,
    Tally,
)
from upheld.probes.backup_catalogue import LARGEST, Entry, entries_in
from upheld.probes.backup_contents import Needle, look_at, needle
from upheld.probes.backup_marks import on_postgresql, present, write_mark
from upheld.probes.backup_restore import Failed, restored
from upheld.probes.backup_store import BackupStore, Gone, StoredObject, missing_segments
from upheld.probes.base import Probe, look
from upheld.probes.database import Database
from upheld.probes.planted import Note
from upheld.probes.sending import COMMAND, DATABASE, PLANTS, STORE, Sending, Sends, reading
from upheld.probes.store_rows import utc
from upheld.probes.undoing import undo_all
from upheld.redaction import SHORTEST
from upheld.target.manners import BACKUP_STORE
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from pathlib import Path

    from upheld.probes.base import Session
    from upheld.target.backups import Backups as Description

__all__ = [
    "Archive",
    "Archiver",
    "Backups",
    "BaseBackup",
    "Contents",
    "Excused",
    "Mark",
    "Restored",
    "Suspect",
]


class Backups(Probe):
    """The backups of the database."""

    name = "backups"
    detached = True
    needs = ("backups",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(
            ("archive", "base_backups", "contents", "holds_segment"),
            (Sends(STORE, "lists and reads of {backups.store}", "the account of backups.store_secrets"),),
        ),
        **dict.fromkeys(("archiver", "database_bytes"), reading("url", "of the state of the archive and of sizes")),
        "restore": (
            Sends(COMMAND, "your own command of {name:backups.restore}, on this machine", "whoever runs upheld", 1),
        ),
        **dict.fromkeys(
            ("mark", "remove_marks"),
            (
                Sends(
                    DATABASE,
                    "INSERT and DELETE of a row of {backups.marker.table}",
                    "the role of {name:database.planting_url}",
                    2,
                    PLANTS,
                ),
            ),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Connects to nothing yet."""
        super().__init__(session)
        self._opened: BackupStore | None = None
        self._notes: list[Note] = []

    @look
    def base_backups(self) -> tuple[BaseBackup, ...]:
        """Every base backup and increment, by catalogue and store; the earliest first. Empty: there is none."""
        entries = self._entries()
        stored = {one.name: one for one in self._store.objects()}
        if entries is None:
            found = [
                BaseBackup(one.name, one.kind, one.modified, one.size, None, None, "")
                for one in stored.values()
                if one.kind in {"base", "increment"}
            ]
        else:
            found = []
            for entry in entries:
                if entry.kind in {"base", "increment"}:
                    size = self._size(entry, stored)
                    if size is None and not self._still_listed(entry.name):
                        continue  # It was kept no longer.
                    found.append(
                        BaseBackup(
                            entry.name,
                            entry.kind,
                            entry.finished,
                            size,
                            entry.size,
                            entry.plain_size,
                            entry.start_segment,
                        )
                    )
        return tuple(sorted(found, key=lambda one: (one.finished or datetime.min.replace(tzinfo=UTC), one.name)))

    @look
    def archive(self) -> Archive:
        """The write-ahead log in the store."""
        if not self._described.wal:
            raise Unobservable("the target does not say which objects are write-ahead log (backups.wal)")
        entries = self._entries() or ()
        objects = [one for one in self._store.objects() if one.kind == "wal"]
        names = sorted({one.segment for one in objects})
        count, shown = missing_segments(names, self._segment_bytes(), SHOWN)
        needed = _beginnings(entries) - set(names)
        if needed:  # What was kept no longer went away between the two looks.
            needed &= _beginnings(self._entries() or ())
        empty = tuple(one.name for one in objects if not one.size)[:SHOWN]
        first, last = (names[0], names[-1]) if names else ("", "")
        return Archive(len(names), first, last, count, shown, tuple(sorted(needed)[:SHOWN]), empty)

    @look
    def archiver(self) -> Archiver:
        """What the server says of its archive (pg_stat_archiver)."""
        statement = (
            "SELECT current_setting('archive_mode'), coalesce(last_archived_wal, ''), last_archived_time, failed_count,"
            " coalesce(last_failed_wal, '') FROM pg_catalog.pg_stat_archiver"
        )
        with self._database.reading() as connection:
            on_postgresql(connection)
            row = connection.execute(sa.text(statement)).one()
        return Archiver(str(row[0]), str(row[1]), utc(row[2]), int(row[3]), str(row[4]))

    @look
    def database_bytes(self) -> int:
        """The present size of the database."""
        with self._database.reading() as connection:
            on_postgresql(connection)
            return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())

    @look
    def holds_segment(self, segment: str) -> bool:
        """Whether the archive has this segment, or a later one of its timeline."""
        names = {one.segment for one in self._store.objects() if one.kind == "wal" and one.size}
        return any(name >= segment for name in names if name[:8] == segment[:8])

    @look
    def archive_within_seconds(self) -> float:
        """How long the target gives what was written until it is in the archive."""
        return self._described.archive_within_seconds

    @look
    def contents(self, words: tuple[str, ...] = (), since: datetime | None = None) -> Contents:
        """Read every object (those that changed `since` only) and say what can be made of it without a key.

        The declared keys and `words` (placeholders of secrets of this run) are looked for in each.
        """
        needles = [*self._key_needles(), *(self._word_needle(word) for word in words)]
        limit = self._described.read_limit_bytes
        groups: dict[str, Tally] = {}
        readable, holding, excused = [], [], []
        for one in self._store.objects():
            if since is not None and one.modified is not None and one.modified < since:
                continue
            group = groups.setdefault(one.kind, Tally(one.kind))
            if one.size > limit:
                reason = f"the store holds more than {self._described.read_limit_bytes:,} bytes"
                group.unread.append((one.name, f"{reason} (backups.read_limit_bytes)"))
                continue
            try:
                looked = look_at(self._store.pieces(one.name), needles)
            except Gone:
                group.gone += 1
                continue
            except Unobservable as unobservable:
                group.unread.append((one.name, unobservable.reason))
                continue
            limit -= looked.size
            group.objects += 1
            group.bytes += looked.size
            why = self._store.why_readable(one.name)
            if why and looked.readable_as:
                excused.append(Excused(one.name, one.kind, why))
            elif looked.readable_as:
                readable.append(Suspect(one.name, one.kind, looked.readable_as))
            if not why and looked.entropy is not None:
                group.entropy = looked.entropy if group.entropy is None else min(group.entropy, looked.entropy)
            if looked.holds:
                holding.append(Suspect(one.name, one.kind, looked.holds))
        return Contents(
            tuple(group.frozen() for _, group in sorted(groups.items())),
            tuple(readable),
            tuple(holding),
            tuple(excused),
            tuple(dict.fromkeys(one.what for one in needles)),
        )

    @look
    def mark(self) -> Mark:
        """Write a row with a made-up word, and say when it was there."""
        marker = self._described.marker
        if marker is None:
            raise Unobservable("the target does not say where a row may be written to be restored (backups.marker)")
        return write_mark(self.session, self._database, marker, self._notes)

    @look
    def restore(self, at: datetime, words: tuple[str, ...]) -> Restored:
        """Restore to that instant, and look which of the words the marker's table has there."""
        described, marker = self._described.restore, self._described.marker
        if described is None or marker is None:
            raise Unobservable("the target does not say how a backup is restored (backups.restore, backups.marker)")
        base = self.session.target_folder
        environment = {name: self._secret(reference, name) for name, reference in described.environment.items()}
        began = datetime.now(UTC)
        with restored(described.command, environment, described.url, described.within_seconds, at, base) as url:
            took = (datetime.now(UTC) - began).total_seconds()
            if isinstance(url, Failed):
                return Restored(at, (), True, url.code, url.said, took)
            values = [self.session.redactor.value(word) for word in words]
            return Restored(at, present(url, marker.table, marker.column, values), False, 0, "", took)

    @look
    def remove_marks(self) -> int:
        """Remove the rows that `mark` wrote; gives how many there were."""
        return undo_all(self.session, self._notes)

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Description:
        if self.target.backups is None:
            raise Unobservable("the target describes no backups")
        return self.target.backups

    @property
    def _folder(self) -> Path:
        return self.session.target_folder

    @property
    def _store(self) -> BackupStore:
        if self._opened is None:
            options = {
                name: self._secret(ref, f"{name} of the store") for name, ref in self._described.store_secrets.items()
            }
            self._opened = BackupStore(
                self._described, self._folder, options, self.session.scope, lambda: self.session.pace(BACKUP_STORE)
            )
        return self._opened

    def _secret(self, reference: str, what: str) -> str:
        """What a reference stands for; from now on it is taken out of all that is kept."""
        value = resolve(reference, self._folder)
        raw = value.encode("utf-8", "surrogateescape")
        for text in (value, raw.hex()) if value.isprintable() else (raw.hex(),):  # A raw key is no text.
            if len(raw) >= SHORTEST:
                self.session.redactor.add(text, what)
        return value

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    def _segment_bytes(self) -> int:
        with self._database.reading() as connection:
            on_postgresql(connection)
            statement = "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size'"
            return int(connection.execute(sa.text(statement)).scalar_one())

    def _entries(self) -> list[Entry] | None:
        described = self._described.catalogue
        if described is None:
            if not self._described.base:
                raise Unobservable(
                    "the target says neither where the catalogue of backups is nor which objects are base backups"
                )
            return None
        return entries_in(self._catalogue_text(described.path), described)

    def _catalogue_text(self, path: str) -> str:
        if path.startswith("file:"):
            try:
                with (self._folder / path.removeprefix("file:")).open("rb") as stream:
                    raw = stream.read(LARGEST + 1)
            except OSError as error:
                raise Unobservable(f"the backup catalogue {path} cannot be read: {error.strerror}") from None
        else:
            raw = b""
            try:
                for piece in self._store.pieces(path):
                    raw += piece
                    if len(raw) > LARGEST:
                        break
            except Gone:
                raise Unobservable(f"the backup catalogue {path} is not in the store") from None
        if len(raw) > LARGEST:
            raise Unobservable(f"the backup catalogue {path} is larger than {LARGEST:,} bytes")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Unobservable(f"the backup catalogue {path} is no UTF-8 text") from None

    @staticmethod
    def _size(entry: Entry, stored: dict[str, StoredObject]) -> int | None:
        """The size in the store of the object of that name, or of all objects below the folder of that name."""
        if entry.name in stored:
            return stored[entry.name].size
        parts = [one.size for name, one in stored.items() if f"/{entry.name}/" in f"/{name}"]
        return sum(parts) if parts else None

    def _still_listed(self, name: str) -> bool:
        return any(entry.name == name for entry in self._entries() or ())

    def _key_needles(self) -> list[Needle]:
        found = []
        for name, reference in self._described.keys.items():
            value = self._secret(reference, f"backup key {name}").encode("utf-8", "surrogateescape")
            one = needle(f"the key {name}", value)
            if one is None:
                raise Unobservable(f"the backup key {name} is too short to be looked for")
            found.append(one)
        return found

    def _word_needle(self, word: str) -> Needle:
        one = needle(f"the planted word {word}", self.session.redactor.value(word).encode())
        if one is None:
            raise Unobservable("a planted word is too short to be looked for")
        return one


def _beginnings(entries: Iterable[Entry]) -> set[str]:
    """The segments with which the write-ahead log of base backups begins."""
    return {one.start_segment for one in entries if one.kind == "base" and one.start_segment}
