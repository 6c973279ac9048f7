"""The folder of a fleet's run: one run at a time writes to it, what stood in it is kept, and its account is true from the start."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from upheld.errors import InputError, Mistake
from upheld.fleet import report, state
from upheld.fleet.hosts import limited_as
from upheld.fleet.members import Fleet
from upheld.fleet.state import ACCOUNT, PROGRESS, TARGETS, FleetRun, Journal, MemberRun, Standing
from upheld.model import timestamp
from upheld.reporting.folder import PREVIOUS
from upheld.schedule.watching import Lock

_LOCK = ".lock"
_OURS = (PROGRESS, ACCOUNT, report.PAGE, report.WORDS, report.TABLE, report.DEFECTS, TARGETS)
"""What a fleet's run writes, in the order in which it is put aside: without a journal nothing of it can be resumed."""


class Folder:
    """The folder that one run of a fleet writes to."""

    def __init__(self, out: Path, fleet: Fleet, *, resume: bool) -> None:
        self.out = out
        self._fleet, self._resume = fleet, resume
        self._lock = Lock(out / _LOCK) if out.is_dir() or not out.exists() else None
        self.standing: Standing | None = None
        """What stands of the run that is resumed; None where there is none."""
        self.run = secrets.token_hex(8)
        """The id of the fleet's run, which it keeps when it is resumed."""
        self.started = timestamp(datetime.now(UTC))

    def __enter__(self) -> Self:
        """Take the folder; raises InputError where another run has it, or it is not one that this run can go on in."""
        if self._lock is None:
            raise InputError([Mistake("--out", 0, 0, "is no folder", repr(str(self.out)))])
        if not self._lock.take():
            raise InputError([Mistake("--out", 0, 0, f"another upheld fleet writes to {self.out} now")])
        try:
            self._look()
        except InputError:
            self._lock.leave()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._lock is not None:
            self._lock.leave()

    def _look(self) -> None:
        known = any((self.out / name).exists() for name in (PROGRESS, ACCOUNT))
        if not known and any((self.out / name).exists() for name in _OURS):
            expected = "an empty folder, or that of a fleet's run"
            raise InputError([Mistake("--out", 0, 0, f"{self.out} holds something else", expected=expected)])
        if not self._resume:
            return
        found = state.standing(self.out)
        if found is None:
            return
        if (found.fleet, found.digest) != (self._fleet.name, self._fleet.digest):
            message = f"the fleet's run in {self.out} began with another description than {self._fleet.file} is now"
            expected = "the same one, or a new run without --resume"
            raise InputError([Mistake("--resume", 0, 0, message, expected=expected)])
        if self._is_through(found):
            message = f"the fleet's run in {self.out} came to its end, and nothing is left to go on with"
            raise InputError([Mistake("--resume", 0, 0, message, expected="a new run without --resume")])
        self.standing, self.run, self.started = found, found.id, found.started

    def _is_through(self, found: Standing) -> bool:
        """Whether nothing of that run is left: going on with it again and again would tell of an ever older one as if it were new."""
        try:
            account = state.read(self.out)
        except InputError:
            return False
        whole = account.id == found.id and account.complete and not account.faults
        there = all((self.out / one.folder / "run.json").is_file() for one in account.members)
        return whole and there and all(one.state == state.RAN for one in account.members)

    def begin(self) -> Journal:
        """Put aside what stood here, where this is a new run, and open its journal; raises OSError as the file system does."""
        if self.standing is not None:
            return Journal(self.out, self.standing)
        self._put_aside()
        journal = Journal(self.out)
        journal.begin(self.run, self._fleet.name, self._fleet.digest, self.started)
        return journal

    def account(
        self, members: Iterable[MemberRun], *, seconds: float, complete: bool, notes: Sequence[str], faults: int
    ) -> FleetRun:
        """Write the account as it is now, and give it. `seconds` are those of this part of the run."""
        made = FleetRun(
            state.FORMAT,
            self.run,
            self._fleet.name,
            self._fleet.digest,
            self.started,
            timestamp(datetime.now(UTC)),
            round(seconds, 3),
            complete,
            tuple(members),
            tuple(notes),
            faults,
        )
        state.write(made, self.out)
        return made

    def report(self, run: FleetRun) -> None:
        """Write the reports over all targets; raises OSError as the file system does."""
        own = {one.name: {host for host in one.hosts if limited_as(host) == host} for one in self._fleet.members}
        report.write(run, self.out, own)

    def _put_aside(self) -> None:
        previous = self.out / PREVIOUS
        there = [name for name in _OURS if (self.out / name).exists()]
        if not there:
            return
        if previous.exists():
            shutil.rmtree(previous)
        previous.mkdir()
        for name in there:
            (self.out / name).rename(previous / name)


def relative(path: Path, file: Path) -> str:
    """A path as it would be written in that file, where it is at or below its folder."""
    with suppress(ValueError):
        return str(path.relative_to(file.resolve().parent))
    return os.fspath(path)
