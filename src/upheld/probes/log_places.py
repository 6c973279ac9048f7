"""The kinds of log that are read by commands: files of another host, a unit's journal, a container's output.

Each can say where it ends now and be read from there on. Times are those of whoever keeps the log, so that clocks that differ
do no harm.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, cast

from upheld.errors import TimedOut, Unobservable
from upheld.probes.host_connection import Connection
from upheld.probes.log_commands import output_of, streamed

if TYPE_CHECKING:
    from upheld.probes.scope import Scope
    from upheld.target.logs import Container, Journald, LogSource

LONGEST_ENTRY = 16 << 20
"""Bytes of one entry of a journal, as JSON."""
_LISTING = 4 << 20
_INCOMPLETE = re.compile(
    r"(?i)insufficient permissions|not seeing messages|no journal files|ignoring file|corrupt|failed to|cannot "
)
"""What journalctl says when it ends well and yet did not read everything."""
_DENIED = 77


class Reach:
    """How the commands of one source are run: here without a shell, or through its connection."""

    def __init__(self, source: LogSource, scope: Scope, seconds: float, pace: Callable[[], None]) -> None:
        """Connects to nothing yet; before each command `pace` is asked."""
        self._source = source
        self._scope = scope
        self.seconds = seconds
        self._pace = pace
        self._connection: Connection | None = None

    def command(self, *arguments: str, line: str = "") -> str | list[str]:
        """What runs a program with these arguments (each of them quoted) or a line of the host's shell."""
        self._pace()
        if self._source.connection is None:
            return list(arguments)
        if self._connection is None:
            try:
                self._connection = Connection(self._source, self._scope, self.seconds)
            except ImportError:
                raise Unobservable("logs of a host need pytest-testinfra: pip install 'upheld[host]'") from None
            except (OSError, RuntimeError, ValueError) as error:
                raise Unobservable(
                    f"no connection {self._source.connection}: {str(error) or type(error).__name__}"
                ) from error
        return self._connection.line(line or shlex.join(arguments))


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the host that the source's connection leads to."""

    reach: Reach
    path: str
    size: int

    @contextmanager
    def opened(self, skipped: int, seconds: float) -> Iterator[IO[bytes]]:
        """Its bytes, from number `skipped` on."""
        line = shlex.join(["tail", "-c", f"+{skipped + 1}", "--", self.path] if skipped else ["cat", "--", self.path])
        with streamed(self.reach.command(line=line), seconds) as stream:
            yield stream


