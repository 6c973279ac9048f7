"""The logs of the deployment: every line of every declared source, rotated and compressed files too."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from upheld.errors import Refused, TimedOut, Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.log_places import ContainerLog, Journal, Reach, RemoteFile, left, remote_files, source_of
from upheld.probes.search import Found, Searcher
from upheld.probes.sending import COMMAND, Sending, Sends
from upheld.probes.unpacking import open_xz
from upheld.target.manners import MACHINE

if TYPE_CHECKING:
    from upheld.target.logs import LogSource

CHUNK = 1 << 20
"""Bytes read at once."""
UNPACKED_LIMIT = 8 << 30
"""Bytes that one compressed file may unpack to before it is given up."""
SEARCH_SECONDS = 900.0
"""Seconds after which a search gives up the files that it has not read."""
FILES_LIMIT = 10_000
"""Files that a search reads at most; more are Unobservable."""

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": open_xz}
_UNREADABLE = {".zst", ".zip", ".7z", ".lz4", ".z", ".br"}
_TIME = re.compile(
    rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?|\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
)
_RUN = re.compile(r"[A-Za-z0-9+/=_%\\-]{16,}")


Log = Path | RemoteFile | Journal | ContainerLog
"""What can be read: a file here or elsewhere, a journal, a container's output."""

READS: tuple[Sends, ...] = (
    Sends(
        COMMAND, "commands that list and read logs, through {connection}", "the account of the connection", each="logs"
    ),
    Sends(COMMAND, "journalctl of the unit {journald.unit}", "the account of the connection", each="logs"),
    Sends(COMMAND, "logs of the container {docker.container}", "the account of the connection", each="logs"),
)
"""What reading logs sends; files on this machine are none of it."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file that was read to its end: its source, its name below the source's folder, and how much it holds unpacked."""

    source: str
    name: str
    bytes: int
    lines: int
    packed: bool


