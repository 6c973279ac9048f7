"""Tickets, beats and leases: an attempt is started once, and goes on only while its controller is heard to want it.

The controller's heart writes a beat to the scheduler every two seconds: a new number, and the tickets that are good. A worker that has
seen no new beat with its own ticket for the length of the lease, counted from before the last one can have been written, stops. So whoever
takes a ticket back, and waits for a lease and a margin, knows that nothing is sent under it any more, even by a worker
that he cannot reach.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from distributed import Client

EVERY = 2.0
"""Seconds between two beats."""
_ANSWER = 10.0
"""Seconds that the scheduler has for an answer."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds on a clock that nobody sets, that all processes of a machine share, and that goes on while it sleeps (on Linux)."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Beats:
    """Where the beats of a fleet's run are to be read; it travels with each job."""

    name: str


class Lost(Exception):
    """The scheduler did not answer, or not any more."""


class Heart:
    """The controller's side: makes tickets and takes them back, and beats while it is open."""

    def __init__(self, client: Client, run: str, every: float = EVERY) -> None:
        """`run` names the run of the fleet, for no two of which it may be the same."""
        self.beats = Beats(f"upheld-beat-{run}")
        self.fault: Exception | None = None
        """Why the last beat could not be written; None when it was."""
        self._client = client
        self._every = every
        self._good: set[str] = set()
        self._queues: dict[str, Any] = {}
        self._number = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="upheld-heart", daemon=True)

    def __enter__(self) -> Self:
        """Beat for the first time; raises Lost where that cannot be done."""
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take all tickets back, tell the workers so if that can be done, and beat no more."""
        self.fall_silent()
        with self._lock:
            self._good.clear()
        with suppress(Lost):  # Then the workers hear nothing any more, which ends their leases.
            self._beat()
        self._queues.clear()

    def issue(self) -> str:
        """A new ticket, good from now on: for one attempt, which it lets be started once. Raises Lost."""
        from distributed import Queue  # noqa: PLC0415  (only where there is a cluster)

        ticket = f"upheld-ticket-{secrets.token_hex(16)}"
        with _scheduler():
            queue = Queue(ticket, client=self._client)
            queue.put(ticket, timeout=_ANSWER, callback_timeout=_ANSWER)
        with self._lock:
            self._queues[ticket] = queue
            self._good.add(ticket)
        self._beat()
        return ticket

    def revoke(self, ticket: str) -> None:
        """Take a ticket back, as after an attempt of which nobody knows; raises Lost where the workers could not be told.

        From its return on whoever has it goes on for the length of the lease at the most.
        """
        self.retire(ticket)
        self._beat()

    def retire(self, ticket: str) -> None:
        """Let go of the ticket of an attempt that has ended; the next beat no longer has it."""
        with self._lock:
            self._good.discard(ticket)
            queue = self._queues.pop(ticket, None)
        if queue is not None:
            try:
                queue.close()
            except Exception as error:  # What cannot be told to a scheduler that is gone need not be told.
                self.fault = error

    def fall_silent(self) -> None:
        """Beat no more, and tell nobody: what a controller does that has died."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2 * _ANSWER)

    def _go_on(self) -> None:
        while not self._over.wait(self._every):
            try:
                self._beat()
            except Lost as error:
                self.fault = error

    def _beat(self) -> None:
        from distributed import Variable  # noqa: PLC0415  (only where there is a cluster)

        # One at a time, so that an older list of tickets is never written after a newer one.
        with self._lock, _scheduler():
            self._number += 1
            value = {"number": self._number, "good": sorted(self._good)}
            Variable(self.beats.name, client=self._client).set(value, timeout=_ANSWER, callback_timeout=_ANSWER)
            self.fault = None


class Lease:
    """The worker's side, for one attempt: until when it may go on, and why no longer."""

    def __init__(self, ticket: str, seconds: float, began: float) -> None:
        """It begins at `began`, before the ticket was taken."""
        self.ticket = ticket
        self.seconds = seconds
        self.until = began + seconds
        self.reason = ""
        """Why it ended; empty while it holds."""
        self._last: object = None
        self._asked = began
        """When it was asked for what was heard last: what is new after it was written after it."""
        self._heard: list[Callable[[], None]] = []

    def holds(self) -> bool:
        """Whether the attempt may go on."""
        if not self.reason and now() >= self.until:
            self.reason = f"nothing was heard of the controller for {self.seconds:g} s"
        return not self.reason

    def end(self, reason: str) -> None:
        """End it for that reason, unless it has ended before."""
        self.reason = self.reason or reason
        self.until = min(self.until, now())
        self._tell()

    def hear(self, beat: object, asked: float) -> None:
        """Take in what was read when it was asked for at `asked`, one after the other.

        A beat may be old when it is read for the first time, and whoever wrote it dead since: it counts from when what was read before it was asked for.
        """
        if not isinstance(beat, dict) or not self.holds():
            return
        if self.ticket not in beat.get("good", ()):
            self.end("the controller took it back")
            return
        if beat.get("number") != self._last:
            self._last = beat.get("number")
            self.until = max(self.until, self._asked + self.seconds)
            self._tell()
        self._asked = asked

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard`, from another thread, whenever `until` changes or the lease ends."""
        self._heard.append(heard)
        heard()

    def _tell(self) -> None:
        for heard in self._heard:
            heard()


class Following:
    """Takes a ticket and follows the beats, by the client of the Dask worker that this thread runs a task of."""

    def __init__(self, beats: Beats, ticket: str, seconds: float) -> None:
        self._beats = beats
        self._ticket = ticket
        self._seconds = seconds
        self._over = threading.Event()

    def __enter__(self) -> Lease:
        """The lease; raises Lost where the ticket is not to be had, and then nobody may do anything under it."""
        from distributed import get_client  # noqa: PLC0415  (only where there is a cluster)

        began = now()
        with _scheduler():
            # Asked for here: another thread would not know whose worker it is.
            client = get_client(timeout=_ANSWER)
            taken = _take(client, self._ticket)
        if not taken:
            raise Lost("this attempt was started before, or the controller took it back")
        lease = Lease(self._ticket, self._seconds, began)
        threading.Thread(target=self._read, args=(client, lease), name="upheld-lease", daemon=True).start()
        return lease

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()  # Whoever waits for an answer is left alone: it may never come.

    def _read(self, client: Client, lease: Lease) -> None:
        from distributed import Variable  # noqa: PLC0415  (only where there is a cluster)

        variable = Variable(self._beats.name, client=client)
        pause, patience = min(EVERY / 2, self._seconds / 10), min(_ANSWER, self._seconds / 3)
        while not self._over.is_set() and lease.holds():
            asked = now()
            try:
                beat = variable.get(timeout=patience, callback_timeout=patience)
            except Exception:  # Whatever it is: not heard. The lease says how long that may last.
                beat = None
            if self._over.is_set():
                return
            lease.hear(beat, asked)
            self._over.wait(pause)


def _take(client: Client, ticket: str) -> bool:
    """Whether the one item of the ticket's queue was there, and was taken by this very call."""
    from distributed import Queue  # noqa: PLC0415  (only where there is a cluster)

    queue = Queue(ticket, client=client)
    # All that is there and without waiting; a time limit of 0 would give up before it looked.
    found = queue.get(batch=True, callback_timeout=_ANSWER)
    queue.close()
    return bool(found)


class _scheduler:  # noqa: N801  (used as a context manager, named like one)
    """Whatever a call of the scheduler raises becomes Lost."""

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, Lost):
            said = str(error) or type(error).__name__
            raise Lost(f"the scheduler did not answer: {said}") from error
