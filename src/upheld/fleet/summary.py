"""What a fleet came to: a line for each target, the claims most often broken, the same defect over many targets, and targets out of line.

Nothing here judges: statuses are those of the runs. What no run says is not observed (None), and never counts as upheld. Runs are read
one at a time and let go at once; what is kept of each is its line and its defects.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from upheld.errors import InputError
from upheld.fleet import told
from upheld.fleet.sameness import Own, observed, subject
from upheld.fleet.state import RAN, FleetRun, MemberRun
from upheld.model import Severity, Status, Verdict, Waiver

WEIGHTS: dict[Severity, int] = {Severity.CRITICAL: 8, Severity.HIGH: 4, Severity.MEDIUM: 2, Severity.LOW: 1}
"""How much a claim of each severity counts where the worst is put first."""
NEARLY_ALL = 0.9
"""The share of the other targets that uphold a claim from which on one that refutes it is out of line."""
FEWEST = 3
"""How many others must have been decided before a target can be out of line with them."""
RANKS: tuple[Status | None, ...] = (
    Status.UPHELD, Status.ATTESTED, Status.UNCOVERED, Status.LAPSED, Status.INCONCLUSIVE, None, Status.REFUTED,
)  # fmt: skip
"""Every status best first, and where what was not observed stands among them: worse than all but refuted."""
WORST_FIRST: tuple[Status | None, ...] = tuple(reversed(RANKS))
_HOLDS = frozenset({Status.UPHELD, Status.ATTESTED})
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST = 2_000
"""Characters of one text that are kept to be shown."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A claim in which a target is unlike nearly all others of its policy: refuted, or not decided, where they uphold it."""

    claim: str
    status: Status | None
    upheld: int
    others: int


@dataclass(frozen=True, slots=True)
class Line:
    """One target: what each claim of its policy came to (None: not observed), the worst of it, and in what it is out of line.

    `broken` counts its refuted claims by severity, `score` is the sum of their weights and `unseen` that of the claims not decided;
    `unlike` is the sum over its departures, each the heavier the fewer targets share it.
    """

    name: str
    policy: str
    ran: bool
    reason: str
    statuses: Mapping[str, Status | None]
    score: int
    unseen: int
    broken: Mapping[Severity, int] = field(default_factory=dict)
    folder: str = ""
    started: str = ""
    whole: bool = True
    selected: int = 0
    resumed: bool = False
    departures: tuple[Departure, ...] = ()
    unlike: float = 0.0

    @property
    def worst(self) -> Status | None:
        """The worst of its claims; not observed where one of them was not, unless one is refuted."""
        return max(self.statuses.values(), key=RANKS.index, default=None) if self.ran else None

    def count(self, status: Status | None) -> int:
        """How many of its claims came to `status`."""
        return sum(one is status for one in self.statuses.values())


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One claim of a policy over all its targets."""

    id: str
    statement: str
    severity: Severity
    counts: Mapping[Status | None, int]

    @property
    def refuted(self) -> int:
        """On how many targets it is refuted."""
        return self.counts.get(Status.REFUTED, 0)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A defect on one target: how many findings there say it, how many of these are waived, and the first as it is written there."""

    target: str
    folder: str
    fingerprint: str
    subject: str
    observed: str
    findings: int
    waived: int


@dataclass(frozen=True, slots=True)
class Group:
    """The same defect on the targets that have it, all of them; see `upheld.fleet.sameness` for what is the same."""

    policy: str
    claim: str
    statement: str
    severity: Severity
    check: str
    title: str
    subject: str
    observed: str
    on: tuple[Occurrence, ...]

    @property
    def score(self) -> int:
        """Its claim's weight times the targets that have it."""
        return WEIGHTS[self.severity] * len(self.on)


