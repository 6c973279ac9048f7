"""What a run says in one sentence, and what a reader must know before believing it: the same words in every view."""

from __future__ import annotations

from dataclasses import dataclass

from upheld.model import Basis, CheckResult, ClaimResult, Run, Status, Verdict
from upheld.strength import of_run

WORST_FIRST: tuple[Status, ...] = tuple(reversed(Status))
"""The order in which every view names statuses."""

MEANINGS: dict[Status, str] = {
    Status.REFUTED: "At least one check found that the claim does not hold.",
    Status.INCONCLUSIVE: "Something that had to be looked at could not be, so nothing is claimed either way.",
    Status.LAPSED: "Something that the claim rests on is out of date.",
    Status.UNCOVERED: "No check decides the claim yet.",
    Status.ATTESTED: "A named person vouches for the claim; no instrument has seen it.",
    Status.UPHELD: "Every planned check ran to its end, and every finding passed.",
}

BASES: dict[Basis, str] = {
    Basis.OBSERVED: "made to happen on the running deployment, and watched",
    Basis.INSPECTED: "read from the thing itself: database, code, history, configuration",
    Basis.RECORDED: "read from the company's own registers, and checked against rules",
    Basis.ATTESTED: "signed by a named person, and not expired",
}

_OVERRIDES = 5
_WEAK = 5


@dataclass(frozen=True, slots=True)
class Headline:
    """One sentence about a run, and the worst status that it must be shown as."""

    text: str
    tone: Status


def headline(run: Run) -> Headline:
    """The sentence and tone of `run`; never better than its worst claim, and an incomplete run is never better than inconclusive."""
    counts = run.counts()
    decided = counts[Status.UPHELD] + counts[Status.REFUTED]
    parts: list[str] = []
    if not run.claims:
        parts.append("Nothing was audited: the run holds no claim")
    elif counts[Status.REFUTED]:
        parts.append(f"{counts[Status.REFUTED]} of {several(decided, 'decided claim')} refuted")
        if counts[Status.UPHELD]:
            parts[0] += f", {counts[Status.UPHELD]} upheld"
    elif decided == len(run.claims):
        parts.append(f"All {several(decided, 'claim')} upheld" if decided > 1 else "The one claim is upheld")
    elif decided:
        parts.append(f"{decided} of {several(decided, 'decided claim')} upheld")
    else:
        parts.append("No claim was decided")
    for status, words in (
        (Status.INCONCLUSIVE, "inconclusive"),
        (Status.LAPSED, "lapsed"),
        (Status.ATTESTED, "attested"),
        (Status.UNCOVERED, "not yet covered"),
    ):
        if counts[status]:
            parts.append(f"{counts[status]} {words}")
    text = "; ".join(parts)
    tone = max((claim.status for claim in run.claims), key=lambda status: status.rank, default=Status.INCONCLUSIVE)
    if not whole(run):
        text = f"Incomplete run: {text[0].lower()}{text[1:]}"
        tone = max(tone, Status.INCONCLUSIVE, key=lambda status: status.rank)
    return Headline(text, tone)


def notices(run: Run) -> tuple[str, ...]:
    """What a reader must know beside the headline, weightiest first."""
    results = checks(run)
    uncalibrated = sum(not one.calibrated for one in results)
    said: list[str] = []
    if not run.complete:
        said.append("This run did not complete. What it did not reach is inconclusive.")
    if len(results) != run.planned:
        said.append(f"{several(run.planned, 'check')} planned, but {several(len(results), 'result')} reported.")
    if run.target.sabotages:
        said.append(f"The target was started with defects put in on purpose: {', '.join(run.target.sabotages)}.")
    if run.selected:
        of = (
            f"{len(run.claims)} of the policy's {several(run.policy_claims, 'claim')}"
            if run.policy_claims
            else "selected claims"
        )
        said.append(f"Only {of} were audited: {', '.join(run.selected)}.")
    if run.target.samples:
        said.append(f"Recorded samples, not this deployment, stand in for: {', '.join(run.target.samples)}.")
    if uncalibrated:
        said.append(
            f"{uncalibrated} of {several(len(results), 'check')} not calibrated: nothing shows yet that they can fail."
        )
    expired = sum(waiver.expired for waiver in run.waivers)
    if expired:
        said.append(f"{several(expired, 'waiver')} expired and counted for nothing.")
    if run.overrides:
        changed = [f"{one.claim} {one.check} {one.parameter}: {one.base} became {one.value}" for one in run.overrides]
        more = f"; and {len(changed) - _OVERRIDES:,} more" if len(changed) > _OVERRIDES else ""
        said.append(
            f"{several(len(changed), 'parameter')} changed by an overlay: {'; '.join(changed[:_OVERRIDES])}{more}."
        )
    weak = [f"{claim}: {weakness}" for claim, weakness in of_run(run)]
    if weak:
        more = f"; and {len(weak) - _WEAK:,} more" if len(weak) > _WEAK else ""
        said.append(f"Words that promise more than what was checked. {'; '.join(weak[:_WEAK])}{more}.")
    return (*said, *run.notes)


def whole(run: Run) -> bool:
    """Whether the run says that it completed, and every planned check has its result."""
    return run.complete and len(checks(run)) == run.planned


def checks(run: Run) -> tuple[CheckResult, ...]:
    """Every check's result, in the order of the claims."""
    return tuple(one for claim in run.claims for one in claim.checks)


def tone(result: CheckResult) -> Status:
    """What a check's verdict is shown like; a pass that only a person vouches for never looks upheld."""
    if result.verdict is Verdict.PASS:
        return Status.ATTESTED if result.basis is Basis.ATTESTED else Status.UPHELD
    return {Verdict.FAIL: Status.REFUTED, Verdict.INCONCLUSIVE: Status.INCONCLUSIVE}.get(
        result.verdict, Status.UNCOVERED
    )


def why(claim: ClaimResult) -> str:
    """Why `claim` has its status: its own reason, else what its checks or the claims that decide it say."""
    if claim.reason:
        return claim.reason
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        for one in claim.checks:
            if one.verdict is verdict and one.reason:
                return f"{one.id}: {one.reason}"
    if claim.status is Status.UPHELD or claim.status is Status.ATTESTED:
        return ""
    return f"decided by {', '.join(claim.decided_by)}" if claim.decided_by else "no reason was recorded"


def several(count: int, noun: str) -> str:
    """`count` and `noun`, in the plural unless it is one."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
