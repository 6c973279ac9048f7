"""What the page shows of a run, cut to what a browser can carry: plain values that the template only has to lay out.

Everything that is left out of the page for its length is counted, and stands in `run.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from upheld.model import CheckResult, ClaimResult, FindingRecord, Observation, Plain, Run, Status, Verdict
from upheld.reporting.headline import tone, why
from upheld.reporting.text import unused

MOST_FINDINGS: dict[Verdict, int] = {Verdict.FAIL: 100, Verdict.INCONCLUSIVE: 50, Verdict.PASS: 50}
"""Findings of one check that the page shows, by verdict."""
MOST_OBSERVATIONS = 3
"""Observations that the page shows under one finding."""
MOST_CHARACTERS = 2_000
"""Characters of one observation's value that the page shows."""
BUDGET: dict[Verdict, int] = {Verdict.FAIL: 3_000_000, Verdict.INCONCLUSIVE: 1_000_000, Verdict.PASS: 2_000_000}
"""Characters of findings and observations that the whole page spends on each verdict; once spent, they are only counted."""
MOST_LISTED = 100
"""Entries of one list of what was not looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """One observation, as text."""

    source: Observation
    arguments: str
    value: str
    characters: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding with the observations that are shown, and how many are not."""

    finding: FindingRecord
    looks: tuple[Look, ...]
    more_looks: int


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one verdict in one check: how many there are, and those that are shown."""

    verdict: Verdict
    count: int
    shown: tuple[Shown, ...]

    @property
    def more(self) -> int:
        """How many are only in run.json."""
        return self.count - len(self.shown)


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check's result, with its findings grouped by verdict."""

    result: CheckResult
    tone: Status
    parameters: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class ClaimView:
    """One claim, with the name that links to it, and what its folded evidence must still tell."""

    result: ClaimResult
    anchor: str
    checks: tuple[CheckView, ...]
    reason: str
    open: bool
    subjects: int
    left_out: int
    uncalibrated: int


@dataclass(frozen=True, slots=True)
class Section:
    """The claims of one section of the published page."""

    name: str
    anchor: str
    claims: tuple[ClaimView, ...]

    @property
    def counts(self) -> tuple[tuple[Status, int], ...]:
        """How many claims came to each status, the worst first, those that occur."""
        found = [claim.result.status for claim in self.claims]
        return tuple((status, found.count(status)) for status in reversed(Status) if status in found)


@dataclass(frozen=True, slots=True)
class Unseen:
    """Subjects that one check found and did not judge, each with the reason."""

    check: str
    claim: str
    entries: tuple[tuple[str, str], ...]
    more: int


def sections(run: Run) -> tuple[Section, ...]:
    """The claims of `run` by section, in the policy's order."""
    left = dict(BUDGET)
    by_name: dict[str, list[ClaimView]] = {}
    anchors: set[str] = set()
    for claim in run.claims:
        by_name.setdefault(claim.section, []).append(_claim(claim, _anchor(f"claim-{claim.id}", anchors), left))
    return tuple(
        Section(name or "Claims without a section", _anchor(f"section-{name}", anchors), tuple(claims))
        for name, claims in by_name.items()
    )


def unseen(run: Run, verdict: Verdict | None) -> tuple[Unseen, ...]:
    """For each check the subjects that it could not observe (`INCONCLUSIVE`), or left out on purpose (None)."""
    found: list[Unseen] = []
    for claim in run.claims:
        for one in claim.checks:
            if verdict is None:
                entries: Sequence[tuple[str, str]] = one.population.left_out
            else:
                entries = [(each.subject, each.reason) for each in one.findings if each.verdict is verdict]
            if entries:
                found.append(Unseen(one.id, claim.id, tuple(entries[:MOST_LISTED]), max(0, len(entries) - MOST_LISTED)))
    return tuple(found)


def laid_out(value: Plain) -> str:
    """`value` as text for a person: a string as it is, everything else as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def inline(value: Plain) -> str:
    """`value` on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _claim(claim: ClaimResult, anchor: str, left: dict[Verdict, int]) -> ClaimView:
    good = claim.status in {Status.UPHELD, Status.ATTESTED}
    return ClaimView(
        result=claim,
        anchor=anchor,
        checks=tuple(_check(one, left) for one in claim.checks),
        # A failing finding says it better than the reason made of it.
        reason="" if good or any(one.verdict is Verdict.FAIL for one in claim.checks) else why(claim),
        open=claim.status in {Status.REFUTED, Status.INCONCLUSIVE, Status.LAPSED},
        subjects=sum(one.population.probed for one in claim.checks),
        left_out=sum(len(one.population.left_out) for one in claim.checks),
        uncalibrated=sum(not one.calibrated for one in claim.checks),
    )


def _check(result: CheckResult, left: dict[Verdict, int]) -> CheckView:
    by_id = {one.id: one for one in result.observations}
    by_verdict: dict[Verdict, list[FindingRecord]] = {}
    for finding in result.findings:
        by_verdict.setdefault(finding.verdict, []).append(finding)
    return CheckView(
        result=result,
        tone=tone(result),
        parameters=tuple((name, inline(value)) for name, value in result.parameters.items()),
        groups=tuple(
            _group(verdict, by_verdict[verdict], by_id, left)
            for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
            if verdict in by_verdict
        ),
    )


def _group(
    verdict: Verdict, findings: list[FindingRecord], by_id: dict[str, Observation], left: dict[Verdict, int]
) -> Group:
    shown: list[Shown] = []
    for finding in findings[: MOST_FINDINGS[verdict]]:
        if left[verdict] <= 0:
            break
        made = [_look(by_id[name]) for name in finding.observations[:MOST_OBSERVATIONS] if name in by_id]
        shown.append(Shown(finding, tuple(made), len(finding.observations) - len(made)))
        left[verdict] -= (
            400
            + min(len(finding.observed), MOST_CHARACTERS)
            + sum(400 + len(look.value) + len(look.arguments) for look in made)
        )
    return Group(verdict, len(findings), tuple(shown))


def _look(source: Observation) -> Look:
    value = laid_out(source.value)
    arguments = inline(source.arguments) if source.arguments else ""
    return Look(source, arguments[:MOST_CHARACTERS], value[:MOST_CHARACTERS], len(value))


def _anchor(text: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
    return unused(base, taken)
