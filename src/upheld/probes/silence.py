"""Places that do not answer: asked a few times, then left alone for a while, so that a hanging target costs a bounded time."""

from __future__ import annotations

import threading
import time

from upheld.errors import TimedOut

TIME_OUTS = 3
"""Time-outs in a row after which a place is left alone."""
REST_SECONDS = 60.0
"""How long it is left alone; then it is asked once more."""


class Silence:
    """Counts, for each place, the time-outs in a row. Shared by all clients of a session; safe to use from threads."""

    def __init__(self) -> None:
        self._silent: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def check(self, place: str) -> None:
        """Raise TimedOut, without asking, when `place` is being left alone."""
        count, since = self._silent.get(place, (0, 0.0))
        if count >= TIME_OUTS and time.monotonic() - since < REST_SECONDS:
            raise TimedOut(
                f"{place} did not answer in time {count} times in a row, so it is left alone for {REST_SECONDS:.0f} s"
            )

    def timed_out(self, place: str) -> None:
        """Note that `place` did not answer in time."""
        with self._lock:
            self._silent[place] = (self._silent.get(place, (0, 0.0))[0] + 1, time.monotonic())

    def answered(self, place: str) -> None:
        """Note that `place` answered, or refused, in time."""
        if place in self._silent:
            with self._lock:
                self._silent.pop(place, None)
