"""What the rows of one series say over time: pure functions, which never read a missing run as a good one.

A run of which no end is known observed nothing; a claim that a run did not select was not observed by it; a day without an
observation is not observed. Of several observations on one day (UTC) the worst is the day's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from upheld.ledger.rows import LETTERS, STATUSES, Row, places
from upheld.ledger.times import day
from upheld.model import Status

HELD = frozenset({Status.UPHELD, Status.ATTESTED})
UNSEEN = "."
"""The letter of a day on which nothing was observed."""
_WORST = "RIL.NAU"
"""Letters of a stretch of days, worst first: a day that nobody saw outweighs one that held."""


@dataclass(frozen=True, slots=True)
class Span:
    """Runs one after the other in which a claim came to the same; `status` None: its runs ended without one, or not at all."""

    status: Status | None
    first: Row
    last: Row
    runs: int


@dataclass(frozen=True, slots=True)
class Refuted:
    """Since when a claim is refuted: the first run that refuted it after the last that held, which is None where none is known."""

    since: Row
    held: Row | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a claim stood on each day from `first` to `last`, both included: one letter a day."""

    claim: str
    first: date
    last: date
    letters: str

    def on(self, status: Status) -> int:
        """On how many days it came to that."""
        return self.letters.count(LETTERS[status])

    @property
    def unseen(self) -> int:
        """On how many days nothing was observed."""
        return self.letters.count(UNSEEN)

    def says(self) -> str:
        """The whole period in one sentence, in which every day is counted once."""
        said = [f"held on {self.on(Status.UPHELD)} of {len(self.letters)} days"]
        words = (Status.REFUTED, Status.INCONCLUSIVE, Status.LAPSED, Status.UNCOVERED, Status.ATTESTED)
        said += [f"{one.value} on {count}" for one in words if (count := self.on(one))]
        return ", ".join([*said, *([f"not observed on {self.unseen}"] if self.unseen else [])])

    def stretches(self, most: int) -> str:
        """The days in at most so many stretches of equal length, each as its worst day; the last one ends with the period."""
        length = -(-len(self.letters) // most)
        start = len(self.letters) % length
        cut = [self.letters[:start]] if start else []
        cut += [self.letters[place : place + length] for place in range(start, len(self.letters), length)]
        return "".join(min(one, key=_WORST.index) for one in cut)


def observed(rows: Sequence[Row], claim: str) -> list[tuple[Row, Status | None]]:
    """The runs that were to observe a claim, with what it came to; those that did not select it are left out."""
    return [(row, row.status(claim)) for row in rows if not row.ended or claim in places(row.claims)]


def claims_of(rows: Iterable[Row]) -> list[str]:
    """Every claim that any of the runs observed, those of the newest first."""
    lists = dict.fromkeys(row.claims for row in reversed(list(rows)))
    return list(dict.fromkeys(claim for one in lists for claim in one.split()))


def spans(rows: Sequence[Row], claim: str) -> list[Span]:
    """How a claim's status changed from run to run, the oldest first."""
    found: list[Span] = []
    for row, status in observed(rows, claim):
        if found and found[-1].status is status:
            found[-1] = Span(status, found[-1].first, row, found[-1].runs + 1)
        else:
            found.append(Span(status, row, row, 1))
    return found


def refuted(rows: Sequence[Row], claim: str) -> Refuted | None:
    """Since when a claim is refuted; None where the last run that came to know refuted nothing, or held.

    What was inconclusive in between did not recover: only a run in which the claim holds ends what is refuted.
    """
    since: Row | None = None
    for row in reversed(rows):  # It mostly holds in the last one, and then no other is looked at.
        status = row.status(claim)
        if status is Status.REFUTED:
            since = row
        elif status in HELD:
            return Refuted(since, row) if since else None
    return Refuted(since, None) if since else None


def coverage(rows: Sequence[Row], claims: Sequence[str], first: date, last: date) -> dict[str, Coverage]:
    """How each of the claims stood on each day from `first` to `last`."""
    by_day: dict[date, set[tuple[str, str]]] = {}
    for row in rows:
        if row.ended and first <= (at := day(row.started)) <= last:
            by_day.setdefault(at, set()).add((row.claims, row.letters))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    letters: dict[str, list[str]] = {claim: [] for claim in claims}
    worst: dict[frozenset[tuple[str, str]], Mapping[str, str]] = {}
    """By what was observed on a day, which is the same on most."""
    for at in days:
        observations = frozenset(by_day.get(at, ()))
        if observations not in worst:
            worst[observations] = _worst_of(observations)
        today = worst[observations]
        for claim, so_far in letters.items():
            so_far.append(today.get(claim, UNSEEN))
    return {claim: Coverage(claim, first, last, "".join(one)) for claim, one in letters.items()}


def _worst_of(observations: frozenset[tuple[str, str]]) -> Mapping[str, str]:
    worst: dict[str, str] = {}
    for claims, letters in observations:
        for claim, letter in zip(places(claims), letters, strict=True):
            known = worst.get(claim)
            if known is None or STATUSES[letter].rank > STATUSES[known].rank:
                worst[claim] = letter
    return worst
