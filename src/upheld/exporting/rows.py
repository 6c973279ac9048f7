"""What every export lists: the claims of a run, and what a reader must know of the run itself, as rows of one kind.

A run that broke off, that audited nothing or only selected claims has rows which say so, because a list of good claims
would hide it. Nothing here judges: a claim's row stands for the status that the run gives it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from upheld.model import CheckResult, ClaimResult, FindingRecord, Run, Severity, Status, Verdict, Waiver
from upheld.reporting.headline import MEANINGS, notices, several, whole, why
from upheld.reporting.text import unused


class Shown(StrEnum):
    """What a row stands for, best first: a claim's status, or that a part of the policy was left out of the run."""

    UPHELD = "upheld"
    ATTESTED = "attested"
    PARTIAL = "partial"
    UNCOVERED = "uncovered"
    LAPSED = "lapsed"
    INCONCLUSIVE = "inconclusive"
    REFUTED = "refuted"


CAME_TO_ITS_END = "run-came-to-its-end"
AUDITED_SOMETHING = "run-audited-something"
COVERS_THE_POLICY = "run-covers-the-policy"
"""The rows about the run itself, which are there where they are not true."""

MEANS: dict[Shown, str] = {
    Shown.PARTIAL: "Only selected claims of the policy were audited.",
    **{Shown(status.value): words for status, words in MEANINGS.items()},
}
"""What each means, in words."""


@dataclass(frozen=True, slots=True)
class Row:
    """One claim of a run, or one thing about the run itself (then `about_run`, and there are no checks).

    `reason` says why it is not upheld, and is empty where there is nothing to say.
    """

    id: str
    statement: str
    section: str
    severity: Severity
    shown: Shown
    reason: str
    claim: ClaimResult
    about_run: bool = False

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The results that the row rests on."""
        return self.claim.checks

    @property
    def seconds(self) -> float:
        """How long its checks took, together."""
        return sum(one.seconds for one in self.checks if 0 <= one.seconds < float("inf"))

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """The waivers that have not expired."""
        return tuple(one for one in self.claim.waivers if not one.expired)

    def open_findings(self) -> Iterator[tuple[CheckResult, FindingRecord]]:
        """Every finding that did not pass, failures before what could not be seen, with its check."""
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            for check in self.checks:
                for finding in check.findings:
                    if finding.verdict is verdict:
                        yield check, finding


def rows(run: Run) -> tuple[Row, ...]:
    """What the run is, where that is less than a whole one, then its claims in their order. No two have the same id."""
    taken = {claim.id for claim in run.claims}
    seen: set[str] = set()
    made = [_about_run(unused(name, taken), *what) for name, what in _short_of_whole(run).items()]
    for claim in run.claims:
        reason = why(claim)
        shown = Shown(claim.status.value)
        name = unused(claim.id, seen)
        made.append(Row(name, claim.statement, claim.section, claim.severity, shown, reason, claim))
    return tuple(made)


def aged(run: Run, today: date) -> Run:
    """`run` with every waiver marked as expired that has expired by `today`, or whose date cannot be read."""

    def judged(waivers: tuple[Waiver, ...]) -> tuple[Waiver, ...]:
        return tuple(dataclasses.replace(one, expired=one.expired or _expired(one, today)) for one in waivers)

    claims = tuple(dataclasses.replace(claim, waivers=judged(claim.waivers)) for claim in run.claims)
    return dataclasses.replace(run, claims=claims, waivers=judged(run.waivers))


def covers(waiver: Waiver, check: str, subject: str) -> bool:
    """Whether an unexpired waiver names that finding; one that names no check or no subject covers all of them."""
    return not waiver.expired and waiver.check in {"", check} and waiver.subject in {"", subject}


def spelled(waiver: Waiver) -> str:
    """A waiver in one sentence."""
    state = "waiver expired on" if waiver.expired else "waived until"
    about = ", ".join(filter(None, (waiver.check, waiver.subject)))
    return f"{state} {waiver.expires} by {waiver.approver}{f' for {about}' if about else ''}: {waiver.reason}"


def said(finding: FindingRecord) -> str:
    """What a finding says beside its subject."""
    if finding.verdict is Verdict.INCONCLUSIVE:
        return f"not observed: {finding.reason}; expected: {finding.expected}"
    return f"observed: {finding.observed}; expected: {finding.expected}"


def _short_of_whole(run: Run) -> dict[str, tuple[str, Shown, str]]:
    """What the run lacks, each with a sentence that is not true of it, what that is shown as, and the reason."""
    lacks: dict[str, tuple[str, Shown, str]] = {}
    if not whole(run):
        reason = "; ".join(notices(run)[: 1 if run.complete else 2])
        statement = "The run came to its end: every planned check has its result."
        lacks[CAME_TO_ITS_END] = (statement, Shown.INCONCLUSIVE, reason)
    if not run.claims:
        lacks[AUDITED_SOMETHING] = (
            "The run audited at least one claim.", Shown.INCONCLUSIVE, "The run holds no claim.",
        )  # fmt: skip
    if run.selected:
        of = f"{len(run.claims)} of the policy's {several(run.policy_claims, 'claim')}" if run.policy_claims else ""
        reason = f"Only {of or several(len(run.selected), 'selected claim')} audited: {', '.join(run.selected)}."
        lacks[COVERS_THE_POLICY] = ("The run audited the whole policy.", Shown.PARTIAL, reason)
    return lacks


def _about_run(name: str, statement: str, shown: Shown, reason: str) -> Row:
    status = Status.UNCOVERED if shown is Shown.PARTIAL else Status(shown.value)
    claim = ClaimResult(name, statement, "The run itself", Severity.HIGH, "", {}, status, None, reason, ())
    return Row(name, statement, claim.section, claim.severity, shown, reason, claim, about_run=True)


def _expired(waiver: Waiver, today: date) -> bool:
    try:
        return date.fromisoformat(waiver.expires) < today
    except ValueError:
        return True
