"""Which targets may be audited now, so that no host is sent more than the fleet's limits by all of them together.

Pure: nothing is started, read or waited for here, and the time is told by the caller. Whatever the order of events, the shares of a
host that are out (and those that may still be in use somewhere, because a worker was lost) add up to its limit at the most:

- *Rate.* A limited host is divided among `abreast` targets at once (one, unless a caller says otherwise), each with the same part. A
  share that was given back rests until its bucket is full again, so that the next burst does not follow on the last one.
- *Requests.* A share is leased from what is left of the budget, divided among those that still wait for the host; what was not sent
  goes back. An attempt of which nothing is known any more has sent its whole share, as far as anybody can tell.
- *Lost attempts.* A worker that was cut off may go on for as long as its lease; its share is nobody else's before that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from upheld.target.manners import HostLimit


@dataclass(frozen=True, slots=True)
class Wanted:
    """A target that waits: the hosts that it may send something to, and how many requests its own description allows each of them."""

    name: str
    hosts: frozenset[str]
    own: Mapping[str, int] = field(default_factory=dict)
    not_before: float = 0.0
    """The moment before which it is not started, because an earlier attempt may still be under way."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one target may send one host while it has this share; None is without a limit of the fleet's."""

    requests: int | None
    per_second: float | None
    burst: int


@dataclass(frozen=True, slots=True)
class Admission:
    """A target that may start now, with its share of each host that has a limit."""

    name: str
    shares: Mapping[str, Share]


