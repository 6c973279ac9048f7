"""The terms on which a fleet is driven, and what an attempt is while it is under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upheld.fleet.admitting import Admission
from upheld.fleet.jobs import LEASE_SECONDS, TIME_LIMIT
from upheld.fleet.members import Member


@dataclass(frozen=True, slots=True)
class Terms:
    """How a fleet is driven; times are in seconds."""

    processes: int = 0
    """Worker processes of one audit; 0 runs its checks one after the other."""
    time_limit: float = TIME_LIMIT
    lease: float = LEASE_SECONDS
    margin: float = 5.0
    """Added to the lease before anybody else gets what a lost attempt had."""
    attempts: int = 3
    """At one target, where workers are lost."""
    patience_first: float = 60.0
    """How long the first worker is waited for."""
    patience: float = 300.0
    """For how long a run goes on without any worker."""

    @property
    def quarantine(self) -> float:
        """For how long a lost attempt may still send something."""
        return self.lease + self.margin

    @property
    def longest(self) -> float:
        """After how long nothing can be under way any more, whatever became of it."""
        return self.time_limit + 2 * self.lease + self.margin


@dataclass(frozen=True, slots=True)
class Under:
    """An attempt that is under way: bound to a worker, with a ticket and its share of each host that has a limit."""

    member: Member
    number: int
    ticket: str
    worker: str
    future: Any
    admission: Admission
    digest: str
    started: datetime
    since: float


class Over(Exception):
    """The run cannot go on: why, and whether that is a fault; `reached` where the workers can still be told."""

    def __init__(self, reason: str, *, fault: bool, reached: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.fault, self.reached = reason, fault, reached
