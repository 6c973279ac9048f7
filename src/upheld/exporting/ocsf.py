"""OCSF 1.5 compliance findings (class 2003): one event for each claim, a line each, as log pipelines take them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from upheld.exporting.rows import MEANS, Row, Shown, rows, said, spelled
from upheld.exporting.writing import FINDINGS, identifier, line, moment, stable, words
from upheld.model import CheckResult, Run, Severity, Verdict
from upheld.reporting.headline import headline, notices, whole

VERSION = "1.5.0"

STATUSES: dict[Shown, tuple[int, str]] = {
    Shown.UPHELD: (1, "Pass"),
    Shown.ATTESTED: (2, "Warning"),
    Shown.PARTIAL: (2, "Warning"),
    Shown.UNCOVERED: (99, "uncovered"),
    Shown.LAPSED: (99, "lapsed"),
    Shown.INCONCLUSIVE: (99, "inconclusive"),
    Shown.REFUTED: (3, "Fail"),
}
"""`compliance.status_id` and `compliance.status`; what is Other there has upheld's own word."""

_OF_CHECKS = {
    Verdict.PASS: (1, "Pass"),
    Verdict.FAIL: (3, "Fail"),
    Verdict.INCONCLUSIVE: (99, "inconclusive"),
    Verdict.NOT_APPLICABLE: (99, "not applicable"),
}
_SEVERITIES = {
    Severity.CRITICAL: (5, "Critical"),
    Severity.HIGH: (4, "High"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.LOW: (2, "Low"),
}
_INFORMATIONAL = (1, "Informational")


def dumps(run: Run) -> bytes:
    """`run` as events in JSON, one on each line."""
    about = {
        "headline": words(headline(run).text),
        "complete": whole(run),
        "selected": [line(one) for one in run.selected],
        "notices": [words(notice) for notice in notices(run)],
        "policy_digest": line(run.policy_digest),
    }
    lines = [json.dumps(_event(run, row, about), ensure_ascii=False, allow_nan=False) for row in rows(run)]
    return "".join(f"{one}\n" for one in lines).encode()


def _event(run: Run, row: Row, about: Mapping[str, Any]) -> dict[str, Any]:
    status_id, status = STATUSES[row.shown]
    severity_id, severity = _INFORMATIONAL if row.shown is Shown.UPHELD else _SEVERITIES[row.severity]
    references = row.claim.references
    evidence = [
        {
            "name": line(finding.subject),
            "data": {"check": line(check.id), "verdict": finding.verdict.value, "text": words(said(finding))},
        }
        for check, finding in islice(row.open_findings(), FINDINGS)
    ]
    return {
        "class_uid": 2003,
        "class_name": "Compliance Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200301,
        "type_name": "Compliance Finding: Create",
        "time": _milliseconds(moment(run.finished)),
        "start_time": _milliseconds(moment(run.started)),
        "end_time": _milliseconds(moment(run.finished)),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": 1,
        "status": "New",
        "message": f"{row.shown.value}: {words(row.statement)}",
        "metadata": {
            "version": VERSION,
            "uid": identifier(run, "ocsf", row.id),
            "correlation_uid": line(run.id),
            "product": {
                "name": "upheld",
                "vendor_name": "upheld",
                "version": line(run.versions.get("upheld", "unknown")),
            },
        },
        "finding_info": {
            # The same in every run, so that a new finding takes the place of the one before.
            "uid": stable(run.target.name, run.policy, row.id),
            "title": line(row.statement),
            "desc": words(row.reason or MEANS[row.shown]),
            "types": ["Published claim"],
            "created_time": _milliseconds(moment(run.finished)),
        },
        "compliance": {
            "control": line(row.id),
            "category": line(row.section),
            "desc": words(row.statement),
            "standards": [line(name) for name in references] or [line(run.policy)],
            "requirements": [line(f"{name} {point}") for name, points in references.items() for point in points],
            "status_id": status_id,
            "status": status,
            "status_detail": words(row.reason or MEANS[row.shown]),
            "checks": [_check(check) for check in row.checks],
        },
        "resources": [{"name": line(run.target.name), "type": line(run.target.environment)}],
        **({"evidences": evidence} if evidence else {}),
        "unmapped": {
            "upheld": {
                "status": row.shown.value,
                "severity": row.severity.value,
                "waivers": [words(spelled(waiver)) for waiver in row.claim.waivers],
                "run": about,
            }
        },
    }


def _check(check: CheckResult) -> dict[str, Any]:
    status_id, status = _OF_CHECKS[check.verdict]
    told = check.title if check.verdict is Verdict.PASS else f"{check.title} {check.verdict.value}: {check.reason}"
    return {
        "uid": line(check.id),
        "name": line(check.title),
        "desc": words(told),
        "status_id": status_id,
        "status": status,
    }


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