@dataclass(frozen=True, slots=True)
class Unseen:
    """A reason for which something was not observed, the claims that it left open, and the targets; no claims: all of them."""

    reason: str
    claims: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyPart:
    """The targets of one policy, worst first, and its claims, the most often broken first."""

    name: str
    claims: tuple[ClaimLine, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a fleet came to."""

    run: FleetRun
    policies: tuple[PolicyPart, ...]
    groups: tuple[Group, ...]
    unseen: tuple[Unseen, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every target of the fleet, worst first."""
        return tuple(sorted((line for part in self.policies for line in part.lines), key=_badness))


def summarise(run: FleetRun, folder: Path, hosts: Mapping[str, Collection[str]] | None = None) -> Summary:
    """What the runs in a fleet's folder come to; `hosts` are the host names that are each target's own.

    A target whose run cannot be read, or is another than its account says, is not observed, with the reason.
    """
    collected = Collected(run.finished[:10])
    for member in run.members:
        found = _read(member, folder)
        if isinstance(found, told.Told):
            collected.take(member, found, Own((hosts or {}).get(member.name, ())))
        else:
            collected.miss(member, found)
    return collected.summary(run)


def _read(member: MemberRun, folder: Path) -> told.Told | str:
    if member.state != RAN:
        return member.reason or "no reason was recorded"
    place = (folder / member.folder).resolve()
    if not member.folder or not place.is_relative_to(folder.resolve()):
        return "its reports lie outside of the fleet's folder"
    try:
        found = told.read(place / "run.json")
    except InputError as error:
        return f"its run.json {error.mistakes[0].message}" if error.mistakes else "its run.json cannot be read"
    return found if found.id == member.run else "its run.json is of another run"


@dataclass(slots=True)
class _Defect:
    """A defect while runs are read."""

    statement: str
    check: str
    title: str
    subject: str
    observed: str
    on: dict[str, Occurrence] = field(default_factory=dict)


@dataclass(slots=True)
class _Policy:
    """A policy while runs are read: its claims in their order, and its targets."""

    statements: dict[str, str] = field(default_factory=dict)
    severities: dict[str, Severity] = field(default_factory=dict)
    members: list[tuple[MemberRun, told.Told | None, str, dict[str, Status]]] = field(default_factory=list)


class Collected:
    """What is kept of the runs that were read; `day` (RFC 3339) is that on which waivers are judged."""

    def __init__(self, day: str) -> None:
        self._day = day
        self._policies: dict[str, _Policy] = {}
        self._defects: dict[tuple[str, str, str], _Defect] = {}
        self._unseen: dict[tuple[str, bool], tuple[dict[str, None], dict[str, None]]] = {}

    def miss(self, member: MemberRun, reason: str) -> None:
        """Take in a target of which there is no run."""
        self._policies.setdefault(member.policy, _Policy()).members.append((member, None, reason, {}))
        self._unseen.setdefault((observed(reason, Own()), False), ({}, {}))[1][member.name] = None

    def take(self, member: MemberRun, run: told.Told, own: Own) -> None:
        """Take in what the run of a target came to."""
        policy = self._policies.setdefault(member.policy, _Policy())
        statuses: dict[str, Status] = {}
        for claim in run.claims:
            policy.statements.setdefault(claim.id, claim.statement)
            known = policy.severities.get(claim.id, claim.severity)
            policy.severities[claim.id] = max(known, claim.severity, key=WEIGHTS.__getitem__)
            statuses[claim.id] = max(statuses.get(claim.id, claim.status), claim.status, key=RANKS.index)
            self._take_claim(member, claim, own)
        head = told.Told(run.format, run.id, run.started, run.whole, 0, run.policy, (), run.selected)
        policy.members.append((member, head, "", statuses))

    def _take_claim(self, member: MemberRun, claim: told.Claim, own: Own) -> None:
        said = False
        for check in claim.checks:
            failing = [one for one in check.findings if one.verdict is Verdict.FAIL]
            for one in failing:
                self._defect(member, claim, check, own, one.subject, one.observed or one.reason, one.fingerprint)
            if check.verdict is Verdict.FAIL and not failing:
                self._defect(member, claim, check, own, "", check.reason, "")
            reasons = [one.reason for one in check.findings if one.verdict is Verdict.INCONCLUSIVE]
            if check.verdict is Verdict.INCONCLUSIVE and not reasons:
                reasons = [check.reason]
            for reason in reasons:
                said = True
                self._not_seen(member, claim.id, reason, own)
        if claim.status in {Status.INCONCLUSIVE, Status.LAPSED} and not said and not claim.decided_by:
            self._not_seen(member, claim.id, claim.reason, own)

    def _not_seen(self, member: MemberRun, claim: str, reason: str, own: Own) -> None:
        key = (observed(reason or "no reason was recorded", own)[:_LONGEST], True)
        claims, targets = self._unseen.setdefault(key, ({}, {}))
        claims[claim] = targets[member.name] = None

    def _defect(
        self, member: MemberRun, claim: told.Claim, check: told.Check, own: Own, about: str, seen: str, fingerprint: str
    ) -> None:
        what, came = subject(about, own), observed(seen, own)
        mark = hashlib.sha256(json.dumps([check.id, check.set_to, what, came]).encode()).hexdigest()
        made = self._defects.get((member.policy, claim.id, mark))
        if made is None:
            made = _Defect(claim.statement, check.id, check.title, what[:_LONGEST], came[:_LONGEST])
            self._defects[member.policy, claim.id, mark] = made
        before = made.on.get(member.name)
        waived = any(self._covers(one, check.id, about) for one in claim.waivers)
        made.on[member.name] = Occurrence(
            member.name,
            member.folder,
            before.fingerprint if before else fingerprint,
            before.subject if before else about[:_LONGEST],
            before.observed if before else seen[:_LONGEST],
            (before.findings if before else 0) + 1,
            (before.waived if before else 0) + waived,
        )

    def _covers(self, waiver: Waiver, check: str, about: str) -> bool:
        """Whether a waiver names that finding and counts on the day; one whose date cannot be read does not."""
        counts = not waiver.expired and _DAY.fullmatch(waiver.expires) is not None and waiver.expires >= self._day
        return counts and waiver.check in {"", check} and waiver.subject in {"", about}

    def summary(self, run: FleetRun) -> Summary:
        """What it all comes to."""
        parts = tuple(_part(name, policy) for name, policy in self._policies.items())
        place = {line.name: number for part in parts for number, line in enumerate(part.lines)}
        groups = [
            Group(
                policy=policy,
                claim=claim,
                statement=one.statement,
                severity=self._policies[policy].severities[claim],
                check=one.check,
                title=one.title,
                subject=one.subject,
                observed=one.observed,
                on=tuple(sorted(one.on.values(), key=lambda each: place[each.target])),
            )
            for (policy, claim, _), one in self._defects.items()
        ]
        groups.sort(
            key=lambda one: (-one.score, -WEIGHTS[one.severity], one.claim, one.check, one.subject, one.observed)
        )
        unseen = [
            Unseen(reason, tuple(claims), tuple(targets)) for (reason, _), (claims, targets) in self._unseen.items()
        ]
        unseen.sort(key=lambda one: (bool(one.claims), -len(one.targets) * len(one.claims or "1"), one.reason))
        return Summary(run, parts, tuple(groups), tuple(unseen))


def _part(name: str, policy: _Policy) -> PolicyPart:
    ids = list(policy.statements)
    lines = []
    for member, run, reason, statuses in policy.members:
        known = {claim: statuses.get(claim) for claim in ids}
        lines.append(
            Line(
                name=member.name,
                policy=name,
                ran=run is not None,
                reason=reason,
                statuses=known,
                score=sum(WEIGHTS[policy.severities[claim]] for claim, one in known.items() if one is Status.REFUTED),
                unseen=sum(WEIGHTS[policy.severities[claim]] for claim, one in known.items() if one in {None, Status.INCONCLUSIVE}),
                folder=member.folder,
                broken=Counter(policy.severities[claim] for claim, one in known.items() if one is Status.REFUTED),
                started=run.started if run else "",
                whole=run.complete if run else False,
                selected=len(run.selected) if run else 0,
                resumed=member.resumed,
            )
        )  # fmt: skip
    counts = {claim: Counter(line.statuses[claim] for line in lines) for claim in ids}
    claims = [ClaimLine(claim, policy.statements[claim], policy.severities[claim], counts[claim]) for claim in ids]
    claims.sort(key=lambda one: (-one.refuted, -WEIGHTS[one.severity], -_open(one.counts)))
    made = (_compared(line, {one.id: one for one in claims}) for line in lines)
    return PolicyPart(name, tuple(claims), tuple(sorted(made, key=_badness)))


def _open(counts: Mapping[Status | None, int]) -> int:
    return sum(counts.get(one, 0) for one in (None, Status.INCONCLUSIVE, Status.LAPSED))


def _badness(line: Line) -> tuple[int, int, int, float, str]:
    """What sorts the worst first: by weight of what is refuted, a target that was not observed before all that are not refuted."""
    return (-line.score, line.ran, -line.unseen, -line.unlike, line.name)


def _compared(line: Line, claims: Mapping[str, ClaimLine]) -> Line:
    if not line.ran:
        return line
    found: list[Departure] = []
    unlike = 0.0
    for claim, status in line.statuses.items():
        if status in _HOLDS or status is Status.UNCOVERED:
            continue
        counts = claims[claim].counts
        upheld = counts.get(Status.UPHELD, 0)
        others = sum(counts.get(one, 0) for one in (*_HOLDS, Status.REFUTED)) - (status is Status.REFUTED)
        if others >= FEWEST and upheld >= NEARLY_ALL * others:
            found.append(Departure(claim, status, upheld, others))
            if status is Status.REFUTED:
                unlike += WEIGHTS[claims[claim].severity] / counts[status]
    found.sort(
        key=lambda one: (-RANKS.index(one.status), -WEIGHTS[claims[one.claim].severity], one.others - one.upheld)
    )
    return replace(line, departures=tuple(found), unlike=unlike)


def outliers(lines: Iterable[Line]) -> Iterator[Line]:
    """The targets that are out of line by what they refute, the most unlike first."""
    yield from sorted((one for one in lines if one.unlike), key=lambda one: (-one.unlike, _badness(one)))
