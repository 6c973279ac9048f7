"""OSCAL assessment results: a finding for each claim, an observation for each check, a risk for each refuted claim.

OSCAL knows objectives that are satisfied and that are not. Only an upheld claim is satisfied; what keeps another from it stands in its
properties. Fields that hold Markdown have a target's text escaped.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from upheld.exporting import writing
from upheld.exporting.rows import MEANS, Row, Shown, covers, rows, said, spelled
from upheld.exporting.writing import FINDINGS, LINE, identifier, line, markdown, moment, stamp, words
from upheld.model import Basis, CheckResult, FindingRecord, Run, Verdict, timestamp
from upheld.reporting.headline import headline, notices, several, whole
from upheld.reporting.text import safe

VERSION = "1.2.3"
NAMESPACE = "urn:upheld:oscal"
"""Of the properties that are not OSCAL's own."""

STATES: dict[Shown, tuple[str, str]] = {
    Shown.UPHELD: ("satisfied", "pass"),
    Shown.ATTESTED: ("not-satisfied", "other"),
    Shown.PARTIAL: ("not-satisfied", "other"),
    Shown.UNCOVERED: ("not-satisfied", "other"),
    Shown.LAPSED: ("not-satisfied", "other"),
    Shown.INCONCLUSIVE: ("not-satisfied", "other"),
    Shown.REFUTED: ("not-satisfied", "fail"),
}
"""The state of an objective, and OSCAL's reason for it."""

_METHODS = {Basis.OBSERVED: "TEST", Basis.INSPECTED: "EXAMINE", Basis.RECORDED: "EXAMINE", Basis.ATTESTED: "INTERVIEW"}
_NOT_TOKEN = re.compile(r"[^\w.\-]")


def dumps(run: Run) -> bytes:
    """`run` as OSCAL assessment results."""
    policy = identifier(run, "policy")
    resource = {
        "uuid": policy,
        "title": _title(run.policy),
        "description": "The published claims, each of which stands for a control here.",
        "props": [_property("policy-digest", run.policy_digest)],
    }
    return writing.dumps(
        {
            "assessment-results": {
                "uuid": identifier(run, "assessment-results"),
                "metadata": {
                    "title": _title(f"Audit of {run.target.name} against {run.policy}"),
                    "last-modified": stamp(run.finished),
                    "version": line(run.id),
                    "oscal-version": VERSION,
                    "props": [_property("upheld-version", run.versions.get("upheld", "unknown"))],
                },
                "import-ap": {
                    "href": f"#{policy}",
                    "remarks": "There is no assessment plan; the policy says what is assessed.",
                },
                "results": [_result(run)],
                "back-matter": {"resources": [resource]},
            }
        }
    )


def _result(run: Run) -> dict[str, Any]:
    listed = rows(run)
    claims = [row for row in listed if not row.about_run]
    selection = {
        "description": "Every claim that was audited." if claims else "No claim was audited.",
        # A selection without one would stand for all there are.
        "include-controls": [{"control-id": _token(row.id)} for row in claims or listed],
    }
    observations = [_observation(run, row, number, check) for row in listed for number, check in enumerate(row.checks)]
    risks = [_risk(run, row) for row in listed if row.shown is Shown.REFUTED]
    return {
        "uuid": identifier(run, "result"),
        "title": _title(headline(run).text),
        "description": "What an audit by upheld came to.",
        "start": stamp(run.started),
        "end": stamp(run.finished),
        "props": [
            _property("complete", str(whole(run)).lower()),
            _property("claims", "selected" if run.selected else "all"),
            _property("status", headline(run).tone.value),
        ],
        "local-definitions": {
            "components": [
                {
                    "uuid": identifier(run, "target"),
                    "type": "service",
                    "title": _title(run.target.name),
                    "description": markdown(f"{run.target.name} ({run.target.environment}), by {run.target.source}"),
                    "props": [_property("target-digest", run.target.digest)],
                    "status": {"state": "other", "remarks": "As the run found it."},
                }
            ]
        },
        "reviewed-controls": {"control-selections": [selection]},
        **({"observations": observations} if observations else {}),
        **({"risks": risks} if risks else {}),
        "findings": [_finding(run, row) for row in listed],
        "remarks": markdown(" ".join(notices(run)), empty="Nothing else is to be known of the run."),
    }


