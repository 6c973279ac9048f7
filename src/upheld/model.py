"""The frozen model: what a check says, what a probe saw, and what a run is made of.

Nothing here looks at a target or judges; `upheld.judging` decides verdicts and statuses, probes make observations.
All of it is plain data that survives JSON, because it crosses process borders and is kept as evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from typing_extensions import TypeAliasType

# A named alias, because pydantic cannot follow an implicit recursive one.
Plain = TypeAliasType("Plain", "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None")
"""A value that JSON can carry."""


def timestamp(moment: datetime) -> str:
    """`moment`, which must be in UTC, as every record of a run writes it: RFC 3339 with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Basis(StrEnum):
    """How a claim is known, strongest first."""

    OBSERVED = "observed"
    INSPECTED = "inspected"
    RECORDED = "recorded"
    ATTESTED = "attested"

    @classmethod
    def weakest(cls, bases: Sequence[Basis]) -> Basis:
        """The weakest of `bases`; raises ValueError when there is none."""
        return max(bases, key=list(cls).index)


class Verdict(StrEnum):
    """What a check, or one of its findings, came to."""

    PASS = "pass"  # noqa: S105  (a verdict)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"


class Status(StrEnum):
    """What a claim came to, best first. Roll-ups take the worst."""

    UPHELD = "upheld"
    ATTESTED = "attested"
    UNCOVERED = "uncovered"
    LAPSED = "lapsed"
    INCONCLUSIVE = "inconclusive"
    REFUTED = "refuted"

    @property
    def rank(self) -> int:
        """0 for the best; the worst status of a roll-up has the highest rank."""
        return list(Status).index(self)


class Severity(StrEnum):
    """How much it hurts when a claim does not hold, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


# --- what a check yields -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's judgement on one subject. `seen` names values that looks returned; empty means all since the last yield."""

    subject: object
    passed: bool
    expected: str
    observed: str
    seen: tuple[object, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class NotObserved:
    """One subject that could not be observed, with the reason; the check goes on with the next."""

    subject: object
    reason: str
    expected: str = ""
    seen: tuple[object, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One subject that the check found and did not probe, with the reason (public by design, excluded by the target)."""

    subject: object
    reason: str


# --- what is kept --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observation:
    """One look of a probe, redacted: `value` is what it saw, or `reason` says why it could not look (then `seen` is False).

    `at` is UTC in RFC 3339, `seconds` how long the look took, `vantage` from where it was made.
    """

    id: str
    probe: str
    look: str
    arguments: Plain
    seen: bool
    value: Plain
    reason: str
    at: str
    seconds: float
    vantage: str


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A finding as it is kept: with its fingerprint and the ids of the observations that it rests on."""

    fingerprint: str
    subject: str
    verdict: Verdict
    expected: str
    observed: str
    reason: str
    observations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Population:
    """How many subjects a check found, how many it probed, and which it left out and why."""

    found: int
    probed: int
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedCheck:
    """One use of a check by one claim. `key` is its identity; node ids and positions are not.

    `exclusive` checks disturb the running system, so that of all others only those may run beside them that are `detached` from it.
    `intrusive` ones change it, so that none of them runs beside one that is to be `undisturbed`.
    """

    key: str
    claim: str
    check: str
    parameters: Mapping[str, Plain]
    basis: Basis
    title: str
    code_digest: str
    exclusive: bool = False
    detached: bool = False
    intrusive: bool = False
    undisturbed: bool = False
    not_applicable: str = ""
    line: int = 0

    @staticmethod
    def make_key(policy_digest: str, claim: str, check: str, parameters_json: str) -> str:
        """The identity of a planned check: 16 hexadecimal digits over policy, claim, check and parameters."""
        text = "\0".join((policy_digest, claim, check, parameters_json))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one planned check came to."""

    key: str
    claim: str
    id: str
    title: str
    basis: Basis
    parameters: Mapping[str, Plain]
    code_digest: str
    verdict: Verdict
    reason: str
    findings: tuple[FindingRecord, ...]
    observations: tuple[Observation, ...]
    population: Population
    started: str
    seconds: float
    sabotages_caught: tuple[str, ...] = ()
    calibrated: bool = False
    origin: str = ""
    """From where the result was taken over, when the run did not look by itself; `started` is when it was looked at."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """An accepted deviation. It changes no status; only the gate takes it into account, until it expires."""

    claim: str
    reason: str
    approver: str
    expires: str
    check: str = ""
    subject: str = ""
    expired: bool = False


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What one published claim came to, with all that it rests on."""

    id: str
    statement: str
    section: str
    severity: Severity
    owner: str
    references: Mapping[str, tuple[str, ...]]
    status: Status
    basis: Basis | None
    reason: str
    checks: tuple[CheckResult, ...]
    decided_by: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    gated: bool = True
    note: str = ""
    accept_attested: bool = False
    """Whether the policy's gate lets the claim through when it is attested."""
    sabotages_seeded: tuple[str, ...] = ()
    """The defects that break this claim, which the embedded reference can be started with."""

    @property
    def sabotages_caught(self) -> tuple[str, ...]:
        """Those of them that at least one of its checks is known to find."""
        caught = {name for check in self.checks for name in check.sabotages_caught}
        return tuple(name for name in self.sabotages_seeded if name in caught)


@dataclass(frozen=True, slots=True)
class Override:
    """A parameter that an overlay changed, shown in every report."""

    file: str
    claim: str
    check: str
    parameter: str
    base: Plain
    value: Plain


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """What was audited, without secrets."""

    name: str
    environment: str
    source: str
    digest: str
    vantage: str
    sabotages: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    tree: str = ""
    """The git tree of the repository's files that were looked at; empty where there is none, or it changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Run:
    """Everything one audit produced. Every output is a view of this object; none judges again."""

    format: str
    id: str
    started: str
    finished: str
    seconds: float
    complete: bool
    target: TargetSummary
    policy: str
    policy_digest: str
    versions: Mapping[str, str]
    planned: int
    claims: tuple[ClaimResult, ...]
    sentences_without_promise: tuple[tuple[str, str], ...] = ()
    overrides: tuple[Override, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    selected: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    policy_claims: int | None = None
    """How many claims the policy has, audited in this run or not; None in a run.json that was written before this was kept."""

    def counts(self) -> dict[Status, int]:
        """How many claims came to each status, every status named."""
        return {status: sum(claim.status is status for claim in self.claims) for status in Status}
