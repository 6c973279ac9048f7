"""The journal of a systemd unit, as journalctl prints it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, cast

from upheld.errors import Unobservable
from upheld.probes.log_commands import Lines, streamed
from upheld.probes.log_places import Reach

if TYPE_CHECKING:
    from upheld.target.logs import Journald

LONGEST_ENTRY = 16 << 20
"""Bytes of one entry of a journal, as JSON."""
_INCOMPLETE = re.compile(
    r"(?i)insufficient permissions|not seeing messages|no journal files|ignoring file|corrupt|failed to|cannot "
)
"""What journalctl says when it ends well and yet did not read everything."""
_DROPPED = "a596d6fe7bfa4994828e72309e95d61e"
"""The identifier of journald's own message that it left some out, as a unit wrote too many (sd-messages.h, SD_MESSAGE_JOURNAL_DROPPED)."""


class Journal:
    """The journal of one unit."""

    def __init__(self, reach: Reach, described: Journald) -> None:
        """Reads nothing yet."""
        self._reach = reach
        self._described = described
        self.name = f"journal of {described.unit}"
        self.gaps: list[str] = []

    def end(self) -> str:
        """Where it ends now, as journald's cursor; empty where it has no entry."""
        return self._edge("--lines=1", "__CURSOR")

    def kept_from(self) -> datetime | None:
        """The time of the oldest entry that is kept; None where there is none."""
        stamp = self._edge("", "__REALTIME_TIMESTAMP")
        return datetime.fromtimestamp(int(stamp) / 1e6, UTC) if stamp.isdigit() else None

    def time_of(self, place: str) -> datetime | None:
        """The time of the entry at which a cursor points."""
        match = re.search(r"(?:^|;)t=([0-9a-f]{1,16})(?:;|$)", place)
        return datetime.fromtimestamp(int(match[1], 16) / 1e6, UTC) if match else None

    def lost(self, place: str) -> str:  # noqa: ARG002  (journals are not begun anew)
        """What is lost of a journal shows in its oldest entry only."""
        return ""

    @contextmanager
    def opened(self, after: str | datetime | None, seconds: float) -> Iterator[IO[bytes]]:
        """Its entries, each as one line of all its fields, since that place or time."""
        since = ""
        if isinstance(after, datetime):
            since = f"--since=@{after.timestamp():.6f}"
        elif after:
            # Where that entry is gone, --after-cursor of older versions leaves out the next one.
            since = f"--cursor={after}"
        with streamed(self._command(since), seconds, incomplete=_INCOMPLETE) as stream:
            yield cast("IO[bytes]", Lines(self._lines(stream, after)))

    def _edge(self, which: str, field: str) -> str:
        with streamed(self._command(which), self._reach.seconds, incomplete=_INCOMPLETE) as stream:
            line = stream.readline(LONGEST_ENTRY)
            if line and which:  # The last entry is all there is: read on, so that it is heard how the program ended.
                stream.read(1)
        return str(_entry(line).get(field, "")) if line else ""

    def _command(self, *more: str) -> str | list[str]:
        folder = [f"--directory={self._described.directory}"] if self._described.directory else []
        # Without --all, long fields are left out.
        return self._reach.command(
            *("journalctl", "--output=json", "--all", "--no-pager", *folder, f"--unit={self._described.unit}"),
            *(one for one in more if one),
        )

    def _lines(self, stream: IO[bytes], passed: str | datetime | None) -> Iterator[bytes]:
        while line := stream.readline(LONGEST_ENTRY):
            if len(line) >= LONGEST_ENTRY:
                raise Unobservable(f"an entry of the journal is larger than {LONGEST_ENTRY >> 20} MiB")
            entry = _entry(line)
            if passed and entry.get("__CURSOR") == passed:
                continue
            try:
                at = datetime.fromtimestamp(int(str(entry.get("__REALTIME_TIMESTAMP"))) / 1e6, UTC).isoformat()
            except (ValueError, OverflowError, OSError):
                raise Unobservable("an entry of the journal carries no time") from None
            if entry.get("MESSAGE_ID") == _DROPPED:
                count = str(entry.get("N_DROPPED", "some"))
                self.gaps.append(f"journald left out {count if count.isdigit() else 'some'} messages of it at {at}")
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
