"""How logs are reached that are read by commands, and the files of another host.

Times are those of whoever keeps the log, so that clocks that differ do little harm.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Protocol

from upheld.errors import TimedOut, Unobservable
from upheld.probes.host_connection import Connection, cluster_flags
from upheld.probes.log_commands import output_of, streamed

if TYPE_CHECKING:
    from upheld.probes.scope import Scope
    from upheld.target.logs import LogSource

_LISTING = 4 << 20
_DENIED = 77
"""The exit code by which the line that lists files says that it may not: a number that sysexits.h has for that."""
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) ")


class KeptLog(Protocol):
    """A log that is no file: somebody keeps it, who can say where it ends, from when on it is whole, and what is lost of it."""

    name: str
    """What it is called in findings."""
    gaps: list[str]
    """Why what was read of it is not all that was written, so far as reading it has shown."""

    def end(self) -> str:
        """Where it ends now, in the words of whoever keeps it."""

    def opened(self, after: str | datetime | None, seconds: float) -> AbstractContextManager[IO[bytes]]:
        """What was written since that place or time, or all that is kept."""

    def kept_from(self) -> datetime | None:
        """From when on nothing is missing; None where nothing is kept."""

    def time_of(self, place: str) -> datetime | None:
        """When what stands last before the place was written; None where nothing does."""

    def lost(self, place: str) -> str:
        """Why something that was written after the place is not kept any more; empty where nothing says so."""


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

    def cluster(self, named: Mapping[str, str]) -> list[str]:
        """The flags that hold kubectl to the declared cluster; `named` are those that choose its configuration."""
        try:
            return cluster_flags(self._source, self._scope, self.seconds, named)
        except OSError as error:
            raise Unobservable(f"kubectl cannot be run: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the host that the source's connection leads to; `identity` tells it from others, also when it was renamed."""

    reach: Reach
    path: str
    size: int
    identity: str
    modified: float

    @contextmanager
    def opened(self, skipped: int, seconds: float) -> Iterator[IO[bytes]]:
        """Its bytes, from number `skipped` on."""
        line = shlex.join(["tail", "-c", f"+{skipped + 1}", "--", self.path] if skipped else ["cat", "--", self.path])
        with streamed(self.reach.command(line=line), seconds) as stream:
            yield stream


def remote_files(reach: Reach, patterns: tuple[str, ...], limit: int) -> Iterator[tuple[str, RemoteFile | None]]:
    """The files of a host that one of the patterns meets, by path; None for what is no regular file.

    Raises Unobservable when the folder cannot be listed, or when there are more than `limit` files.
    """
    folder = _fixed(patterns[0])
    quoted = shlex.quote(folder)
    # An unset pattern stays as it is written, and is then no file.
    globs = " ".join(_glob(one) for one in patterns)
    line = (
        f"if [ -d {quoted} ] && {{ [ ! -r {quoted} ] || [ ! -x {quoted} ]; }}; then exit {_DENIED}; fi; n=0; "
        f'for f in {globs}; do if [ -d "$f" ]; then continue; fi; if [ -f "$f" ]; then '
        'k=$(stat -L -c "%s %d:%i:%W %Y" -- "$f") || exit 1; elif [ -e "$f" ] || [ -L "$f" ]; then k=no; else continue; fi; '
        f'printf "%s\\0%s\\0" "$k" "$f"; n=$((n+1)); if [ $n -gt {limit} ]; then break; fi; done'
    )
    command = reach.command(line=f"sh -c {shlex.quote(line)}")
    denied = {_DENIED: f"permission denied for {folder}"}
    fields = output_of(command, reach.seconds, limit=_LISTING, codes=denied)
    words = fields.decode("utf-8", "surrogateescape").split("\0")[:-1]
    try:
        found = dict(zip(words[1::2], words[::2], strict=True))
    except ValueError:
        raise Unobservable("the list of its files was cut off") from None
    if len(found) > limit:
        raise Unobservable(f"there are more than {limit} files")
    for path, about in sorted(found.items()):
        match = re.fullmatch(r"(\d+) (\S+) (\d+)", about)
        yield path, RemoteFile(reach, path, int(match[1]), match[2], float(match[3])) if match else None


def left(deadline: float) -> float:
    """Seconds until the deadline (monotonic); raises TimedOut when it is over."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimedOut("there was no time left to read it")
    return seconds


# --- times as engines of containers write them ------------------------------------------------------------------------


def stamp_of(line: bytes) -> str:
    """The time at the start of a line, as `--timestamps` has it; empty where there is none."""
    match = _STAMP.match(line.rstrip(b"\r\n") + b" ")
    return match[1].decode() if match else ""


def last_stamp(text: bytes) -> str | None:
    """The time of the last line; empty where there is no line, None where it has none."""
    lines = text.rstrip(b"\r\n").rsplit(b"\n", 1)
    return "" if not lines[-1] else stamp_of(lines[-1]) or None


def moment(stamp: str) -> datetime:
    """The time that a stamp says, to the microsecond."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", stamp)).astimezone(UTC)


def instant(stamp: str) -> tuple[datetime, int]:
    """A stamp to the nanosecond, so that stamps can be compared: the whole second, and the nanoseconds."""
    fraction = re.search(r"\.(\d+)", stamp)
    return moment(stamp).replace(microsecond=0), int(fraction[1].ljust(9, "0")) if fraction else 0


def in_whole_seconds(stamp: str) -> bool:
    """Whether a stamp tells no fraction of its second: what else was written in that second bears the same one."""
    return "." not in stamp


def next_stamp(stamp: str) -> str:
    """The stamp one nanosecond later: what is asked for since then leaves out the line that bears the stamp.

    Of one in whole seconds it is the next second, so that it leaves out all that was written in that one.
    """
    whole, nanoseconds = instant(stamp)
    if in_whole_seconds(stamp):
        return f"{whole + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}.000000000Z"
    whole += timedelta(seconds=(nanoseconds + 1) // 10**9)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{(nanoseconds + 1) % 10**9:09d}Z"


# --- patterns ---------------------------------------------------------------------------------------------------------


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
    parts = [one for one in re.split(r"([*?\[\]]+)", pattern) if one]
    return "".join(one if re.fullmatch(r"[*?\[\]]+", one) else shlex.quote(one) for one in parts)
