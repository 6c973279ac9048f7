"""Judging, as pure functions: findings make a verdict, verdicts make a status, and no roll-up ever rises.

The order is that of `Status`: refuted > inconclusive > lapsed > uncovered > attested > upheld, and the worst wins.
A pass is earned: at least one finding passed, all passed, something was looked at, and the check ran to its end.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from upheld.model import Basis, CheckResult, ClaimResult, FindingRecord, Status, Verdict


def fingerprint(claim: str, check: str, subject: str) -> str:
    """The stable identity of a finding, by which runs are compared: 16 hexadecimal digits."""
    return hashlib.sha256("\0".join((claim, check, subject)).encode()).hexdigest()[:16]


def judge_check(findings: Sequence[FindingRecord], looks: int, fault: str = "") -> tuple[Verdict, str]:
    """The verdict of a check that made these findings over so many looks; `fault` says why it did not run to its end.

    A defect that was really found stays found when the check broke off later; nothing else survives a fault.
    """
    failed = [one for one in findings if one.verdict is Verdict.FAIL]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return Verdict.FAIL, f"{failed[0].subject}: {failed[0].observed}{more}"
    if fault:
        return Verdict.INCONCLUSIVE, fault
    unseen = [one for one in findings if one.verdict is Verdict.INCONCLUSIVE]
    if unseen:
        more = f" (and {len(unseen) - 1} more)" if len(unseen) > 1 else ""
        return Verdict.INCONCLUSIVE, f"{unseen[0].subject}: {unseen[0].reason}{more}"
    # All of nothing is not a pass: a check that found no subject has shown nothing.
    if not findings:
        return Verdict.INCONCLUSIVE, "the check found no subject to judge"
    if not looks:
        return Verdict.INCONCLUSIVE, "the check looked at nothing"
    return Verdict.PASS, ""


def status_of_check(verdict: Verdict, basis: Basis) -> Status | None:
    """What one check contributes to its claim; None for a check that the policy declares not applicable."""
    if verdict is Verdict.PASS:
        return Status.ATTESTED if basis is Basis.ATTESTED else Status.UPHELD
    return {Verdict.FAIL: Status.REFUTED, Verdict.INCONCLUSIVE: Status.INCONCLUSIVE}.get(verdict)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of `statuses`; uncovered when there is none, because nothing has decided anything."""
    return max(statuses, key=lambda status: status.rank, default=Status.UNCOVERED)


def judge_claim(
    checks: Sequence[CheckResult], parts: Mapping[str, tuple[Status, Basis | None]]
) -> tuple[Status, Basis | None, str]:
    """Status, weakest basis and reason of a claim, from its checks and from the claims that decide it.

    The basis is that on which the claim is known as far as it was looked at; None when nothing looked.
    """
    contributions: list[tuple[Status, str]] = []
    bases: list[Basis] = []
    for result in checks:
        status = status_of_check(result.verdict, result.basis)
        if status is not None:
            contributions.append((status, f"{result.id}: {result.reason}" if result.reason else ""))
            bases.append(result.basis)
    for name, (status, basis) in parts.items():
        contributions.append((status, f"decided by {name}, which is {status.value}"))
        bases.extend([basis] if basis else [])
    status = worst(status for status, _ in contributions)
    if not contributions:
        reason = "every check is declared not applicable" if checks else "no check decides this claim yet"
    elif status in {Status.UPHELD, Status.ATTESTED}:
        reason = ""
    else:
        reason = next(reason for each, reason in contributions if each is status)
    return status, Basis.weakest(bases) if bases else None, reason


def decide(
    order: Iterable[str], checks: Mapping[str, Sequence[CheckResult]], decided_by: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Status, Basis | None, str]]:
    """Status, basis and reason of every claim in `order`, the deciding claims first whatever their place.

    `decided_by` must be free of cycles (the policy's loader sees to that); a deciding claim that is not in `order` was
    not part of the run and leaves what it decides inconclusive.
    """
    names = list(order)
    known = set(names)
    decided: dict[str, tuple[Status, Basis | None, str]] = {}

    def settle(name: str) -> tuple[Status, Basis | None, str]:
        if name not in known:
            return Status.INCONCLUSIVE, None, "was not part of this run"
        if name not in decided:
            parts = {part: settle(part)[:2] for part in decided_by.get(name, ())}
            decided[name] = judge_claim(checks.get(name, ()), parts)
        return decided[name]

    return {name: settle(name) for name in names}


def redecide(claims: Sequence[ClaimResult], results: Mapping[str, CheckResult]) -> tuple[ClaimResult, ...]:
    """The claims with those results, by key, in the place of their checks' own, and what they come to by them."""
    checks = {claim.id: tuple(results.get(check.key, check) for check in claim.checks) for claim in claims}
    decided = decide([claim.id for claim in claims], checks, {claim.id: claim.decided_by for claim in claims})
    return tuple(
        dataclasses.replace(
            claim,
            checks=checks[claim.id],
            status=decided[claim.id][0],
            basis=decided[claim.id][1],
            reason=decided[claim.id][2],
        )
        for claim in claims
    )
