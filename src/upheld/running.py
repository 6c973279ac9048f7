"""Putting a run together: from the results of an audit to the one object that every output is a view of."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from upheld.calibration import calibrated, table
from upheld.errors import InputError
from upheld.execution import unfinished
from upheld.judging import decide
from upheld.model import CheckResult, ClaimResult, Run, Status, TargetSummary, timestamp
from upheld.policies.promised import over_one_endpoint
from upheld.probes.tools import tool_mark
from upheld.target.load import load_target

if TYPE_CHECKING:
    from upheld.plugin.audit import Audit
    from upheld.target.model import Target

FORMAT = "upheld-run/1"
TOOLS = ("bandit", "pip-audit", "semgrep")
"""Tools of others on whose version what they find depends."""
_REPORTED = (
    "upheld",
    "pytest",
    "pytest-xdist",
    "httpcore",
    "sslyze",
    "nassl",
    "SQLAlchemy",
    "pydantic",
    "PyYAML",
    "cryptography",
)


def assemble(audit: Audit, pending: str = "planned, and never reported") -> Run:
    """The run that this audit was; call it after the reconciliation. Sabotages that a check is known to catch are added.

    Before it, checks without a result are inconclusive because of what `pending` says.
    """
    by_claim: dict[str, list[CheckResult]] = {}
    for planned in audit.plan:
        result = audit.results.get(planned.key) or unfinished(planned, pending)
        by_claim.setdefault(planned.claim, []).append(calibrated(result))
    wanted = set(audit.selected) if audit.selected else {claim.id for claim in audit.policy.claims}
    claims = [claim for claim in audit.policy.claims if claim.id in wanted]
    decided = decide([claim.id for claim in claims], by_claim, {claim.id: claim.decided_by for claim in claims})
    finished = audit.finished or datetime.now(UTC)
    return Run(
        format=FORMAT,
        id=audit.run_id,
        started=timestamp(audit.started),
        finished=timestamp(finished),
        seconds=round((finished - audit.started).total_seconds(), 3),
        complete=all(planned.key in audit.results for planned in audit.plan) and not audit.unreported,
        target=_target(audit),
        policy=audit.policy.name,
        policy_digest=audit.policy.digest,
        versions=versions(),
        planned=len(audit.plan),
        claims=tuple(
            ClaimResult(
                id=claim.id,
                statement=claim.statement,
                section=claim.section,
                severity=claim.severity,
                owner=claim.owner,
                references=claim.references,
                status=decided[claim.id][0],
                basis=decided[claim.id][1],
                reason=decided[claim.id][2],
                checks=tuple(by_claim.get(claim.id, ())),
                decided_by=claim.decided_by,
                waivers=tuple(waiver for waiver in audit.policy.waivers if waiver.claim == claim.id),
                gated=claim.gated,
                note=claim.note,
                accept_attested=claim.accept_attested,
                sabotages_seeded=table().seeded(claim.id) if claim.id in by_claim else (),
            )
            for claim in claims
        ),
        sentences_without_promise=audit.policy.no_promise,
        overrides=audit.policy.overrides,
        waivers=audit.policy.waivers,
        selected=audit.selected,
        notes=(*_over_one_endpoint(audit), *audit.notes),
        policy_claims=len(audit.policy.claims),
    )


def _over_one_endpoint(audit: Audit) -> Iterator[str]:
    """What a reader must know of claims about all endpoints, of which the target describes one."""
    target = described_target(audit)
    for claim, words, endpoint in over_one_endpoint(audit.policy, target) if target is not None else ():
        if not audit.selected or claim.id in audit.selected:
            yield f"{claim.id}: “{words}” was looked at over one endpoint, {endpoint}: the target describes no other."


def exit_code(run: Run) -> int:
    """0 when every gated claim is upheld (or attested, where the policy accepts that), 1 when one is refuted, else 3.

    A waiver that has not expired lets a refuted or inconclusive claim through the gate; its status stays what it is. It
    counts only for what it names: every check, or finding, that keeps the claim from being upheld must be waived.
    """
    code = 0
    for claim in run.claims:
        if not claim.gated or claim.status is Status.UPHELD or _waived(claim):
            continue
        if claim.status is Status.ATTESTED and claim.accept_attested:
            continue
        if claim.status is Status.REFUTED:
            return 1
        code = 3
    return code if run.claims else 3


def _waived(claim: ClaimResult) -> bool:
    waivers = [waiver for waiver in claim.waivers if not waiver.expired]
    if any(not waiver.check and not waiver.subject for waiver in waivers):
        return True
    if not waivers or claim.decided_by:
        return False
    open_findings = [
        (result.id, finding.subject)
        for result in claim.checks
        for finding in result.findings
        if finding.verdict != "pass"
    ]
    # A check that broke off has no finding to waive, so it stays open.
    broken = any(result.verdict == "inconclusive" and not result.findings for result in claim.checks)
    return (
        bool(open_findings)
        and not broken
        and all(
            any(waiver.check in {"", check} and waiver.subject in {"", subject} for waiver in waivers)
            for check, subject in open_findings
        )
    )


def versions() -> dict[str, str]:
    """The versions of upheld, of Python and of the libraries that look."""
    found = {"python": platform.python_version()}
    for name in _REPORTED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    # Tools that are run as programs may stand in environments of their own.
    found |= {f"tool {name}": tool_mark(name) or "not told" for name in TOOLS}
    return found


def described_target(audit: Audit) -> Target | None:
    """The description of the target that was audited; None where there was none that could be read."""
    try:
        return load_target(audit.target_file)[0] if audit.target_file is not None else None
    except InputError:
        return None


def _target(audit: Audit) -> TargetSummary:
    name = audit.source.name if audit.source else "none"
    sabotages = audit.source.sabotages if audit.source else ()
    if audit.target_file is None:
        return TargetSummary(name, "unknown", audit.target_fault, "", "", sabotages)
    try:
        target, digest = load_target(audit.target_file)
    except InputError as error:
        return TargetSummary(name, "unknown", str(error), "", "", sabotages)
    return TargetSummary(
        target.name,
        target.environment.value,
        name,
        digest,
        target.vantage.name,
        sabotages,
        target.samples,
        audit.tree,
    )
