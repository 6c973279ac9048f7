"""What looks at logs come back with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
class LogSpan:
    """From when until when the files of a source that were read to their end have entries, and how many lines of each day.

    `first` and `last` are what the first and the last dated line of a file say, in their own offset; None where it is not known.
    Days are those that the log writes, the newest 400; `earlier` counts the dated lines before, and `unread` those in which no time
    was read: they have none, or the times stand at too many different places to read them all.
    """

    source: str
    first: datetime | None
    last: datetime | None
    days: tuple[tuple[str, int], ...]
    earlier: int
    unread: int


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
    spans: tuple[LogSpan, ...] = ()
    """Of each source of which a file was read to its end and holds something."""


@dataclass(frozen=True, slots=True)
class LogMark:
    """Where every log ended at an instant. Logs go by their source and their name in it, with a line break between."""

    at: datetime
    sizes: tuple[tuple[str, int], ...]
    """How large files were."""
    identities: tuple[tuple[str, str], ...] = ()
    """Which files they were, and a digest of how they began; the one of each log that was written to last comes with a star."""
    places: tuple[tuple[str, str], ...] = ()
    """Where other logs ended, in the words of whoever keeps them; a question mark and why, where nobody could say so."""


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
