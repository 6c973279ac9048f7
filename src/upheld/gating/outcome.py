"""What the gate says of a run: which promises are broken and where, what could not be told, and what of it counts.

Nothing here judges anew: it reads a run's verdicts, and asks of each whether it is this change's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from upheld.exporting.places import Place, Places
from upheld.exporting.rows import covers
from upheld.gating.ratchet import Ratchet
from upheld.model import CheckResult, ClaimResult, FindingRecord, Run, Severity, Status, Verdict
from upheld.reporting.headline import why

HOLDS, BROKEN, UNDECIDED, UNREACHABLE = 0, 1, 3, 6
"""Exit codes: nothing that counts; a promise is broken; something could not be told; only because the target was not reached."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A finding that breaks a promise. `excuse` says why it does not count, and is empty where it does."""

    claim: str
    statement: str
    severity: Severity
    check: str
    subject: str
    expected: str
    observed: str
    fingerprint: str
    place: Place | None
    excuse: str = ""
    flaky: bool = False
    origin: str = ""

    @property
    def counts(self) -> bool:
        """Whether it keeps the change out."""
        return not self.excuse


@dataclass(frozen=True, slots=True)
class Undecided:
    """A check, or a claim as a whole, that came to no verdict. `excuse` says why it does not count."""

    claim: str
    statement: str
    check: str
    reason: str
    excuse: str = ""
    unreachable: bool = False

    @property
    def counts(self) -> bool:
        """Whether it keeps the change out."""
        return not self.excuse


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the gate says."""

    run: Run
    broken: tuple[Broken, ...]
    undecided: tuple[Undecided, ...]
    looked: int
    cached: int
    carried: int
    since: str = ""
    baseline: str = ""

    @property
    def code(self) -> int:
        """The exit code."""
        if any(one.counts for one in self.broken):
            return BROKEN
        open_ones = [one for one in self.undecided if one.counts]
        if not open_ones:
            return HOLDS if self.run.claims else UNDECIDED
        return UNREACHABLE if all(one.unreachable for one in open_ones) else UNDECIDED


def judged(
    run: Run,
    *,
    ratchet: Ratchet | None = None,
    accept_attested: Collection[str] = (),
    unreached: Collection[str] = (),
    flaky: Collection[str] = (),
) -> tuple[tuple[Broken, ...], tuple[Undecided, ...]]:
    """What is broken and what could not be told in a run. `unreached` and `flaky` are keys of checks."""
    broken: list[Broken] = []
    undecided: list[Undecided] = []
    for claim in run.claims:
        waived_whole = any(not one.expired and not one.check and not one.subject for one in claim.waivers)
        excuse = "not gated, says the policy" if not claim.gated else "waived" if waived_whole else ""
        broken += _broken(claim, excuse, ratchet, flaky)
        undecided += _undecided(claim, excuse, ratchet, accept_attested, unreached)
    if ratchet is not None:
        undecided += [
            Undecided(claim, statement, check, "the baseline has it, and it is no longer asked")
            for claim, statement, check in ratchet.no_longer(run)
        ]
    severities = list(Severity)
    broken.sort(key=lambda one: (not one.counts, severities.index(one.severity)))
    undecided.sort(key=lambda one: not one.counts)
    return tuple(broken), tuple(undecided)


def _broken(claim: ClaimResult, excuse: str, ratchet: Ratchet | None, flaky: Collection[str]) -> Iterator[Broken]:
    for check in claim.checks:
        places = Places(check)
        for finding in check.findings:
            if finding.verdict is not Verdict.FAIL:
                continue
            place = places.of(finding)
            why_not = excuse
            if any(covers(waiver, check.id, finding.subject) for waiver in claim.waivers):
                why_not = why_not or "waived"
            if not why_not and ratchet is not None and ratchet.knew(claim.id, check.id, finding, place):
                why_not = f"refuted before, in run {ratchet.baseline.id[:8]}"
            yield Broken(
                claim=claim.id,
                statement=claim.statement,
                severity=claim.severity,
                check=check.id,
                subject=finding.subject,
                expected=finding.expected,
                observed=finding.observed,
                fingerprint=finding.fingerprint,
                place=place,
                excuse=why_not,
                flaky=check.key in flaky,
                origin=check.origin,
            )


def _undecided(
    claim: ClaimResult,
    excuse: str,
    ratchet: Ratchet | None,
    accept_attested: Collection[str],
    unreached: Collection[str],
) -> Iterator[Undecided]:
    told = False
    for check in claim.checks:
        for reason, finding in _unseen(check):
            told = True
            why_not = excuse
            subject = finding.subject if finding else ""
            if any(covers(waiver, check.id, subject) for waiver in claim.waivers if finding or not waiver.subject):
                why_not = why_not or "waived"
            if not why_not and ratchet is not None and ratchet.never_told(claim.id, check):
                why_not = f"not told before either, in run {ratchet.baseline.id[:8]}"
            yield Undecided(claim.id, claim.statement, check.id, reason, why_not, check.key in unreached)
    failing = any(one.verdict is Verdict.FAIL for check in claim.checks for one in check.findings)
    # What the claim itself lacks: it is lapsed, attested where that is not enough, decided by others, or by nothing.
    good = {Status.UPHELD, *({Status.ATTESTED} if claim.id in accept_attested else ())}
    if claim.status in good or told or failing or claim.decided_by:
        return
    why_not = excuse
    if not why_not and ratchet is not None and ratchet.no_better(claim):
        why_not = f"{claim.status.value} before, in run {ratchet.baseline.id[:8]}"
    yield Undecided(claim.id, claim.statement, "", why(claim) or claim.status.value, why_not)


def _unseen(check: CheckResult) -> Iterator[tuple[str, FindingRecord | None]]:
    """What a check could not see, each with the finding that says so; without one where it broke off."""
    unseen = [one for one in check.findings if one.verdict is Verdict.INCONCLUSIVE]
    for one in unseen:
        yield f"{one.subject}: {one.reason}", one
    if check.verdict is Verdict.INCONCLUSIVE and not unseen:
        yield check.reason, None


def by_claim(broken: Collection[Broken]) -> Mapping[str, list[Broken]]:
    """What is broken, by claim, in order."""
    found: dict[str, list[Broken]] = {}
    for one in broken:
        found.setdefault(one.claim, []).append(one)
    return found
