"""What is looked at to tell whether backups are as promised; used by the tests of backups."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import itertools
import lzma
import math
import tarfile
import time
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from upheld_reference.backups import wal
from upheld_reference.backups.catalogue import FILE_NAME, Catalogue, Entry
from upheld_reference.backups.restore import RestoreError, restore
from upheld_reference.backups.sealing import BackupKey, SealError
from upheld_reference.backups.store import Store

MAGICS = {
    "gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",
    "xz": b"\xfd7zXZ",
    "bzip2": b"BZh",
    "zip": b"PK\x03\x04",
    "lz4": b"\x04\x22\x4d\x18",
    "a custom dump": b"PGDMP",
    "SQL": b"--\n-- PostgreSQL database",
    "WAL of PostgreSQL 18": b"\x18\xd1",
}
ARCHIVE_SECONDS = 10.0
_OLDEST = timedelta(hours=25)


class Backups:
    """The backups of a running deployment, as its own people reach them."""

    def __init__(self, deployment: Any) -> None:
        self.facts = deployment.facts["backups"]
        self.urls = deployment.facts["postgres"]["urls"]
        self.workspace = deployment.facts["workspaces"][0]["id"]
        self.store = Store(Path(self.facts["store"]))
        self.key_file = Path(self.facts["keys"][0]["file"])
        self.key = BackupKey.load(self.key_file)

    def entries(self) -> tuple[Entry, ...]:
        head = Path(self.facts["catalogue_head"])
        return Catalogue(Path(self.facts["catalogue"]), self.key, head).load().entries

    def write(self, text: str) -> datetime:
        """Writes a message log and returns a moment after it."""
        with psycopg.connect(self.urls["planter"], autocommit=True) as db:
            query = "INSERT INTO app.message_logs (workspace_id, content) VALUES (%s, %s)"
            db.execute(query, [self.workspace, text])
            row = db.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        return row[0]  # type: ignore[no-any-return]

    def archived(self, after: datetime) -> bool:
        """Whether the archive gets beyond what is written now within a while; ``after`` is when it was."""
        with psycopg.connect(self.urls["auditor"]) as db:
            row = db.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert row is not None
        deadline = time.monotonic() + ARCHIVE_SECONDS
        while time.monotonic() < deadline:
            ends = [wal.lsn(entry.end_lsn) for entry in self.entries() if entry.kind == "wal"]
            if ends and max(ends) >= wal.lsn(row[0]):
                return True
            time.sleep(0.1)
        return False


def pitr_violations(backups: Backups, scratch: Path) -> set[str]:
    """What is wrong with daily backups, and with a real restore to an instant."""
    found = set()
    entries = backups.entries()
    now = datetime.now(UTC)
    bases = sorted((entry for entry in entries if entry.kind == "base"), key=lambda entry: entry.finished)
    moments = [*(entry.finished for entry in bases), now]
    if moments[0] > now - timedelta(days=6):
        found.add("no history")
    if any(later - earlier > _OLDEST for earlier, later in itertools.pairwise(moments)):
        found.add("a day without a base backup")
    if any(entry.plain_bytes < 10_000_000 or entry.size_bytes < 1_000_000 for entry in bases):
        found.add("a base backup of no sane size")
    for entry in entries:
        content = backups.store.path(entry.name).read_bytes()
        if len(content) != entry.size_bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            found.add("an object is not as in the catalogue")
    segments = {entry.start_segment for entry in entries if entry.kind == "wal"}
    if wal.gaps(segments) or not {entry.start_segment for entry in bases} <= segments:
        found.add("write-ahead log is missing")
    at = backups.write("written before")
    time.sleep(0.01)
    backups.write("written after")
    if not backups.archived(at):
        found.add("write-ahead log does not get to the store")
    try:
        with (
            restore(backups.store.folder, backups.key_file, at, scratch) as restored,
            psycopg.connect(restored.url) as db,
        ):
            rows = db.execute("SELECT content FROM app.message_logs WHERE content LIKE 'written %'").fetchall()
    except RestoreError:
        found.add("not restored")
    else:
        if rows != [("written before",)]:
            found.add(f"restored with {rows}")
    return found


def encryption_violations(backups: Backups, canary: str) -> set[str]:
    """What can be read in the store without the key, or cannot be opened with it."""
    found = set()
    secret = backups.key_file.read_bytes()
    spellings = (secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret))
    for name in sorted(backups.store.names()):
        kind = name.partition("/")[0]
        try:
            content = backups.store.path(name).read_bytes()
        except FileNotFoundError:  # it was kept no longer
            assert all(entry.name != name for entry in backups.entries())
            continue
        if any(spelling in content for spelling in spellings):
            found.add(f"{kind}: the key")
        if canary.encode() in content:
            found.add(f"{kind}: the canary")
        if name == FILE_NAME:
            continue
        found |= {f"{kind}: {what}" for what, magic in MAGICS.items() if content.startswith(magic)}
        found |= {f"{kind}: unpacked by {what}" for what in unpacked_by(content)}
        if len(content) > 4096 and entropy(content) < 7.9:
            found.add(f"{kind}: low entropy")
        try:
            backups.key.open_into(name, io.BytesIO(content), io.BytesIO())
        except SealError:
            found.add(f"{kind}: does not open with the key")
    return found


def unpacked_by(content: bytes) -> set[str]:
    """What gets anything out of ``content``, whether at its beginning or behind a header of any length up to 64 bytes."""
    found = set()
    for what, unpack in (("gzip", gzip.decompress), ("bzip2", bz2.decompress), ("xz", lzma.decompress)):
        try:
            unpack(content)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            continue
        found.add(what)
    for offset in range(65):
        unpacker = zlib.decompressobj()
        try:
            plain = unpacker.decompress(content[offset:])
        except zlib.error:
            continue
        if unpacker.eof and plain:
            found.add("zlib")
    try:
        tarfile.open(fileobj=io.BytesIO(content)).close()
        found.add("tar")
    except tarfile.TarError:
        pass
    return found


def entropy(content: bytes) -> float:
    """Bits for each byte."""
    counts = Counter(content)
    return -sum(n / len(content) * math.log2(n / len(content)) for n in counts.values())
