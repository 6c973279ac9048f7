"""Log files: which of them are parts of one log, what is in them since a mark or a time, and how they are read.

A log is rotated while it is looked at: a part is renamed, copied and emptied, compressed or removed. What was written since a mark
is told by which file it is, not by what the file is called.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import re
import secrets
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import IO, Any, cast

from upheld.errors import Refused, TimedOut, Unobservable
from upheld.probes.log_places import RemoteFile, left
from upheld.probes.unpacking import open_xz

CHUNK = 1 << 20
"""Bytes read at once."""
UNPACKED_LIMIT = 8 << 30
"""Bytes that one compressed file may unpack to before it is given up."""
SEARCH_SECONDS = 900.0
"""Seconds after which a search gives up the files that it has not read."""

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": open_xz}
UNREADABLE = frozenset({".zst", ".zip", ".7z", ".lz4", ".z", ".br"})
"""Ends of names that say that a file is compressed in a way that cannot be read here."""
TIME = re.compile(
    rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?|\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
)
"""A time as logs write it: as RFC 3339 and its relatives have it, or in brackets as web servers do."""
_ROTATED = re.compile(
    r"(\.\d{1,5}|[.-](\d{8}|\d{4}-\d\d-\d\d)([T.-]?\d{2,10}([.:-]\d\d)*)?|\.(old|bak))(?=$|\.[A-Za-z][\w.]*$)"
)
_DATE = len(".20261123")


_HEAD = 256
_KEY = secrets.token_bytes(16)
"""Without it nobody can tell from the digest of a file's beginning what that is."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine; `identity` tells it from others that are there at the same time, also when it was renamed."""

    path: Path
    size: int
    identity: str
    modified: float

    def beginning(self, length: int | None = None) -> str:
        """The length and a digest of what it begins with, which stays when it grows; empty where it cannot be read."""
        length = min(self.size, _HEAD) if length is None else length
        try:
            with self.path.open("rb") as stream:
                return f"{length}-{hashlib.blake2b(stream.read(length), key=_KEY, digest_size=12).hexdigest()}"
        except OSError:
            return ""


AnyFile = LocalFile | RemoteFile


def packed(file: AnyFile) -> bool:
    """Whether the file is compressed."""
    return Path(file.path).suffix.lower() in _OPENERS


def with_rotated(pattern: str) -> Iterator[str]:
    """The pattern and those of its rotated files: `app.log.1`, `app.log-20261123.gz`, `app-20261123.log`, `app.1.log`."""
    yield pattern
    yield f"{pattern}.*"
    yield f"{pattern}-*"
    path = Path(pattern)
    if path.suffix and path.stem:
        yield str(path.with_name(f"{path.stem}-*{path.suffix}*"))
        yield str(path.with_name(f"{path.stem}.*{path.suffix}*"))


def logs_by_file(names: Iterable[str]) -> dict[str, str]:
    """For each file the log of which it is a part: `app.log` of `app.log.2.gz`, `app-20261123.log` and, where that is there, `app.1.log`.

    Numbers in the middle may also tell logs from one another, as those of several workers.
    """
    given = frozenset(names)
    found = {}
    for name in given:
        stem = re.sub(r"(\.(gz|bz2|xz))+$", "", name, flags=re.IGNORECASE)
        while match := _ROTATED.search(stem, stem.rfind("/") + 2):
            shorter = stem[: match.start()] + stem[match.end() :]
            counted = match[1][1:].isdigit() and len(match[1]) < _DATE
            named = match.end() == len(stem) and re.search(r"(^|/)[^./]+(\.[^/]*[A-Za-z][^./]*)?$", shorter)
            if counted and not named and shorter not in given:
                break
            stem = shorter
        found[name] = stem
    return found


# --- since a mark -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Marked:
    """A file at a mark: its name, which it was, how it began, how large it was, and whether it was the one of its log that was written to."""

    name: str
    identity: str
    beginning: str
    size: int
    newest: bool


@dataclass(slots=True)
class Since:
    """What is to be read of a source's files for what was written since a mark.

    `start` says from which byte on each file is read; a file without it holds nothing. In `unsure` files it cannot be told what was
    written before. `lost` says by log why a part of what was written is not there any more.
    """

    start: dict[str, int] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)


def since_mark(marked: Iterable[Marked], files: Mapping[str, AnyFile]) -> Since:
    """Compare the files of a source, by name, with what they were at a mark."""
    known = {one.identity: one for one in marked}
    logs = logs_by_file([*files, *(one.name for one in known.values())])
    found, fresh, emptied, met = Since(), list[str](), set[str](), set[str]()
    for name, file in files.items():
        was = known.get(file.identity)
        if was is None or not _goes_on(was, file):
            fresh.append(name)
            continue
        met.add(was.identity)
        if packed(file):
            continue
        found.start[name] = was.size if file.size >= was.size else 0
        if file.size < was.size:
            emptied.add(logs[was.name])
    gone = {logs[one.name] for one in known.values() if one.newest and one.size and one.identity not in met}
    compressed = {logs[name] for name in fresh if packed(files[name])}
    for name in fresh:
        found.start[name] = 0
        log = logs[name]
        if packed(files[name]) or log in emptied or (log in gone and log not in compressed):
            found.unsure.add(name)
    copied = {logs[name] for name in fresh}
    found.lost |= dict.fromkeys(gone - compressed, "the file that was written to is gone since")
    found.lost |= dict.fromkeys(emptied - copied, "it was emptied since")
    return found


