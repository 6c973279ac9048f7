"""What was seen of an audit log: entries, sessions of emergency access, its chain, and what became of attempts to change it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log. `at` is in UTC; `done` and `refused` are by the target's description; `details` are JSON."""

    sequence: int
    at: datetime
    actor: str
    action: str
    target: str
    tenant: str
    outcome: str
    done: bool
    refused: bool
    reason: str
    details: str


@dataclass(frozen=True, slots=True)
class EmergencySession:
    """What the log tells of one session of emergency access: when what was done and by whom; None for what was not done."""

    target: str
    ticket: str
    requested_by: str | None
    approved_by: str | None
    requested_at: datetime | None
    approved_at: datetime | None
    started_by: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChainLook:
    """The chain, recomputed: how many entries, how many breaks and the first of them in words, how many anchors."""

    entries: int
    breaks: int
    first_breaks: tuple[str, ...]
    anchors: int


@dataclass(frozen=True, slots=True)
class ChangeAttempt:
    """What came of an attempt to change the log as the application's role, in a transaction that was rolled back.

    `denied` with the database's words, or how many rows it would have changed.
    """

    what: str
    denied: bool
    words: str
    rows: int


@dataclass(frozen=True, slots=True)
class LogControl:
    """That the application's role is let near the log: the rows that the auditing role sees, whether it may read, and append.

    `appends` is None when the target gives no statement for it.
    """

    rows: int
    reads: bool
    appends: bool | None
