"""What is read of the ledger without its bodies: one row a run, in which a letter stands for each claim's status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from upheld.ledger.records import Record
from upheld.model import Status

LETTERS: dict[Status, str] = {
    Status.UPHELD: "U",
    Status.ATTESTED: "A",
    Status.UNCOVERED: "N",
    Status.LAPSED: "L",
    Status.INCONCLUSIVE: "I",
    Status.REFUTED: "R",
}
STATUSES: dict[str, Status] = {letter: status for status, letter in LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the chain: its number, what it is, when it was added, and the digests that bind it to the row before."""

    seq: int
    kind: str
    at: str
    previous: str
    body_digest: str
    digest: str
    run: str = ""
    series: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What one run came to. One that has begun and of which no end is known has `ended` False and observed no claim."""

    seq: int
    run: str
    at: str
    series: str
    policy: str
    target: str
    environment: str
    sabotages: str
    started: str
    finished: str
    complete: bool
    ended: bool
    claims: str
    letters: str

    def status(self, claim: str) -> Status | None:
        """What that claim came to; None where the run did not observe it."""
        place = places(self.claims).get(claim)
        return STATUSES[self.letters[place]] if place is not None else None

    def statuses(self) -> dict[str, Status]:
        """What every claim of the run came to, in the policy's order."""
        return {claim: STATUSES[letter] for claim, letter in zip(places(self.claims), self.letters, strict=True)}

    def counts(self) -> dict[Status, int]:
        """How many claims came to each status, every status named."""
        return {status: self.letters.count(letter) for status, letter in LETTERS.items()}

    @property
    def worst(self) -> Status:
        """The worst status of the run; one that did not complete, or observed nothing, is never better than inconclusive."""
        found = [STATUSES[letter] for letter in set(self.letters)]
        if not self.complete or not found:
            found.append(Status.INCONCLUSIVE)
        return max(found, key=lambda one: one.rank)

    @property
    def name(self) -> str:
        """The target as it is shown, with the defects that it was started with."""
        broken = f", with defects put in on purpose: {self.sabotages}" if self.sabotages else ""
        return f"{self.target} ({self.environment}){broken}"


@lru_cache(maxsize=256)
def places(claims: str) -> dict[str, int]:
    """Where each claim of a run's list stands."""
    return {claim: place for place, claim in enumerate(claims.split())}


def listed(record: Record) -> tuple[str, str]:
    """The claims of a record as a row lists them, and their letters."""
    claims: Sequence[str] = [one.id for one in record.claims]
    return " ".join(claims), "".join(LETTERS[Status(one.status)] for one in record.claims)