@dataclass(slots=True)
class _Host:
    name: str
    limit: HostLimit
    abreast: int
    spent: int = 0
    waiting: int = 0
    held: dict[str, Share] = field(default_factory=dict)
    resting: list[tuple[float, Share | None]] = field(default_factory=list)
    """Places that nobody may take before that moment."""

    def rest(self) -> int | None:
        """Requests that are neither sent nor leased."""
        if self.limit.requests is None:
            return None
        return self.limit.requests - self.spent - sum(one.requests or 0 for one in self.held.values())

    def open(self, now: float) -> bool:
        self.resting = [(until, share) for until, share in self.resting if until > now]
        rest = self.rest()
        return len(self.held) + len(self.resting) < self.abreast and (rest is None or rest >= 1)

    def exhausted(self) -> bool:
        """Whether no request is left, and none can come back."""
        rest = self.rest()
        return rest is not None and rest < 1 and not self.held

    def share(self, own: int | None) -> Share:
        rest, limit = self.rest(), self.limit
        requests = None if rest is None else max(1, rest // max(1, self.waiting))
        if requests is not None and own is not None:
            requests = min(requests, own)
        per_second = None if limit.per_second is None else limit.per_second / self.abreast
        return Share(requests, per_second, max(1, limit.burst // self.abreast))


class Admitting:
    """The fleet's limits, who has which share of them, and who waits."""

    def __init__(
        self,
        wanted: Iterable[Wanted],
        limit_of: Callable[[str], HostLimit] | None,
        *,
        quarantine: float,
        abreast: int = 1,
        spent: Mapping[str, int] | None = None,
        resting: Mapping[str, float] | None = None,
    ) -> None:
        """`wanted` in the order in which they are to start; `limit_of` gives the fleet's limits of a host.

        `quarantine` is for how many seconds a lost attempt may still send (lease and margin). After an earlier part of the same run,
        `spent` says what hosts were sent, and `resting` until when a host is not to be sent anything because of a lost attempt.
        """
        self._waiting: dict[str, Wanted] = {}
        self._running: dict[str, tuple[Wanted, Mapping[str, Share]]] = {}
        self._hosts: dict[str, _Host] = {}
        self._limit_of, self._abreast, self._quarantine = limit_of, abreast, quarantine
        self._spent, self._resting = spent or {}, resting or {}
        for one in wanted:
            self._await(one)

    @property
    def running(self) -> frozenset[str]:
        """Those that were admitted and have not ended."""
        return frozenset(self._running)

    @property
    def waiting(self) -> frozenset[str]:
        """Those that were not admitted yet."""
        return frozenset(self._waiting)

    def admit(self, now: float, free: int) -> list[Admission]:
        """The targets that may start at this moment, `free` at the most; they have their shares from now on."""
        found: list[Admission] = []
        for one in list(self._waiting.values()):
            if len(found) >= free:
                break
            hosts = self._limited(one)
            if one.not_before > now or not all(host.open(now) for host in hosts):
                continue
            shares = {host.name: host.share(one.own.get(host.name)) for host in hosts}
            for host in hosts:
                host.waiting -= 1
                host.held[one.name] = shares[host.name]
            del self._waiting[one.name]
            self._running[one.name] = one, shares
            found.append(Admission(one.name, shares))
        return found

    def ended(self, name: str, sent: Mapping[str, int], now: float, *, again: bool = False) -> None:
        """Nothing of an attempt sends any more; what it did not send of its share is given back. `again`: it is to be tried once more."""
        one, _ = self._leave(
            name, sent, lambda share: now + share.burst / share.per_second if share.per_second else now
        )
        if again:
            self._await(Wanted(one.name, one.hosts, one.own))

    def lost(self, name: str, now: float, *, again: bool) -> None:
        """Nothing is known of an attempt any more: it may send until its lease has run out. `again`: it is to be tried once more."""
        one, _ = self._leave(name, None, lambda _: now + self._quarantine)
        if again:
            self._await(Wanted(one.name, one.hosts, one.own, now + self._quarantine))

    def hopeless(self) -> list[tuple[str, str]]:
        """The waiting targets that cannot be started any more, with the reason; they wait no longer."""
        found = []
        for one in list(self._waiting.values()):
            empty = next((host for host in self._limited(one) if host.exhausted()), None)
            if empty is not None:
                reason = f"the fleet's budget of {empty.limit.requests} requests to {empty.name} is used up (limits)"
                found.append((one.name, reason))
                self.withdraw(one.name)
        return found

    def withdraw(self, name: str) -> None:
        """A target that waits is not wanted any more."""
        for host in self._limited(self._waiting.pop(name)):
            host.waiting -= 1

    def next_change(self, now: float) -> float | None:
        """The next moment at which somebody may be admitted who may not now, if nothing else happens before; None where there is none."""
        times = [one.not_before for one in self._waiting.values()]
        times += [until for host in self._hosts.values() for until, _ in host.resting]
        return min((one for one in times if one > now), default=None)

    def out(self, host: str, now: float) -> tuple[list[Share], int]:
        """The shares of a host that are or may be in use, and the requests of it that are spent."""
        found = self._hosts.get(host)
        if found is None:
            return [], self._spent.get(host, 0)
        lost = [share for until, share in found.resting if until > now and share is not None]
        return [*found.held.values(), *lost], found.spent

    def _await(self, one: Wanted) -> None:
        self._waiting[one.name] = one
        for host in self._limited(one):
            host.waiting += 1

    def _leave(
        self, name: str, sent: Mapping[str, int] | None, until: Callable[[Share], float]
    ) -> tuple[Wanted, Mapping[str, Share]]:
        one, shares = self._running.pop(name)
        for host, share in shares.items():
            state = self._hosts[host]
            del state.held[name]
            state.spent += sent.get(host, 0) if sent is not None else share.requests or 0
            # What it leased is accounted for; only its part of the rate is still out.
            state.resting.append((until(share), Share(None, share.per_second, share.burst)))
        return one, shares

    def _limited(self, one: Wanted) -> list[_Host]:
        return [host for name in sorted(one.hosts) if (host := self._host(name)) is not None]

    def _host(self, name: str) -> _Host | None:
        if name not in self._hosts:
            limit = self._limit_of(name) if self._limit_of is not None else None
            if limit is None or (limit.requests is None and limit.per_second is None):
                return None
            # A burst is at least one request, so that no more can share a host than it bears at once.
            abreast = min(self._abreast, limit.burst) if limit.per_second is not None else self._abreast
            found = _Host(name, limit, max(1, abreast), self._spent.get(name, 0))
            if name in self._resting:
                found.resting = [(self._resting[name], None)] * found.abreast
            self._hosts[name] = found
        return self._hosts[name]