def newest_of(files: Mapping[str, AnyFile]) -> frozenset[str]:
    """The file of each log that was written to last."""
    logs = logs_by_file(files)
    latest: dict[str, str] = {}
    for name, file in files.items():
        best = latest.get(logs[name])
        if best is None or file.modified > files[best].modified:
            latest[logs[name]] = name
    return frozenset(latest.values())


def _goes_on(was: Marked, file: AnyFile) -> bool:
    """Whether the file is the one that it was. Its number alone does not say so: that of a removed file is given to a new one."""
    if packed(file) != (Path(was.name).suffix.lower() in _OPENERS):
        return False
    if not isinstance(file, LocalFile) or file.size < was.size:
        return True  # A file of its number that is shorter was emptied, or is another; what is in it is new.
    length = was.beginning.partition("-")[0]
    return not length.isdigit() or file.beginning(int(length)) == was.beginning


# --- reading ----------------------------------------------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """The file's content as a stream, and whether it was compressed; what goes wrong in reading becomes Unobservable."""
    opener = _OPENERS.get(path.suffix.lower())
    try:
        with cast("IO[bytes]", opener(path, "rb")) if opener else path.open("rb") as stream:
            yield stream, opener is not None
    except PermissionError as error:
        raise Refused("permission denied") from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise Unobservable(unread(error)) from error


@contextmanager
def read_from(file: AnyFile, skipped: int, deadline: float) -> Iterator[IO[bytes]]:
    """The file's content as a stream, of one that is not compressed from that byte on; raises Unobservable where it cannot be read."""
    if isinstance(file, LocalFile):
        with opened(file.path) as (stream, is_packed):
            if skipped and not is_packed and os.fstat(stream.fileno()).st_size >= skipped:
                stream.seek(skipped)
            yield stream
        return
    opener = _OPENERS.get(Path(file.path).suffix.lower())
    try:
        with file.opened(0 if opener else skipped, left(deadline)) as raw:
            if opener is None:
                yield raw
            else:
                with cast("IO[bytes]", opener(raw, "rb")) as stream:
                    yield stream
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise Unobservable(unread(error)) from error


def chunks_of(stream: IO[bytes], deadline: float, *, limit: int) -> Iterator[bytes]:
    """The stream in chunks; raises Unobservable when it holds more than `limit` bytes or is not read by `deadline` (monotonic)."""
    size = 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > limit:
            raise Unobservable(f"it holds more than {limit >> 20} MiB")
        yield chunk
        if time.monotonic() > deadline:
            raise TimedOut(f"it was not read within {SEARCH_SECONDS:.0f} s")


def as_far_as_it_goes(chunks: Iterator[bytes], stopped: list[Exception]) -> Iterator[bytes]:
    """The chunks up to where they cannot be read any further; then why is in `stopped`, to be raised again."""
    try:
        yield from chunks
    except (Unobservable, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        stopped.append(error)


def unread(error: Exception) -> str:
    """What is said of a file that cannot be read."""
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return f"it cannot be read: {detail}"


# --- lines and their times --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lines:
    """How many lines hold a text and the first of them, how many bytes were read, and the first time that a line carries."""

    count: int
    first: int
    bytes: int
    begins: datetime | None


def lines_with(
    stream: IO[bytes], needle: bytes, since: datetime | None, deadline: float, name: str, zone: tzinfo | bool = True
) -> Lines:
    """The lines that hold `needle` and, with `since`, carry a later time. Lines without a time are of the one before.

    `zone` is that of times that say none: True for this machine's, False where it is not known.
    """
    count = size = first = 0
    number, carried = 1, b""
    current: datetime | None = None
    begins: datetime | None = None
    for piece in iter(lambda: stream.readline(CHUNK), b""):
        size += len(piece)
        # A line that is longer than a piece goes on in the next one, and so may the needle.
        line, ended = carried + piece, piece.endswith(b"\n")
        if since is not None and not carried:
            current = time_of(line, zone) or current
            begins = begins or current
        if needle in line.lower() and (since is None or (current is not None and current >= since)):
            count, first, line = count + 1, first or number, b" "
        carried = b"" if ended else line[-len(needle) :]
        number += ended
        if time.monotonic() > deadline:
            raise TimedOut(f"log {name}: it was not read within {SEARCH_SECONDS:.0f} s")
    if since is not None and size and current is None:
        raise Unobservable(f"log {name}: its lines carry no time that can be read")
    return Lines(count, first, size, begins)


def time_of(line: bytes, zone: tzinfo | bool) -> datetime | None:
    """The time that a line carries in its first 300 bytes; `zone` as `lines_with` takes it."""
    match = TIME.search(line[:300])
    if match is None:
        return None
    day, clock, fraction, offset, common = (one.decode() if one else "" for one in match.groups())
    try:
        if common:
            return datetime.strptime(common, "%d/%b/%Y:%H:%M:%S %z")
        at = datetime.fromisoformat(f"{day}T{clock}")
        if offset:
            at = at.replace(tzinfo=UTC if offset == "Z" else _offset(offset))
        elif isinstance(zone, tzinfo):
            at = at.replace(tzinfo=zone)
        elif zone:
            at = at.astimezone()
        else:
            return None
    except ValueError:
        return None
    return at + timedelta(microseconds=int(fraction[:6].ljust(6, "0")) if fraction else 0)


def _offset(text: str) -> timezone:
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