def remote_files(reach: Reach, patterns: tuple[str, ...], limit: int) -> Iterator[tuple[str, int | None]]:
    """The files of a host that one of the patterns meets, by path and size; a size of None for what is no regular file.

    Raises Unobservable when the folder cannot be listed, or `Unobservable` for more than `limit` files.
    """
    folder = _fixed(patterns[0])
    quoted = shlex.quote(folder)
    # An unset pattern stays as it is written, and is then no file.
    globs = " ".join(_glob(one) for one in patterns)
    line = (
        f"if [ -d {quoted} ] && {{ [ ! -r {quoted} ] || [ ! -x {quoted} ]; }}; then exit {_DENIED}; fi; n=0; "
        f'for f in {globs}; do if [ -d "$f" ]; then continue; fi; if [ -f "$f" ]; then '
        'k=$(stat -L -c %s -- "$f") || exit 1; elif [ -e "$f" ] || [ -L "$f" ]; then k=no; else continue; fi; '
        f'printf "%s\\0%s\\0" "$k" "$f"; n=$((n+1)); if [ $n -gt {limit} ]; then break; fi; done'
    )
    try:
        text = output_of(reach.command(line=f"sh -c {shlex.quote(line)}"), reach.seconds, limit=_LISTING)
    except Unobservable as unobservable:
        if str(_DENIED) in unobservable.reason:
            raise Unobservable(f"permission denied for {folder}") from None
        raise
    fields = text.decode("utf-8", "surrogateescape").split("\0")[:-1]
    found = dict(zip(fields[1::2], fields[::2], strict=True))
    if len(found) > limit:
        raise Unobservable(f"there are more than {limit} files")
    for path, size in sorted(found.items()):
        yield path, int(size) if size.isdigit() else None


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of one unit."""

    reach: Reach
    described: Journald

    @property
    def name(self) -> str:
        """What it is called in findings."""
        return f"journal of {self.described.unit}"

    def end(self) -> str:
        """Where it ends now, as journald's cursor; empty where it has no entry."""
        return self._edge("--lines=1", "__CURSOR")

    def begins(self) -> datetime | None:
        """The time of the oldest entry that is kept."""
        stamp = self._edge("", "__REALTIME_TIMESTAMP")
        return datetime.fromtimestamp(int(stamp) / 1e6, UTC) if stamp.isdigit() else None

    def time_of(self, place: str) -> datetime | None:
        """The time of the entry at which a cursor points."""
        match = re.search(r"(?:^|;)t=([0-9a-f]{1,16})(?:;|$)", place)
        return datetime.fromtimestamp(int(match[1], 16) / 1e6, UTC) if match else None

    @contextmanager
    def opened(self, after: str | datetime | None, seconds: float) -> Iterator[IO[bytes]]:
        """Its entries, each as one line of all its fields, since that place or time."""
        since = ""
        if isinstance(after, datetime):
            since = f"--since=@{after.timestamp():.6f}"
        elif after:
            since = f"--after-cursor={after}"
        with streamed(self._command(since), seconds, incomplete=_INCOMPLETE) as stream:
            yield cast("IO[bytes]", Lines(_entries(stream)))

    def _edge(self, which: str, field: str) -> str:
        with streamed(self._command(which), self.reach.seconds, incomplete=_INCOMPLETE) as stream:
            line = stream.readline(LONGEST_ENTRY)
            if line and which:  # The last entry is all there is: read on, so that it is heard how the program ended.
                stream.read(1)
        return str(_entry(line).get(field, "")) if line else ""

    def _command(self, *more: str) -> str | list[str]:
        folder = [f"--directory={self.described.directory}"] if self.described.directory else []
        # Without --all, long fields are left out.
        return self.reach.command(
            *("journalctl", "--output=json", "--all", "--no-pager", *folder, f"--unit={self.described.unit}"),
            *(one for one in more if one),
        )


@dataclass(frozen=True, slots=True)
class ContainerLog:
    """What a container wrote to its standard output and error."""

    reach: Reach
    described: Container
    local: bool

    @property
    def name(self) -> str:
        """What it is called in findings."""
        return f"output of {self.described.container}"

    def end(self) -> str:
        """The time of the last line, as the engine has it; empty where there is none."""
        text = output_of(self._command("--timestamps", "--tail=1"), self.reach.seconds, limit=LONGEST_ENTRY, both=True)
        return _stamp(text.splitlines()[-1] if text.strip() else b"")

    def begins(self) -> datetime | None:
        """The time of the oldest line that is kept."""
        with streamed(self._command("--timestamps"), self.reach.seconds, both=True) as stream:
            line = stream.readline(1 << 16)
            if not _stamp(line):
                while stream.read(1 << 16):  # It is no log, but what the program has to say: hear how it ends.
                    pass
        return self.time_of(_stamp(line))

    def time_of(self, place: str) -> datetime | None:
        """The time of a line."""
        return _moment(place) if place else None

    @contextmanager
    def opened(self, after: str | datetime | None, seconds: float) -> Iterator[IO[bytes]]:
        """What it wrote since. No times are asked for: in a very long line they would stand in the middle of its words."""
        since = ""
        if isinstance(after, datetime):
            since = f"--since={after.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        elif after:
            since = f"--since={_next(after)}"
        with streamed(self._command(*([since] if since else [])), seconds, both=True) as stream:
            yield stream

    def _command(self, *more: str) -> str | list[str]:
        program = ["podman"] if self.described.podman else ["docker"]
        # On this machine the variables are taken away already.
        away = ["env", *(f"--unset={name}" for name in ("DOCKER_HOST", "CONTAINER_HOST", "CONTAINER_CONNECTION"))]
        away = [] if self.local else [*away, "DOCKER_CONTEXT=default"]
        return self.reach.command(*away, *program, "logs", *more, self.described.container)


