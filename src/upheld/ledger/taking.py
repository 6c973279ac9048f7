"""From a run to what the ledger keeps of it: shortened, redacted once more, and with the identities of all findings."""

from __future__ import annotations

import hashlib
from pathlib import Path

from upheld.exporting.places import Place, Places
from upheld.ledger.lapsing import lapses
from upheld.ledger.records import ClaimRecord, FindingKept, Record, Series
from upheld.model import CheckResult, ClaimResult, FindingRecord, Run, Verdict
from upheld.redaction import Redactor
from upheld.reporting import run_json
from upheld.reporting.headline import why
from upheld.reporting.text import safe

DETAIL = 300
"""Characters of one detail that are kept."""
MOST_DETAILED = 200
"""Findings of one check that are kept with their details; of the others the identity is kept."""


def series_of(run: Run) -> Series:
    """The series that `run` belongs to."""
    return Series(
        _short(run.policy), _short(run.target.name), _short(run.target.environment), tuple(run.target.sabotages)
    )


def recorded(run: Run, folder: Path | None = None, *, ended: bool = True) -> Record:
    """What is kept of `run`; of one that has only begun (`ended=False`) none of its claims, for nothing was observed of them."""
    series = series_of(run)
    return Record(
        run=run.id,
        run_digest=hashlib.sha256(run_json.dumps(run)).hexdigest() if ended else "",
        folder=str(folder.absolute()) if folder else "",
        started=run.started,
        finished=run.finished if ended else "",
        seconds=run.seconds if ended else 0.0,
        complete=run.complete and ended,
        ended=ended,
        planned=run.planned,
        policy=series.policy,
        policy_digest=run.policy_digest,
        target=series.target,
        environment=series.environment,
        target_digest=run.target.digest,
        vantage=_short(run.target.vantage),
        sabotages=series.sabotages,
        samples=tuple(map(_short, run.target.samples)),
        selected=tuple(run.selected),
        version=str(run.versions.get("upheld", "")),
        notes=tuple(map(_short, run.notes)) if ended else (),
        code=dict(sorted((one.id, one.code_digest) for claim in run.claims for one in claim.checks)),
        claims=tuple(map(_claim, run.claims)) if ended else (),
        lapses=lapses(run) if ended else (),
        tree=run.target.tree if ended else "",
    )


def _claim(claim: ClaimResult) -> ClaimRecord:
    failing, more_failing, more_in_files = _kept(claim, Verdict.FAIL)
    unseen, more_unseen, _ = _kept(claim, Verdict.INCONCLUSIVE)
    valid = [one.expires for one in claim.waivers if not one.expired]
    return ClaimRecord(
        id=claim.id,
        status=claim.status.value,
        severity=claim.severity.value,
        owner=_short(claim.owner),
        section=_short(claim.section),
        basis=claim.basis.value if claim.basis else "",
        reason=_short(why(claim)),
        gated=claim.gated,
        failing=failing,
        unseen=unseen,
        passing=tuple(
            one.fingerprint for check in claim.checks for one in check.findings if one.verdict is Verdict.PASS
        ),
        more_failing=more_failing,
        more_unseen=more_unseen,
        broken=tuple(
            (check.id, _short(check.reason))
            for check in claim.checks
            if check.verdict is Verdict.INCONCLUSIVE and not _unseen(check)
        ),
        waived_until=max(valid, default=""),
        statement=_short(claim.statement),
        checks=tuple((check.id, check.verdict.value) for check in claim.checks),
        more_in_files=more_in_files,
    )


def _unseen(check: CheckResult) -> bool:
    return any(one.verdict is Verdict.INCONCLUSIVE for one in check.findings)


def _kept(claim: ClaimResult, verdict: Verdict) -> tuple[tuple[FindingKept, ...], tuple[str, ...], tuple[str, ...]]:
    """The findings of that verdict with their details, the identities of those beyond, and of these what stands in files."""
    detailed: list[FindingKept] = []
    more: list[str] = []
    in_files: list[str] = []
    for check in claim.checks:
        found = [one for one in check.findings if one.verdict is verdict]
        if not found:
            continue
        places = Places(check)
        detailed += (_finding(check, one, places.of(one)) for one in found[:MOST_DETAILED])
        more += (one.fingerprint for one in found[MOST_DETAILED:])
        in_files += (one.fingerprint for one in found[MOST_DETAILED:] if places.of(one) is not None)
    return tuple(detailed), tuple(more), tuple(in_files)


def _finding(check: CheckResult, one: FindingRecord, place: Place | None) -> FindingKept:
    return FindingKept(
        fingerprint=one.fingerprint,
        check=check.id,
        subject=_short(one.subject),
        expected=_short(one.expected),
        observed=_short(one.observed),
        reason=_short(one.reason),
        file=_short(place.uri) if place else "",
        line=place.line if place else 0,
    )


def _short(text: str) -> str:
    """`text` on one line, without what looks like a secret: a run's values are redacted, its folder may come from elsewhere."""
    return safe(_REDACTOR.text(text), DETAIL)


_REDACTOR = Redactor(b"upheld ledger: equal placeholders")
