"""The workers of a cluster as the controller sees them: which there are, which may be given a target, and which has the most room."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from upheld.errors import InputError, Mistake, UpheldError
from upheld.fleet.cluster import NoCluster, other, versions

if TYPE_CHECKING:
    from distributed import Client

_EVERY = 1.0
_ANSWER = 10.0
"""Seconds that the scheduler has for an answer."""
_AGAIN = 5.0
"""Seconds after which a worker is asked again that did not say which version it has."""
_SILENCE = 30.0
"""Seconds for which a scheduler may not answer: it may be busy, or this machine may have slept."""


class SchedulerLost(UpheldError):
    """The scheduler does not answer any more; the words say how that was seen."""


class Workers:
    """The workers that there are. An attempt is bound to one of them, so that it is known to be lost as soon as that one is gone."""

    def __init__(self, client: Client, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._say, self._clock = client, say, clock
        self._threads: dict[str, int] = {}
        self._good: set[str] = set()
        self._refused: set[str] = set()
        self._ask_again: dict[str, float] = {}
        self._looked = -_EVERY
        self._silent: float | None = None
        """Since when the scheduler has not answered; None where it has."""
        self.none_since: float | None = None
        """Since when there is no worker that could be given anything; None while there is one."""

    def await_first(self, patience: float, stopped: Callable[[], bool]) -> None:
        """Wait for the first worker. Raises InputError where the versions differ, NoCluster where none comes, SchedulerLost."""
        began = self._clock()
        while not self._threads and not stopped():
            self._threads = self._ask() or {}
            if not self._threads:
                if self._clock() - began > patience:
                    raise NoCluster(f"the cluster has no worker, and none came within {patience:g} s")
                time.sleep(0.1)
        try:
            found = versions(self._client, self._threads, _ANSWER)
        except Exception as error:  # Of the workers or of the way there; Dask raises many kinds of them.
            said = str(error) or type(error).__name__
            raise NoCluster(f"the workers do not say which version of upheld they have: {said}") from error
        if wrong := other(found):
            expected = "the same version of upheld, with its extra fleet, on every worker"
            raise InputError(Mistake("--scheduler", 0, 0, one, expected=expected) for one in wrong)
        self._good = set(found)

    def look(self) -> set[str]:
        """Ask at most every second which workers there are; gives those that are gone since the last time. Raises SchedulerLost."""
        now = self._clock()
        if self._client.status != "running":
            raise SchedulerLost("the connection to it was lost")
        if now - self._looked < _EVERY:
            return set()
        self._looked = now
        there = self._ask()
        if there is None:
            return set()
        before, self._threads = self._threads, there
        self._meet([one for one in self._threads if one not in self._good | self._refused], now)
        self._good &= self._threads.keys()
        self.none_since = None if self._good else self.none_since or now
        return before.keys() - self._threads.keys()

    def room(self, busy: Iterable[str]) -> int:
        """How many targets more the workers can be given at this moment, where those are busy."""
        return sum(self._rooms(busy).values())

    def best(self, busy: Iterable[str]) -> str | None:
        """The worker with the most room; None where there is none with any."""
        rooms = self._rooms(busy)
        return max(rooms, key=lambda one: (rooms[one], one), default=None)

    def _rooms(self, busy: Iterable[str]) -> dict[str, int]:
        taken = Counter(busy)
        rooms = {one: self._threads[one] - taken[one] for one in self._good}
        return {one: room for one, room in rooms.items() if room > 0}

    def _meet(self, new: list[str], now: float) -> None:
        """Ask workers that came later for their version, before they are given anything."""
        asked = [one for one in new if self._ask_again.get(one, 0.0) <= now]
        if not asked:
            return
        try:
            found = versions(self._client, asked, _ANSWER)
        except Exception as error:  # Of the worker or of the way there: it is given nothing, and asked again later.
            self._ask_again |= dict.fromkeys(asked, now + _AGAIN)
            self._say(f"a worker does not say which version it has: {type(error).__name__}: {error}")
            return
        wrong = other(found)
        for words in wrong:
            self._say(f"{words}: it is given nothing")
        refused = {one for one in found if other({one: found[one]})}
        self._refused |= refused
        self._good |= found.keys() - refused

    def unanswered(self, error: Exception) -> None:
        """The scheduler did not answer; raises SchedulerLost where it has not for long, or the connection is gone."""
        now = self._clock()
        self._silent = self._silent if self._silent is not None else now
        if self._client.status != "running" or now - self._silent > _SILENCE:
            raise SchedulerLost(str(error) or type(error).__name__) from error

    def _ask(self) -> dict[str, int] | None:
        """The workers with their threads; None where the scheduler does not answer at this moment."""
        try:
            found = dict(self._client.nthreads(callback_timeout=_ANSWER))
        except Exception as error:  # Dask raises many kinds of them for a connection that is gone.
            self.unanswered(error)
            return None
        self._silent = None
        return found