class Lines:
    """Lines as a stream that can be read in pieces or line by line."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        """Reads nothing yet."""
        self._lines = lines
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes, nothing at the end."""
        pieces, length = [self._rest], len(self._rest)
        self._rest = b""
        while (size < 0 or length < size) and (line := next(self._lines, b"")):
            pieces.append(line)
            length += len(line)
        return b"".join(pieces)

    def readline(self, size: int = -1) -> bytes:
        """One line, or the first `size` bytes of what is left of it."""
        line = self._rest or next(self._lines, b"")
        self._rest = line[size:] if 0 <= size < len(line) else b""
        return line[:size] if size >= 0 else line


def source_of(
    source: LogSource, scope: Scope, seconds: float, pace: Callable[[], None]
) -> Reach | Journal | ContainerLog:
    """What the source is read by; its files are still to be listed."""
    reach = Reach(source, scope, seconds, pace)
    if source.journald is not None:
        return Journal(reach, source.journald)
    if source.docker is not None:
        return ContainerLog(reach, source.docker, source.connection is None)
    return reach


def _entries(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(LONGEST_ENTRY):
        if len(line) >= LONGEST_ENTRY:
            raise Unobservable(f"an entry of the journal is larger than {LONGEST_ENTRY >> 20} MiB")
        entry = _entry(line)
        try:
            at = datetime.fromtimestamp(int(str(entry.get("__REALTIME_TIMESTAMP"))) / 1e6, UTC).isoformat()
        except (ValueError, OverflowError, OSError):
            raise Unobservable("an entry of the journal carries no time") from None
        words = [_bytes(entry.get("MESSAGE"))]
        words += [
            key.encode() + b"=" + _bytes(one)
            for key, value in entry.items()
            if key != "MESSAGE" and not key.startswith("__")
            for one in (value if isinstance(value, list) and value and not isinstance(value[0], int) else [value])
        ]
        yield at.encode() + b" " + b" ".join(words).replace(b"\n", b" ") + b"\n"


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise Unobservable("what journalctl printed is no JSON of entries")
    return entry


def _bytes(value: object) -> bytes:
    """A field as it was written: what is no printable text is a list of numbers in JSON (journal-export of systemd)."""
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value)
    return b"" if value is None else str(value).encode("utf-8", "surrogatepass")


def _fixed(pattern: str) -> str:
    """The folder in which a pattern starts."""
    parts = pattern.split("/")[:-1]
    for number, part in enumerate(parts):
        if re.search(r"[*?\[]", part):
            parts = parts[:number]
            break
    return "/".join(parts) or "/"


def _glob(pattern: str) -> str:
    """The pattern for a shell: wildcards stay, whatever else it would act on is quoted."""
    return "".join(one if re.fullmatch(r"[*?\[\]]+", one) else shlex.quote(one) for one in _parts(pattern))


def _parts(pattern: str) -> list[str]:
    return [one for one in re.split(r"([*?\[\]]+)", pattern) if one]


def _stamp(line: bytes) -> str:
    match = re.match(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))[ \n]", line + b"\n")
    return match[1].decode() if match else ""


def _moment(stamp: str) -> datetime:
    shorter = re.sub(r"(\.\d{6})\d+", r"\1", stamp)
    return datetime.fromisoformat(shorter).astimezone(UTC)


def _next(stamp: str) -> str:
    """The stamp one nanosecond later: what is asked for since then leaves out the line that bears the stamp."""
    whole = _moment(stamp).replace(microsecond=0)
    fraction = re.search(r"\.(\d+)", stamp)
    nanoseconds = int(fraction[1].ljust(9, "0")) + 1 if fraction else 1
    whole += timedelta(seconds=nanoseconds // 10**9)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z"


def left(deadline: float) -> float:
    """Seconds until the deadline (monotonic); raises TimedOut when it is over."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimedOut("there was no time left to read it")
    return seconds
