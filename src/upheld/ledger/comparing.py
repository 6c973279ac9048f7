"""What differs between two runs as the ledger keeps them, read off both and judged by neither.

What failed before and was not judged now is not better: it is named apart from what passes now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upheld.ledger.records import FindingKept, Record
from upheld.model import Severity, Status


@dataclass(frozen=True, slots=True)
class Moved:
    """A claim that is not what it was; a status is None in the run that does not have the claim."""

    claim: str
    severity: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class FoundIn:
    """A finding and the claim that it is of; where only its identity was kept, it has no subject."""

    claim: str
    finding: FindingKept


@dataclass(frozen=True, slots=True)
class Difference:
    """From one run to another: claims, findings, and what else differs, so that a change may be of the question."""

    worse: tuple[Moved, ...]
    better: tuple[Moved, ...]
    added: tuple[Moved, ...]
    gone: tuple[Moved, ...]
    same: int
    failing: tuple[FoundIn, ...]
    passing: tuple[FoundIn, ...]
    unjudged: tuple[FoundIn, ...]
    notes: tuple[str, ...]


def compare(before: Record, now: Record) -> Difference:
    """What differs from `before` to `now`, the worst first."""
    old = {claim.id: claim for claim in before.claims}
    new = {claim.id: claim for claim in now.claims}
    both = [Moved(one.id, one.severity, old[one.id].status, one.status) for one in now.claims if one.id in old]
    moved = sorted((one for one in both if one.before != one.after), key=_weight)
    were, are = dict(_failing(before)), dict(_failing(now))
    passing = {(claim.id, one) for claim in now.claims for one in claim.passing}
    gone = [were[key] for key in were if key not in are]
    return Difference(
        worse=tuple(one for one in moved if _rank(one.after) > _rank(one.before)),
        better=tuple(one for one in moved if _rank(one.after) < _rank(one.before)),
        added=tuple(Moved(one.id, one.severity, None, one.status) for one in now.claims if one.id not in old),
        gone=tuple(Moved(one.id, one.severity, one.status, None) for one in before.claims if one.id not in new),
        same=len(both) - len(moved),
        failing=tuple(are[key] for key in are if key not in were),
        passing=tuple(one for one in gone if (one.claim, one.finding.fingerprint) in passing),
        unjudged=tuple(one for one in gone if (one.claim, one.finding.fingerprint) not in passing),
        notes=tuple(_notes(before, now)),
    )


def began(record: Record, claim: str, before: Record | None) -> tuple[FindingKept, ...]:
    """The findings by which a claim began to be refuted: those that fail in this run and did not in the one before it."""
    known = dict(_failing(before)) if before else {}
    return tuple(one.finding for key, one in _failing(record) if one.claim == claim and key not in known)


def _failing(record: Record) -> Iterator[tuple[tuple[str, str], FoundIn]]:
    for claim in record.claims:
        for one in claim.failing:
            yield (claim.id, one.fingerprint), FoundIn(claim.id, one)
        for fingerprint in claim.more_failing:
            yield (claim.id, fingerprint), FoundIn(claim.id, FindingKept(fingerprint, "", ""))


def _rank(status: str | None) -> int:
    return -1 if status is None else Status(status).rank


def _weight(moved: Moved) -> tuple[int, int]:
    return -_rank(moved.after), list(Severity).index(Severity(moved.severity))


def _notes(before: Record, now: Record) -> Iterator[str]:
    if before.series != now.series:
        yield f"They are of different series: {before.series}, policy {before.policy}; and {now.series}, policy {now.policy}."
    if before.policy_digest != now.policy_digest:
        yield "The policy has changed."
    if before.target_digest != now.target_digest:
        yield "The target's description has changed."
    if before.selected != now.selected:
        yield "The two runs did not audit the same selection of claims."
    for which, record in (("earlier", before), ("later", now)):
        if not record.complete:
            yield (
                f"The {which} run did not complete."
                if record.ended
                else f"No end of the {which} run is known: it observed nothing."
            )
    changed = sum(digest != now.code.get(check, digest) for check, digest in before.code.items())
    if changed:
        yield f"The code of {changed} check{'s' if changed != 1 else ''} has changed."
