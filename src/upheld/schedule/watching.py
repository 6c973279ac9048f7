"""`upheld watch`: a run in every slot, and of every slot without one an entry in the ledger that says so.

Whatever happens to the process, the ledger says where it stood: it is asked at the start which slot was the last.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from upheld.ledger import Ledger, LedgerFault
from upheld.ledger.times import moment
from upheld.model import timestamp
from upheld.schedule.slots import Slots

SLOT, MISSED = "slot", "missed"
ABSENT = "upheld watch was not running"
OVERLAPPED = "the run before it was still under way"
_LONGEST_WAIT = 30.0
"""Seconds after which the clock is looked at again, for it may have been set, or the machine may have slept."""


class Clock(Protocol):
    """What time it is, and waiting."""

    def now(self) -> datetime:
        """This moment, in UTC."""

    def wait(self, seconds: float) -> bool:
        """Wait so long; True, and at once, where a stop was asked for."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its id where one is known, and the exit code."""

    run: str
    code: int


class Watch:
    """One watch: whoever has the same name carries on where it stopped."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        slots: Slots,
        clock: Clock,
        carry_out: Callable[[], Ended],
        say: Callable[[str], None],
    ) -> None:
        self.name = name
        self._ledger = ledger
        self._slots = slots
        self._clock = clock
        self._carry_out = carry_out
        self._say = say
        self._last: datetime | None = None
        self._series = ""

    def loop(self) -> None:
        """Carry out every slot until a stop is asked for; the slot of now is carried out at once where nothing says that it was."""
        self._last = self._last_slot()
        while True:
            now = self._clock.now()
            slot = self._slots.of(now)
            if self._last is not None and slot <= self._last:
                slot = self._last + self._slots.every
            elif self._last is not None:
                self._note_missed(self._last, slot, ABSENT)
            if not self._wait_until(self._slots.due(slot)):
                return
            self._run(slot)
            behind = self._slots.of(self._clock.now())
            if behind > slot + self._slots.every:
                self._note_missed(slot, behind, OVERLAPPED)
                self._last = behind - self._slots.every
            if self._clock.wait(0):
                return

    def once(self) -> Ended:
        """Carry out one run now, for whoever keeps the time; what was missed since the last one is noted before."""
        slot = self._slots.of(self._clock.now())
        last = self._last_slot()
        if last is not None and slot > last:
            self._note_missed(last, slot, ABSENT)
        return self._run(slot)

    def overlapped(self) -> None:
        """Note that a run was due and the one before it was still under way."""
        now = timestamp(self._clock.now())
        self._note(MISSED, {"first": now, "last": now, "count": 1, "reason": OVERLAPPED})

    def _run(self, slot: datetime) -> Ended:
        ended = self._carry_out()
        self._last = slot
        self._note(SLOT, {"slot": timestamp(slot), "run": ended.run, "code": ended.code})
        return ended

    def _wait_until(self, due: datetime) -> bool:
        """Whether that moment has come; False where a stop was asked for before."""
        while (left := (due - self._clock.now()).total_seconds()) > 0:
            if self._clock.wait(min(left, _LONGEST_WAIT)):
                return False
        return not self._clock.wait(0)

    def _note_missed(self, last: datetime, now: datetime, reason: str) -> None:
        found = self._slots.between(last, now)
        if found is not None:
            first, end, count = found
            self._note(MISSED, {"first": timestamp(first), "last": timestamp(end), "count": count, "reason": reason})
            self._say(
                f"{count} run{'s' if count != 1 else ''} missed, from {timestamp(first)} to {timestamp(end)}: {reason}"
            )

    def _note(self, kind: str, body: dict[str, object]) -> None:
        try:
            known = {row.run: row.series for row in self._ledger.runs()} if kind == SLOT else {}
            self._series = known.get(str(body.get("run")), self._series)
            self._ledger.note(kind, {"watch": self.name, **body}, series=self._series)
        except LedgerFault as error:
            self._say(f"{error}; this is not noted: {kind} {body}")

    def _last_slot(self) -> datetime | None:
        """The last slot that the ledger knows of this watch, carried out or missed."""
        last = None
        for entry, body in self._ledger.notes(SLOT, MISSED):
            said = json.loads(body)
            if said.get("watch") == self.name:
                at = self._slots.of(moment(said["slot"] if entry.kind == SLOT else said["last"]))
                last = max(last, at) if last else at
                self._series = entry.series or self._series
        return last


def missed(ledger: Ledger, series: str) -> Iterator[tuple[str, str, int, str]]:
    """The runs of a series that were due and not carried out: first and last slot, how many, and why."""
    for entry, body in ledger.notes(MISSED):
        said = json.loads(body)
        if entry.series in {series, ""}:
            yield said["first"], said["last"], said["count"], said["reason"]


class Lock:
    """A lock of one name on this machine. The kernel lets go of it once whoever holds it, and every child that got it, is dead."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.descriptor = -1
        """What a child inherits, so that it holds the lock too; -1 where it is not held."""

    def take(self) -> bool:
        """Take the lock; False where somebody else holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self.descriptor = descriptor
        return True

    def leave(self) -> None:
        """Let go of it; a child that inherited it holds it until it ends."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Whether it could be taken, for the block."""
        try:
            yield self.take()
        finally:
            self.leave()