@dataclass(frozen=True, slots=True)
class UnreadLog:
    """A source or one of its files that could not be read, with the reason. `name` is empty when there is no file at all."""

    source: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret in a log: which (its placeholder), where (lines count from 1), in what spelling, and the masked line."""

    secret: str
    source: str
    file: str
    line: int
    encoding: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class LogsSearched:
    """What a search read, what it found, and what it could not read. Only what is in `files` was searched."""

    sources: tuple[str, ...]
    files: tuple[LogFile, ...]
    unread: tuple[UnreadLog, ...]
    bytes: int
    lines: int
    hits: tuple[Hit, ...]
    hit_count: int


@dataclass(frozen=True, slots=True)
class LogMark:
    """Where every log file ended at an instant."""

    at: datetime
    sizes: tuple[tuple[str, int], ...]
    places: tuple[tuple[str, str], ...] = ()
    """Where journals and outputs of containers ended, in the words of whoever keeps them."""


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """How often a text was found, where first, and how much was read for it."""

    count: int
    source: str
    file: str
    line: int
    files: int
    bytes: int

    @property
    def found(self) -> bool:
        """Whether the text was there."""
        return self.count > 0


class Logs(Probe):
    """The log files that the target declares."""

    name = "logs"
    needs = ("logs",)
    sends: ClassVar[Sending] = dict.fromkeys(("search", "mark", "contains", "lines_since"), READS)

    @look
    def search(self, needles: tuple[str, ...], *, own_only: bool = False) -> LogsSearched:
        """Search all logs for secrets, given by their placeholders, in every spelling; with `own_only` none that somebody else keeps.

        A file that cannot be read, and a source without files, is listed in `unread`. Raises Unobservable when there was
        nothing to search or nothing to search for.
        """
        if not needles:
            raise Unobservable("there is nothing to search the logs for")
        searcher = self._searcher(needles)
        files: list[LogFile] = []
        unread: list[UnreadLog] = []
        hits: list[Hit] = []
        count = 0
        deadline = time.monotonic() + SEARCH_SECONDS
        for source, log, name, reason in self._logs(own_only=own_only):
            if log is None:
                unread.append(UnreadLog(source, name, reason))
                continue
            try:
                if time.monotonic() > deadline:
                    raise TimedOut(f"not searched within {SEARCH_SECONDS:.0f} s")
                with _read(log, deadline) as (stream, packed):
                    searched = searcher.stream(chunks_of(stream, deadline, limit=UNPACKED_LIMIT))
            except Unobservable as unobservable:
                unread.append(UnreadLog(source, name, unobservable.reason))
                continue
            files.append(LogFile(source, name, searched.bytes, searched.lines, packed))
            hits += [self._hit(source, name, found, needles) for found in searched.found]
            count += searched.count
        size = sum(file.bytes for file in files)
        if not size:
            raise Unobservable(_nothing_read(files, unread))
        sources = tuple(source.name for source in self.target.logs if not (own_only and source.foreign))
        lines = sum(file.lines for file in files)
        return LogsSearched(sources, tuple(files), tuple(unread), size, lines, tuple(hits), count)

    @look
    def mark(self) -> LogMark:
        """Where every log file ends now; raises Unobservable when there is none."""
        sizes, places = [], []
        at = datetime.now(UTC)
        for source, log, name, _ in self._logs():
            key = f"{source}\n{name}"
            if isinstance(log, RemoteFile):
                sizes.append((key, log.size))
            elif isinstance(log, Journal | ContainerLog):
                places.append((key, log.end()))
            elif log is not None:
                try:
                    sizes.append((key, log.stat().st_size))
                except (
                    OSError
                ):  # It was rotated away in this instant: then it counts as new, and is read from its start.
                    continue
        if not sizes and not places:
            raise Unobservable("there is no log file at the declared places")
        return LogMark(at, tuple(sizes), tuple(places))

    @look
    def contains(self, text: str, *, kind: str = "", since: LogMark | datetime | None = None) -> LogEvidence:
        """How often the logs say `text` (letter case apart), in security logs only if `kind` is "security".

        With a mark only what was written after it counts; with a time only lines that carry a later one. Raises Unobservable when nothing could
        be read, also when one of the files could not be.
        """
        if kind not in {"", "security"}:
            raise ValueError(f"there is no kind of log called {kind!r}")
        searcher = Searcher([self.session.redactor.reveal(text)], spellings=False) if len(text) >= 8 else None
        needle = self.session.redactor.reveal(text).encode().lower()
        start = since if isinstance(since, datetime) else None
        count = files = size = 0
        uncovered = ""
        first: tuple[str, str, int] = ("", "", 0)
        deadline = time.monotonic() + SEARCH_SECONDS
        for source, log, name, reason in self._logs(security_only=kind == "security"):
            if log is None:
                raise Unobservable(f"log {source}: {reason}")
            after = _place(log, since, f"{source}\n{name}")
            if after and not isinstance(log, Journal | ContainerLog) and _packed(log):
                continue
            with _read(log, deadline, after) as (stream, _):
                # Journals and engines give only what came since then.
                from_time = None if isinstance(log, Journal | ContainerLog) else start
                if from_time is not None or searcher is None:
                    times, read, line = _lines_since(stream, needle, from_time, deadline, name)
                else:
                    searched = searcher.stream(chunks_of(stream, deadline, limit=UNPACKED_LIMIT))
                    times, read, line = searched.count, searched.bytes, searched.found[0].line if searched.found else 0
            if isinstance(log, Journal | ContainerLog) and not times:
                uncovered = uncovered or _uncovered(log, after, source)
            if times and not count:
                first = (source, name, line)
            count, files, size = count + times, files + 1, size + read
        if not count and uncovered:
            raise Unobservable(uncovered)
        if not files:
            raise Unobservable(
                "the target declares no security log" if kind else "there is no log file at the declared places"
            )
        return LogEvidence(count, *first, files, size)

    @look
    def lines_since(self, mark: LogMark) -> int:
        """How many lines the logs hold beyond what they held at that mark; compressed files do not count."""
        lines = 0
        deadline = time.monotonic() + SEARCH_SECONDS
        for source, log, name, _ in self._logs():
            if log is None or (isinstance(log, Path | RemoteFile) and _packed(log)):
                continue
            with _read(log, deadline, _place(log, mark, f"{source}\n{name}")) as (stream, _):
                lines += sum(chunk.count(b"\n") for chunk in chunks_of(stream, deadline, limit=UNPACKED_LIMIT))
        return lines

    def _searcher(self, needles: tuple[str, ...]) -> Searcher:
        try:
            return Searcher([self.session.redactor.value(placeholder) for placeholder in needles])
        except KeyError as error:
            raise Unobservable("a secret to search for is not known to this run") from error
        except ValueError as error:
            raise Unobservable(f"the logs cannot be searched: {error}") from error

    def _logs(
        self, *, security_only: bool = False, own_only: bool = False
    ) -> Iterator[tuple[str, Log | None, str, str]]:
        """Each log of each source as (source, log, name, ""), or (source, None, name, reason) where there is none to read."""
        number = 0
        for source in self.target.logs:
            if (security_only and not source.security) or (own_only and source.foreign):
                continue
            if source.path is None or source.connection is not None:
                yield from self._elsewhere(source)
                continue
            base, pattern = self._base(source.path)
            try:
                paths = sorted({path for one in _with_rotated(pattern) for path in base.glob(one)})
            except (OSError, ValueError, NotImplementedError) as error:
                yield source.name, None, "", f"its path cannot be listed: {type(error).__name__}"
                continue
            files = 0
            for path in paths:
                name = str(path.relative_to(base))
                try:
                    kind = path.stat().st_mode
                except OSError as error:
                    yield source.name, None, name, _plain(error)
                    continue
                if stat.S_ISDIR(kind):
                    continue
                files += 1
                number += 1
                if not stat.S_ISREG(kind):
                    yield source.name, None, name, "it is no regular file"
                elif path.suffix.lower() in _UNREADABLE:
                    yield source.name, None, name, f"it is compressed in a way that cannot be read here ({path.suffix})"
                elif number > FILES_LIMIT:
                    yield source.name, None, name, f"there are more than {FILES_LIMIT} log files"
                else:
                    yield source.name, path, name, ""
            if not files:
                yield source.name, None, "", f"no file at {source.path}"

    def _elsewhere(self, source: LogSource) -> Iterator[tuple[str, Log | None, str, str]]:
        """The logs of a source that is read by commands."""
        scope, pace = self.session.scope, self.session.pace
        place = source_of(source, scope, self.target.check_seconds, lambda: pace(MACHINE))
        if not isinstance(place, Reach):
            yield source.name, place, place.name, ""
            return
        path = source.path or ""
        folder, _, last = path.rpartition("/")
        files = 0
        try:
            for found, size in remote_files(
                place, tuple(f"{folder}/{one}" for one in _with_rotated(last)), FILES_LIMIT
            ):
                files += 1
                suffix = Path(found).suffix.lower()
                if size is None:
                    yield source.name, None, found, "it is no regular file"
                elif suffix in _UNREADABLE:
                    yield source.name, None, found, f"it is compressed in a way that cannot be read here ({suffix})"
                else:
                    yield source.name, RemoteFile(place, found, size), found, ""
        except Unobservable as unobservable:
            yield source.name, None, "", unobservable.reason
            return
        if not files:
            yield source.name, None, "", f"no file at {path} through {source.connection}"

    def _base(self, path: str) -> tuple[Path, str]:
        """The folder in which the pattern starts and the pattern from there on."""
        whole = (self.session.target_folder / path).absolute()
        fixed = next((i for i, part in enumerate(whole.parts) if re.search(r"[*?\[]", part)), len(whole.parts) - 1)
        return Path(*whole.parts[:fixed]), str(Path(*whole.parts[fixed:]))

    def _hit(self, source: str, name: str, found: Found, needles: tuple[str, ...]) -> Hit:
        placeholder = needles[found.needle]
        excerpt = f"{self._masked(found.before)}{placeholder}{self._masked(found.after)}"
        return Hit(placeholder, source, name, found.line, found.encoding, excerpt)

    @staticmethod
    def _masked(text: bytes) -> str:
        """Text around a hit. What may be a piece of another secret is masked: cut off or oddly spelt, no redactor would know it."""
        shown = "".join(c if c.isprintable() else " " for c in text.decode("utf-8", "replace"))
        return _RUN.sub("…", shown)


def _with_rotated(pattern: str) -> Iterator[str]:
    """The pattern and those of its rotated files: `app.log.1`, `app.log-20261123.gz`, `app-20261123.log`, `app.1.log`."""
    yield pattern
    yield f"{pattern}.*"
    yield f"{pattern}-*"
    path = Path(pattern)
    if path.suffix and path.stem:
        yield str(path.with_name(f"{path.stem}-*{path.suffix}*"))
        yield str(path.with_name(f"{path.stem}.*{path.suffix}*"))


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
        raise Unobservable(_plain(error)) from error


@contextmanager
def _read(log: Log, deadline: float, after: int | str | datetime | None = None) -> Iterator[tuple[IO[bytes], bool]]:
    """The log as a stream from a place on, and whether it was compressed; raises Unobservable when it cannot be read to its end."""
    if isinstance(log, Journal | ContainerLog):
        with log.opened(None if isinstance(after, int) else after, left(deadline)) as stream:
            yield stream, False
        return
    skipped = after if isinstance(after, int) else 0
    if isinstance(log, Path):
        with opened(log) as (stream, packed):
            if skipped and not packed and os.fstat(stream.fileno()).st_size >= skipped:
                stream.seek(skipped)
            yield stream, packed
        return
    opener = _OPENERS.get(Path(log.path).suffix.lower())
    try:
        with log.opened(skipped if not opener and log.size >= skipped else 0, left(deadline)) as raw:
            if opener is None:
                yield raw, False
            else:
                with cast("IO[bytes]", opener(raw, "rb")) as stream:
                    yield stream, True
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise Unobservable(_plain(error)) from error


def _packed(log: Path | RemoteFile) -> bool:
    return Path(log.path if isinstance(log, RemoteFile) else log).suffix.lower() in _OPENERS


def _place(log: Log, since: LogMark | datetime | None, key: str) -> int | str | datetime | None:
    """From where on the log is to be read: 0 or empty is its start."""
    if isinstance(log, Journal | ContainerLog):
        return dict(since.places).get(key, "") if isinstance(since, LogMark) else since
    return dict(since.sizes).get(key, 0) if isinstance(since, LogMark) else 0


def _uncovered(log: Journal | ContainerLog, after: int | str | datetime | None, source: str) -> str:
    """Why finding nothing since then says nothing: what was written then may not be kept any more."""
    wanted = after if isinstance(after, datetime) else log.time_of(after) if isinstance(after, str) and after else None
    if wanted is None:
        return ""
    begins = log.begins()
    if begins is None:
        return f"log {source}: it holds nothing, so that from when on it is kept is not known"
    if begins > wanted:
        return f"log {source}: it is available from {begins.isoformat(timespec='seconds')} on only"
    return ""


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


def _lines_since(
    stream: IO[bytes], needle: bytes, since: datetime | None, deadline: float, name: str
) -> tuple[int, int, int]:
    """How many lines since then hold `needle`, the bytes read, and the first such line. Lines without a time are of the one before."""
    count = size = first = 0
    number, carried = 1, b""
    current: datetime | None = None
    for piece in iter(lambda: stream.readline(CHUNK), b""):
        size += len(piece)
        # A line that is longer than a piece goes on in the next one, and so may the needle.
        line, ended = carried + piece, piece.endswith(b"\n")
        if since is not None and not carried:
            current = _time_of(line) or current
        if needle in line.lower() and (since is None or (current is not None and current >= since)):
            count, first, line = count + 1, first or number, b" "
        carried = b"" if ended else line[-len(needle) :]
        number += ended
        if time.monotonic() > deadline:
            raise TimedOut(f"log {name}: it was not read within {SEARCH_SECONDS:.0f} s")
    if since is not None and size and current is None:
        raise Unobservable(f"log {name}: its lines carry no time that can be read")
    return count, size, first


def _time_of(line: bytes) -> datetime | None:
    match = _TIME.search(line[:300])
    if match is None:
        return None
    day, clock, fraction, zone, common = (one.decode() if one else "" for one in match.groups())
    try:
        if common:
            return datetime.strptime(common, "%d/%b/%Y:%H:%M:%S %z")
        moment = datetime.fromisoformat(f"{day}T{clock}")
        # Without a zone it is this machine's time: the files lie on it.
        moment = moment.replace(tzinfo=UTC if zone == "Z" else _zone(zone)) if zone else moment.astimezone()
    except ValueError:
        return None
    return moment + timedelta(microseconds=int(fraction[:6].ljust(6, "0")) if fraction else 0)


def _zone(text: str) -> timezone:
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _plain(error: Exception) -> str:
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return f"it cannot be read: {detail}"


def _nothing_read(files: list[LogFile], unread: list[UnreadLog]) -> str:
    if files:
        return "every log file is empty"
    return "; ".join(dict.fromkeys(f"log {one.source}: {one.reason}" for one in unread[:3])) or "there is no log file"
