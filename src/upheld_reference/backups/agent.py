"""The agent: takes WAL segments from the spool and base backups from PostgreSQL, and puts both into the store, encrypted."""

from __future__ import annotations

import io
import threading
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from upheld_reference.backups import wal
from upheld_reference.backups.base import BackupError, BaseBackup, Span
from upheld_reference.backups.catalogue import Catalogue, Entry
from upheld_reference.backups.sealing import BackupKey, SealError
from upheld_reference.backups.store import Store, Stored, compressed
from upheld_reference.logs import app_log


def rfc3339(at: datetime) -> str:
    """``at`` in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def base_name(at: datetime) -> str:
    """The name of the object of a base backup that was begun ``at``."""
    return f"base/{at.astimezone(UTC):%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z.tar.zlib.sealed"


def wal_name(archived: str) -> str:
    """The name of the object of what PostgreSQL archived as ``archived``."""
    return f"wal/{archived}.zlib.sealed"


class Agent:
    """Fills the store; what it does, it does in the thread that calls it, one thing of a kind at a time."""

    def __init__(self, url: str, spool: Path, store: Store, catalogue: Catalogue, key: BackupKey) -> None:
        """Connects to ``url`` for base backups and finds segments in ``spool``."""
        self._url = url
        self._spool = spool
        self.store = store
        self.catalogue = catalogue
        self.key = key
        self._draining = threading.Lock()
        self._backing_up = threading.Lock()
        self._backup: BaseBackup | None = None
        self._stopped = False

    def drain(self) -> int:
        """Moves every finished file of the spool to the store and returns how many those were.

        A file leaves the spool once its object is in the store and in the catalogue: whoever is stopped in between finds it
        again. Raises OSError, and SealError or BackupError when the store has something else under that name.
        """
        moved = 0
        with self._draining:
            for path in sorted(self._spool.iterdir()):
                if self._stopped:
                    break
                if wal.ARCHIVED.fullmatch(path.name):
                    self.keep(path)
                    path.unlink()
                    moved += 1
        return moved

    def keep(self, path: Path) -> None:
        """Puts one file that PostgreSQL archived into the store and the catalogue."""
        name, plain = wal_name(path.name), path.read_bytes()
        known = self.catalogue.get(name)
        if known is not None and self.store.path(name).exists():
            # PostgreSQL archives a segment again when it was stopped before it could note that it had been.
            if self.store.read(name, self.key) != plain:
                raise BackupError(f"{path.name} was archived twice, with different content")
            return
        taken = datetime.now(UTC)
        stored = self.store.put(name, self.key.seal(name, compressed([plain])))
        self.catalogue.add([self._wal_entry(path.name, name, taken, stored, len(plain))])

    def take_base_backup(self) -> Entry:
        """Takes a base backup now and enters it; raises BackupError when PostgreSQL does not give one."""
        entry = self.stream_base_backup()
        self.catalogue.add([entry])
        return entry

    def stream_base_backup(self) -> Entry:
        """Puts a base backup of now into the store, without entering it; raises BackupError."""
        with self._backing_up:
            if self._stopped:
                raise BackupError("the agent is stopped")
            self._backup = backup = BaseBackup(self._url)
            taken = datetime.now(UTC)
            name = base_name(taken)
            stored = self.store.put(name, self.key.seal(name, compressed(backup.stream())))
            if backup.span is None:
                self.store.remove(name)
                raise BackupError("pg_basebackup did not say where its write-ahead log begins and ends")
            return self._base_entry(name, "agent", (taken, datetime.now(UTC)), stored, backup.plain_bytes, backup.span)

    def history(self, entry: Entry, moments: Iterable[tuple[datetime, datetime]]) -> list[Entry]:
        """Puts the content of the base backup ``entry`` into the store once for each begin and end, as seeded history."""
        packed = io.BytesIO()  # in memory: it is compressed but not encrypted, and so must not become a file
        with self.store.path(entry.name).open("rb") as sealed:
            self.key.open_into(entry.name, sealed, packed)
        span = Span(entry.timeline, entry.start_lsn, entry.end_lsn)
        entries = []
        for taken, finished in moments:
            name = base_name(taken)
            stored = self.store.put(name, self.key.seal(name, [packed.getbuffer()]))
            self.store.date(name, finished)
            entries.append(self._base_entry(name, "seed", (taken, finished), stored, entry.plain_bytes, span))
        return entries

    def forget(self, entries: Iterable[Entry]) -> None:
        """Removes objects; the catalogue loses them first, so that it never names what is not there."""
        gone = [entry.name for entry in entries]
        if gone:
            self.catalogue.remove(gone)
            for name in gone:
                self.store.remove(name)
            app_log.info("removed %d backup objects that are kept no longer", len(gone))

    def stop(self) -> None:
        """Ends what it is doing, waits for that, and does nothing from then on."""
        self._stopped = True
        if self._backup is not None:
            self._backup.stop()
        with self._draining, self._backing_up:
            return

    def _wal_entry(self, archived: str, name: str, taken: datetime, stored: Stored, plain_bytes: int) -> Entry:
        timeline = int(archived[:8], 16)
        segment = archived[:24] if wal.SEGMENT.match(archived) else ""
        start = wal.segment_number(segment) * wal.SEGMENT_BYTES if segment else 0
        whole = wal.SEGMENT.fullmatch(archived) is not None
        return Entry(
            name=name,
            kind="wal" if whole else "label",
            origin="agent",
            taken_at=rfc3339(taken),
            finished_at=rfc3339(datetime.now(UTC)),
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            plain_bytes=plain_bytes,
            key_id=self.key.key_id,
            timeline=timeline,
            start_lsn=wal.lsn_text(start),
            end_lsn=wal.lsn_text(start + wal.SEGMENT_BYTES * whole),
            start_segment=segment,
            end_segment=segment,
        )

    def _base_entry(
        self,
        name: str,
        origin: Literal["agent", "seed"],
        when: tuple[datetime, datetime],
        stored: Stored,
        plain_bytes: int,
        span: Span,
    ) -> Entry:
        first, last = (wal.lsn(text) // wal.SEGMENT_BYTES for text in (span.start_lsn, span.end_lsn))
        return Entry(
            name=name,
            kind="base",
            origin=origin,
            taken_at=rfc3339(when[0]),
            finished_at=rfc3339(when[1]),
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            plain_bytes=plain_bytes,
            key_id=self.key.key_id,
            timeline=span.timeline,
            start_lsn=span.start_lsn,
            end_lsn=span.end_lsn,
            start_segment=wal.segment_name(span.timeline, first),
            end_segment=wal.segment_name(span.timeline, last),
        )


FAILURES = (OSError, SealError, BackupError, zlib.error)
"""What the agent's work may raise."""
