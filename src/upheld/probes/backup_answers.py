"""What the looks of the backups probe give."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

SHOWN = 20
"""Names of one kind that a look gives; more are counted."""


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """A base backup or an increment. `finished` is None when neither catalogue nor store tells; `stored` is its size in the store.

    `stored` is None when the store has no such object. `expected` and `plain` are the sizes that the catalogue tells.
    """

    name: str
    kind: str
    finished: datetime | None
    stored: int | None
    expected: int | None
    plain: int | None
    start_segment: str

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Archive:
    """The write-ahead log in the store: how many segments, how many are missing between others, the first of those.

    `needed` names the segments with which base backups begin that are not there.
    """

    segments: int
    first: str
    last: str
    missing: int
    missing_names: tuple[str, ...]
    needed: tuple[str, ...]
    empty: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Archiver:
    """What the database server says of its archive: the last segment that it handed over, when, and what failed last."""

    mode: str
    last_archived: str
    last_archived_at: datetime | None
    failed: int
    last_failed: str


@dataclass(frozen=True, slots=True)
class Group:
    """The objects of one kind that were read: how many, how many bytes, how many went away meanwhile, the lowest entropy.

    `unread` names some that could not be read, with the reason.
    """

    kind: str
    objects: int
    bytes: int
    gone: int
    entropy: float | None
    unread: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Suspect:
    """An object that can be read without a key, or that holds a secret."""

    name: str
    kind: str
    what: tuple[str, ...]

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Excused:
    """A readable object that the target says may be readable, with the reason."""

    name: str
    kind: str
    reason: str

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Contents:
    """What a reading of the store came to. `looked_for` says which secrets were looked for in every object."""

    groups: tuple[Group, ...]
    readable: tuple[Suspect, ...]
    holding: tuple[Suspect, ...]
    excused: tuple[Excused, ...]
    looked_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A row with a made-up word that was written: the word's placeholder, when it was there, the segment that it is in."""

    word: str
    at: datetime
    segment: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore to an instant came to: for each word whether the restored database has it; or how the program failed."""

    at: datetime
    present: tuple[bool, ...]
    failed: bool
    code: int
    said: str
    seconds: float


@dataclass(slots=True)
class Tally:
    """What a group comes to while objects are read."""

    kind: str
    objects: int = 0
    bytes: int = 0
    gone: int = 0
    entropy: float | None = None
    unread: list[tuple[str, str]] = field(default_factory=list)

    def frozen(self) -> Group:
        """The group as a look gives it."""
        return Group(self.kind, self.objects, self.bytes, self.gone, self.entropy, tuple(self.unread[:SHOWN]))
