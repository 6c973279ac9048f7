"""A reader/writer lock across worker processes: exclusive checks run with none beside them that looks at the running system.

Readers share; a writer waits for them and keeps new ones out (a turnstile, so that writers do not starve). The kernel lets
go of the locks of a process that dies. pytest-xdist's groups do not give this: they keep the members of a group apart from
each other, not from the rest.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Room:
    """The room that checks run in: shared by ordinary ones, taken whole by an exclusive one."""

    def __init__(self, folder: Path) -> None:
        self._turnstile = os.open(folder / "turnstile.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._room = os.open(folder / "room.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def entered(self, *, exclusive: bool) -> Iterator[None]:
        """Stay in the room for the block, alone if `exclusive`. Waits as long as it takes."""
        fcntl.flock(self._turnstile, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        finally:
            if not exclusive:
                fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)
            if exclusive:
                fcntl.flock(self._turnstile, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock files."""
        os.close(self._turnstile)
        os.close(self._room)
