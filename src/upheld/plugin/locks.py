"""Reader/writer locks across worker processes: who runs beside whom among the checks that look at the running system.

An exclusive check runs with no other beside it, and one that is to be undisturbed with none that changes the system. Readers
share; a writer waits for them and keeps new ones out (a turnstile, so that writers do not starve). The kernel lets go of the
locks of a process that dies. pytest-xdist's groups do not give this: they keep the members of a group apart from each other, not
from the rest.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upheld.model import PlannedCheck


class Room:
    """The room that checks run in, and in it the place of those that change something."""

    def __init__(self, folder: Path) -> None:
        self._room = _Door(folder, "room")
        self._changes = _Door(folder, "changes")

    @contextmanager
    def entered(self, planned: PlannedCheck) -> Iterator[None]:
        """Stay in the room for the block, alone in it or in that place if the check is so. Waits as long as it takes."""
        with contextlib.ExitStack() as stack:
            # Who waits for others that change something waits outside, where it keeps nobody out of the room.
            if (planned.intrusive or planned.undisturbed) and not planned.exclusive:
                stack.enter_context(self._changes.passed(alone=planned.undisturbed))
            stack.enter_context(self._room.passed(alone=planned.exclusive))
            yield

    @contextmanager
    def entered_to_put_back(self) -> Iterator[None]:
        """Stay in the room for the block as a check that changes something: so does whoever undoes what checks did."""
        with self._changes.passed(alone=False), self._room.passed(alone=False):
            yield

    def close(self) -> None:
        """Close the lock files."""
        self._room.close()
        self._changes.close()


class _Door:
    """One lock, and the turnstile before it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._turnstile, self._inside = (
            os.open(folder / f"{name}{what}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for what in ("-turnstile", "")
        )

    @contextmanager
    def passed(self, *, alone: bool) -> Iterator[None]:
        """Be inside for the block."""
        fcntl.flock(self._turnstile, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            if not alone:
                fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._inside, fcntl.LOCK_UN)
            if alone:
                fcntl.flock(self._turnstile, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close its files."""
        os.close(self._turnstile)
        os.close(self._inside)
