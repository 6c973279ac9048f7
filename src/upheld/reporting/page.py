"""What the page shows of a run, cut to what a browser can carry: plain values that the template only has to lay out.

Everything that is left out of the page for its length is counted, and stands in `run.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import PydanticSerializationError, to_json

from upheld.model import CheckResult, ClaimResult, FindingRecord, Observation, Plain, Run, Severity, Status, Verdict
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
    anchor: str
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
    anchor: str
    parameters: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the claims of a run can be filtered by; a filter names each by its number, counted from 1."""

    severities: tuple[str, ...]
    owners: tuple[str, ...]
    frameworks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attention:
    """The claims that somebody must look at, as many as are listed, and how many are not."""

    claims: tuple[ClaimResult, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ClaimView:
    """One claim, with the name that links to it, the filter's numbers, and what its folded evidence must still tell."""

    result: ClaimResult
    anchor: str
    severity: int
    owner: int
    frameworks: tuple[int, ...]
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


def choices(run: Run) -> Choices:
    """The severities (worst first), owners and frameworks that occur in `run`."""
    severities = {claim.severity for claim in run.claims}
    return Choices(
        tuple(one for one in Severity if one in severities),
        tuple(sorted({claim.owner for claim in run.claims if claim.owner})),
        tuple(dict.fromkeys(name for claim in run.claims for name in claim.references)),
    )


def attention(run: Run) -> Attention:
    """The claims of `run` that are refuted, inconclusive or lapsed, the worst and most severe first."""
    severities = list(Severity)
    wanted = [one for one in run.claims if one.status in {Status.REFUTED, Status.INCONCLUSIVE, Status.LAPSED}]
    wanted.sort(key=lambda one: (-one.status.rank, severities.index(one.severity)))
    return Attention(tuple(wanted[:MOST_LISTED]), max(0, len(wanted) - MOST_LISTED))


def sections(run: Run) -> tuple[Section, ...]:
    """The claims of `run` by section, in the policy's order."""
    making = _Making(choices(run))
    by_name: dict[str, list[ClaimView]] = {}
    for claim in run.claims:
        by_name.setdefault(claim.section, []).append(making.claim(claim))
    return tuple(
        Section(name or "Claims without a section", making.anchor(f"section-{name}"), tuple(claims))
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


def recipes(run: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """By which recipes that nobody wrote objects were made in the target, and what none followed for, as the probe recorded it."""
    made: dict[str, None] = {}
    left: dict[str, None] = {}
    for claim in run.claims:
        for one in (look for each in claim.checks for look in each.observations if look.look == "plant"):
            if isinstance(one.value, dict):
                for name, found in (("inferred", made), ("not_inferred", left)):
                    several = one.value.get(name)
                    found.update(dict.fromkeys(map(str, several if isinstance(several, list) else ())))
    return tuple(made), tuple(left)


def laid_out(value: Plain) -> str:
    """`value` as text for a person: a string as it is, everything else as indented JSON."""
    if isinstance(value, str):
        return value
    try:
        return to_json(value, indent=2, inf_nan_mode="constants").decode()
    except (PydanticSerializationError, ValueError):
        # What does not fit into JSON as it is sent can be shown all the same.
        return json.dumps(value, indent=2, ensure_ascii=False)


def inline(value: Plain) -> str:
    """`value` on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def anchor_text(text: str) -> str:
    """What `text` is called in a link to a part of the page, where no other part is called alike."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


class _Making:
    """What the parts of one page share: the names that lead to them, and the characters that may still be spent."""

    def __init__(self, offered: Choices) -> None:
        self._left = dict(BUDGET)
        self._taken: set[str] = set()
        self._severities = {name: number for number, name in enumerate(offered.severities, 1)}
        self._owners = {name: number for number, name in enumerate(offered.owners, 1)}
        self._frameworks = {name: number for number, name in enumerate(offered.frameworks, 1)}

    def anchor(self, text: str) -> str:
        """A name for a part of the page that no other part has."""
        return unused(anchor_text(text), self._taken)

    def claim(self, claim: ClaimResult) -> ClaimView:
        """One claim as it is shown."""
        good = claim.status in {Status.UPHELD, Status.ATTESTED}
        anchor = self.anchor(f"claim-{claim.id}")
        return ClaimView(
            result=claim,
            anchor=anchor,
            severity=self._severities[claim.severity],
            owner=self._owners.get(claim.owner, 0),
            frameworks=tuple(self._frameworks[name] for name in claim.references),
            checks=tuple(self._check(one, anchor) for one in claim.checks),
            # A failing finding says it better than the reason made of it.
            reason="" if good or any(one.verdict is Verdict.FAIL for one in claim.checks) else why(claim),
            open=claim.status in {Status.REFUTED, Status.INCONCLUSIVE, Status.LAPSED},
            subjects=sum(one.population.probed for one in claim.checks),
            left_out=sum(len(one.population.left_out) for one in claim.checks),
            uncalibrated=sum(not one.calibrated for one in claim.checks),
        )

    def _check(self, result: CheckResult, claim: str) -> CheckView:
        by_id = {one.id: one for one in result.observations}
        by_verdict: dict[Verdict, list[FindingRecord]] = {}
        for finding in result.findings:
            by_verdict.setdefault(finding.verdict, []).append(finding)
        return CheckView(
            result=result,
            tone=tone(result),
            anchor=self.anchor(f"{claim}.{result.id}"),
            parameters=tuple((name, inline(value)) for name, value in result.parameters.items()),
            groups=tuple(
                self._group(verdict, by_verdict[verdict], by_id)
                for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
                if verdict in by_verdict
            ),
        )

    def _group(self, verdict: Verdict, findings: list[FindingRecord], by_id: dict[str, Observation]) -> Group:
        shown: list[Shown] = []
        for finding in findings[: MOST_FINDINGS[verdict]]:
            if self._left[verdict] <= 0:
                break
            made = [_look(by_id[name]) for name in finding.observations[:MOST_OBSERVATIONS] if name in by_id]
            name = self.anchor(f"finding-{finding.fingerprint}")
            shown.append(Shown(finding, name, tuple(made), len(finding.observations) - len(made)))
            self._left[verdict] -= (
                400
                + min(len(finding.observed), MOST_CHARACTERS)
                + sum(400 + len(look.value) + len(look.arguments) for look in made)
            )
        return Group(verdict, len(findings), tuple(shown))


def _look(source: Observation) -> Look:
    value = laid_out(source.value)
    arguments = inline(source.arguments) if source.arguments else ""
    return Look(source, arguments[:MOST_CHARACTERS], value[:MOST_CHARACTERS], len(value))
