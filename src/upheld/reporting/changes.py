"""What changed since an earlier run of the same policy on the same target: read off two runs, and judged by neither.

A finding is the same one when its fingerprint (claim, check, subject) is. What failed before and was not judged now is not
better: it is named apart from what passes now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from upheld.model import FindingRecord, Run, Severity, Status, Verdict
from upheld.reporting.headline import checks, several, whole

MOST_LISTED = 50
"""Entries of one list of changes that are kept; the others are counted."""


@dataclass(frozen=True, slots=True)
class Change:
    """One claim that is not what it was; a status is None in the run that does not have the claim."""

    id: str
    statement: str
    before: Status | None
    after: Status | None


@dataclass(frozen=True, slots=True)
class Moved:
    """One finding whose verdict is not what it was."""

    claim: str
    check: str
    subject: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The first entries of a list of findings, and how many there are in all."""

    entries: tuple[Moved, ...]
    count: int

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.count - len(self.entries)


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between an earlier run and this one, the worst first."""

    run: str
    started: str
    worse: tuple[Change, ...]
    better: tuple[Change, ...]
    added: tuple[Change, ...]
    gone: tuple[Change, ...]
    same: int
    failing: Listed
    passing: Listed
    unjudged: Listed
    notes: tuple[str, ...]


def comparable(before: Run, now: Run) -> bool:
    """Whether both are of one policy and one target, by name, so that what differs between them is a change."""
    return (before.policy, before.target.name, before.target.environment) == (
        now.policy,
        now.target.name,
        now.target.environment,
    ) and before.id != now.id


def compare(before: Run, now: Run) -> Changes | None:
    """What changed from `before` to `now`; None when they are not of the same policy and target."""
    if not comparable(before, now):
        return None
    old = {claim.id: claim for claim in before.claims}
    new = {claim.id: claim for claim in now.claims}
    severities = list(Severity)
    both = [
        (Change(one.id, one.statement, old[one.id].status, one.status), severities.index(one.severity))
        for one in now.claims
        if one.id in old
    ]
    moved = [(change, severity) for change, severity in both if change.before is not change.after]
    worst = sorted(moved, key=lambda pair: (-_rank(pair[0].after), pair[1]))
    were, are = _findings(before), _findings(now)
    return Changes(
        run=before.id,
        started=before.started,
        worse=tuple(change for change, _ in worst if _rank(change.after) > _rank(change.before)),
        better=tuple(change for change, _ in worst if _rank(change.after) < _rank(change.before)),
        added=tuple(Change(one.id, one.statement, None, one.status) for one in now.claims if one.id not in old),
        gone=tuple(Change(one.id, one.statement, one.status, None) for one in before.claims if one.id not in new),
        same=len(both) - len(moved),
        failing=_listed(
            are[key] for key in are if _fails(are[key]) and not (key in were and were[key][1].verdict is Verdict.FAIL)
        ),
        passing=_listed(
            are[key] for key in were if _fails(were[key]) and key in are and are[key][1].verdict is Verdict.PASS
        ),
        unjudged=_listed(
            were[key]
            for key in were
            if _fails(were[key]) and (key not in are or are[key][1].verdict is Verdict.INCONCLUSIVE)
        ),
        notes=_notes(before, now),
    )


_Found = tuple[tuple[str, str], FindingRecord]


def _rank(status: Status | None) -> int:
    return -1 if status is None else status.rank


def _findings(run: Run) -> Mapping[str, _Found]:
    """Every finding of `run` by its fingerprint, with its claim and check; of several that share one, the worst."""
    found: dict[str, _Found] = {}
    worst = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.NOT_APPLICABLE)
    for claim in run.claims:
        for check in claim.checks:
            for one in check.findings:
                known = found.get(one.fingerprint)
                if known is None or worst.index(one.verdict) < worst.index(known[1].verdict):
                    found[one.fingerprint] = ((claim.id, check.id), one)
    return found


def _fails(found: _Found) -> bool:
    return found[1].verdict is Verdict.FAIL


def _listed(found: Iterable[_Found]) -> Listed:
    kept: list[Moved] = []
    count = 0
    for (claim, check), one in found:
        count += 1
        if count <= MOST_LISTED:
            kept.append(Moved(claim, check, one.subject, one.fingerprint))
    return Listed(tuple(kept), count)


def _notes(before: Run, now: Run) -> tuple[str, ...]:
    """What else differs, so that a change may be of the question and not of the answer."""
    said: list[str] = []
    if before.policy_digest != now.policy_digest:
        said.append("The policy has changed since.")
    if before.target.digest != now.target.digest:
        said.append("The target's description has changed since.")
    if before.target.sabotages != now.target.sabotages:
        old, new = (", ".join(run.target.sabotages) or "none" for run in (before, now))
        said.append(f"Defects put in on purpose: {old} then, {new} now.")
    if before.selected != now.selected:
        said.append("The two runs did not audit the same selection of claims.")
    if not whole(before):
        said.append("The earlier run did not complete.")
    old_code = {one.id: one.code_digest for one in checks(before)}
    changed = {one.id for one in checks(now) if old_code.get(one.id, one.code_digest) != one.code_digest}
    if changed:
        said.append(f"The code of {several(len(changed), 'check')} has changed since.")
    return tuple(said)
