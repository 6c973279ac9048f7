"""The meter under the HTTP client: how many requests a host gets in a run, and how fast, counted over all processes.

The rate is kept by the generic cell rate algorithm (ITU-T I.371): a file for each host holds the time at which its bucket is
full again, and each request moves that time on by its share before it is sent. The file is locked for that moment only;
waiting is done without it. Times are of the monotonic clock, which all processes of a machine share. A request is counted before it
is sent, whether it is limited or not: what the files say was never less than what went out, even when the run was killed. Where nothing is
limited each process counts in a file of its own, which lies in its memory, so that to count is no call of the system.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import Spent

if TYPE_CHECKING:
    from upheld.target.manners import Limits

_STATE = struct.Struct("<dq")
_FOLDER = "requests"
_LONGEST = 4096


def sent_in(scratch: Path) -> dict[str, int]:
    """How many requests were counted to each host by a run with that scratch folder; raises OSError where that cannot be read."""
    found: dict[str, int] = {}
    folder = scratch / _FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with path.open("rb") as stream:
            raw = stream.read(_STATE.size + _LONGEST)
        if len(raw) > _STATE.size:  # The name stands behind the state; without one nothing was counted yet.
            host = raw[_STATE.size :].decode("utf-8", "replace")
            found[host] = found.get(host, 0) + _STATE.unpack_from(raw)[1]
    return found


class Meter:
    """Counts requests and spaces them out; safe to use from several threads and processes."""

    def __init__(self, limits: Limits | None, folder: Path) -> None:
        """The state is kept below `folder`, the run's scratch folder. Without limits it counts, and nobody waits."""
        self._limits = limits
        self._folder = folder / _FOLDER
        self._own: dict[tuple[str, int], mmap.mmap] = {}
        self._lock = threading.Lock()
        self._made = False

    def take(self, host: str, *, beyond: bool = False) -> float:
        """Count one request to the host, and give the seconds that it must wait; raises Spent when there is none left.

        `beyond` is for what undoes something: it may go out past the budget, at the rate.
        """
        host = host.lower().rstrip(".")
        limit = self._limits.of(host) if self._limits is not None else None
        if limit is None or (limit.requests is None and limit.per_second is None):
            self._count(host)
            return 0.0
        descriptor = os.open(self._file(host), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            raw = os.pread(descriptor, _STATE.size, 0)
            begun = len(raw) == _STATE.size
            full_at, count = _STATE.unpack(raw) if begun else (0.0, 0)
            if limit.requests is not None and count >= limit.requests and not beyond:
                raise Spent(f"the budget of {limit.requests} requests to {host} in a run is used up (limits)")
            now, wait = time.monotonic(), 0.0
            if limit.per_second is not None:
                share = 1.0 / limit.per_second
                full_at = max(full_at, now)
                wait = max(0.0, full_at - now - (limit.burst - 1) * share)
                full_at += share
            os.pwrite(descriptor, _STATE.pack(full_at, count + 1) + (b"" if begun else _named(host)), 0)
        finally:
            os.close(descriptor)
        return wait

    def rate(self, host: str) -> float | None:
        """How many requests in a second the host gets at the most; None when that is not limited."""
        return self._limits.of(host.lower().rstrip(".")).per_second if self._limits is not None else None

    def _count(self, host: str) -> None:
        """Count one request of this process to a host that nothing limits."""
        with self._lock:
            key = host, os.getpid()  # A process that was forked from this one counts for itself.
            if key not in self._own:
                # A new file always: another meter of this process, or a process that had its number, keeps its own count.
                place = self._file(host)
                descriptor, _ = tempfile.mkstemp(prefix=f"{place.name}-", dir=place.parent)
                try:
                    os.pwrite(descriptor, _STATE.pack(0.0, 0) + _named(host), 0)
                    self._own[key] = mmap.mmap(descriptor, 0)
                finally:
                    os.close(descriptor)
            memory = self._own[key]
            _STATE.pack_into(memory, 0, 0.0, _STATE.unpack_from(memory)[1] + 1)

    def _file(self, host: str) -> Path:
        if not self._made:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._made = True
        return self._folder / hashlib.sha256(_named(host)).hexdigest()


def _named(host: str) -> bytes:
    """A host as its file names it."""
    return host.encode("utf-8", "replace")[:_LONGEST]