def _finding(run: Run, row: Row) -> dict[str, Any]:
    state, reason = STATES[row.shown]
    observations = [identifier(run, "observation", row.id, number) for number in range(len(row.checks))]
    claim = row.claim
    properties = [_property("status", row.shown.value), _property("severity", row.severity.value)]
    properties += [_property("basis", claim.basis.value)] if claim.basis else []
    properties += [_property("owner", claim.owner)] if claim.owner else []
    properties += [_property(_token(name), point) for name, points in claim.references.items() for point in points]
    for waiver in claim.waivers:
        name = "waiver-expired" if waiver.expired else "waived-until"
        properties.append({**_property(name, waiver.expires), "remarks": markdown(spelled(waiver))})
    return {
        "uuid": identifier(run, "finding", row.id),
        "title": _title(row.id),
        "description": markdown(row.statement),
        "props": properties,
        "target": {
            "type": "objective-id",
            "target-id": _token(row.id),
            "title": _title(row.statement),
            "status": {"state": state, "reason": reason, "remarks": markdown(f"{row.shown.value}: {MEANS[row.shown]}")},
        },
        **({"related-observations": [{"observation-uuid": one} for one in observations]} if observations else {}),
        **({"related-risks": [{"risk-uuid": identifier(run, "risk", row.id)}]} if row.shown is Shown.REFUTED else {}),
        "remarks": markdown(row.reason or MEANS[row.shown]),
    }


def _observation(run: Run, row: Row, number: int, check: CheckResult) -> dict[str, Any]:
    worst_first = sorted(check.findings, key=lambda one: list(_ORDER).index(one.verdict))
    evidence = [{"description": markdown(_evidence(one))} for one in islice(worst_first, FINDINGS)]
    if len(check.findings) > FINDINGS:
        evidence.append({"description": f"And {several(len(check.findings) - FINDINGS, 'finding')} more."})
    return {
        "uuid": identifier(run, "observation", row.id, number),
        "title": _title(check.title),
        "description": markdown(f"{check.verdict.value}{f': {check.reason}' if check.reason else ''}"),
        "props": [
            _property("check", check.id),
            _property("verdict", check.verdict.value),
            _property("calibrated", str(check.calibrated).lower()),
            _property("code-digest", check.code_digest),
            _property("subjects-found", str(check.population.found)),
            _property("subjects-probed", str(check.population.probed)),
        ],
        "methods": [_METHODS[check.basis]],
        "types": ["control-objective"],
        "subjects": [{"subject-uuid": identifier(run, "target"), "type": "component"}],
        **({"relevant-evidence": evidence} if evidence else {}),
        "collected": stamp(check.started),
    }


_ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.NOT_APPLICABLE)


def _risk(run: Run, row: Row) -> dict[str, Any]:
    """A refuted claim as a risk; an approved deviation only where waivers cover all that keeps it from being upheld."""
    waivers = row.waivers
    open_findings = [(check.id, finding.subject) for check, finding in row.open_findings()]
    for_all = any(not one.check and not one.subject for one in waivers)
    each = bool(open_findings) and not row.claim.decided_by
    each = each and all(any(covers(one, *finding) for one in waivers) for finding in open_findings)
    approved = bool(waivers) and (for_all or each)
    return {
        "uuid": identifier(run, "risk", row.id),
        "title": _title(f"{row.id} does not hold"),
        "description": markdown(row.statement),
        "statement": markdown(row.reason or MEANS[row.shown]),
        "props": [_property("severity", row.severity.value)],
        "status": "deviation-approved" if approved else "open",
        **({"deadline": timestamp(min(moment(one.expires) for one in waivers))} if approved else {}),
    }


def _evidence(finding: FindingRecord) -> str:
    return f"{finding.verdict.value}: {line(finding.subject)}: {words(said(finding))}"


def _property(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "ns": NAMESPACE, "value": line(value)}


def _title(text: str) -> str:
    return markdown(text, LINE)


def _token(text: str) -> str:
    """`text` as a token of OSCAL; one that had to be changed ends with a mark of its own."""
    made = _NOT_TOKEN.sub("_", safe(text[:LINE]))
    made = made if made and (made[0].isalpha() or made[0] == "_") else f"_{made}"
    return made if made == text else f"{made}-{writing.stable(text)[:8]}"
