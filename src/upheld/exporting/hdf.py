"""HDF, as Heimdall reads it (ExecJSON): a control for each claim, with a result for each finding.

Heimdall works out a control's status from its results: an error outweighs all, then a failure, then a pass, and a control without
results is an error. So the results of a claim that is not decided must hold no pass that is not outweighed.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from upheld.exporting import writing
from upheld.exporting.rows import MEANS, Row, Shown, rows, said, spelled
from upheld.exporting.writing import FINDINGS, line, stamp, words
from upheld.model import CheckResult, FindingRecord, Run, Severity, Verdict
from upheld.reporting.headline import headline, notices, several, whole

RESULTS: dict[Shown, str] = {
    Shown.UPHELD: "passed",
    Shown.ATTESTED: "skipped",
    Shown.PARTIAL: "skipped",
    Shown.UNCOVERED: "skipped",
    Shown.LAPSED: "skipped",
    Shown.INCONCLUSIVE: "error",
    Shown.REFUTED: "failed",
}
"""The status of the result that decides a control's."""

# Never 0: Heimdall takes a control without impact for one that does not apply.
_IMPACTS = {Severity.CRITICAL: 1.0, Severity.HIGH: 0.7, Severity.MEDIUM: 0.5, Severity.LOW: 0.3}


def dumps(run: Run) -> bytes:
    """`run` as an HDF document."""
    listed = rows(run)
    version = line(run.versions.get("upheld", "unknown"))
    groups: dict[str, list[str]] = {}
    for row in listed:
        groups.setdefault(line(row.section, "no section"), []).append(line(row.id))
    profile = {
        "name": line(run.policy),
        "title": line(run.policy),
        "version": version,
        "summary": words(headline(run).text),
        "description": " ".join(words(notice) for notice in notices(run)),
        "sha256": line(run.policy_digest),
        "status": "loaded",
        "supports": [],
        "attributes": [],
        "groups": [{"id": name, "title": name, "controls": members} for name, members in groups.items()],
        "controls": [_control(run, row) for row in listed],
    }
    return writing.dumps(
        {
            "platform": {
                "name": "upheld",
                "release": version,
                "target_id": line(f"{run.target.name} ({run.target.environment})"),
            },
            "version": version,
            "statistics": {"duration": run.seconds if 0 <= run.seconds < float("inf") else 0},
            "profiles": [profile],
            "passthrough": {
                "upheld": {
                    "run": line(run.id),
                    "complete": whole(run),
                    "selected": [line(one) for one in run.selected],
                    "statuses": {line(row.id): row.shown.value for row in listed},
                }
            },
        }
    )


def _control(run: Run, row: Row) -> dict[str, Any]:
    claim = row.claim
    tags: dict[str, Any] = {
        "severity": row.severity.value,
        "upheld_status": row.shown.value,
        "owner": line(claim.owner),
        **{line(name): [line(point) for point in points] for name, points in claim.references.items() if name},
    }
    control: dict[str, Any] = {
        "id": line(row.id),
        "title": line(row.statement),
        "desc": words(row.statement),
        "descriptions": [
            {"label": "status", "data": f"{row.shown.value}: {MEANS[row.shown]}"},
            *({"label": "waiver", "data": words(spelled(waiver))} for waiver in claim.waivers),
        ],
        "impact": _IMPACTS[row.severity],
        "refs": [],
        "tags": tags,
        "code": None,
        "source_location": {"ref": "policies.yaml"},
        "results": _results(run, row),
    }
    if row.waivers:
        control["waiver_data"] = {
            "expiration_date": line(min(waiver.expires for waiver in row.waivers)),
            "justification": "; ".join(words(spelled(waiver)) for waiver in row.waivers),
            "run": True,
            # The other value would show the control as not applicable.
            "skipped_due_to_waiver": False,
        }
    return control


def _results(run: Run, row: Row) -> list[dict[str, Any]]:
    every = [*row.open_findings()]
    every += [(check, one) for check in row.checks for one in check.findings if one.verdict is Verdict.PASS]
    made = [_of_finding(row, check, finding) for check, finding in islice(every, FINDINGS)]
    if len(every) > FINDINGS:
        more = _of_finding(row, *every[FINDINGS])
        made.append({**more, "code_desc": f"and {several(len(every) - FINDINGS, 'finding')} more"})
    own = RESULTS[row.shown]
    if own not in [one["status"] for one in made]:
        text = words(f"{row.shown.value}: {row.reason or MEANS[row.shown]}")
        made.append(_result(own, words(row.statement), text, run.finished, 0))
    return made


def _of_finding(row: Row, check: CheckResult, finding: FindingRecord) -> dict[str, Any]:
    text = words(said(finding))
    subject = f"{line(check.id)}: {line(finding.subject)}"
    return _result(_status(row.shown, finding.verdict), subject, text, check.started, check.seconds)


def _status(shown: Shown, verdict: Verdict) -> str:
    """What a finding is shown as: never such that the control came to look better than the claim."""
    if verdict is Verdict.FAIL:
        return "failed"
    if verdict is Verdict.INCONCLUSIVE:
        # Beside a failure an error would hide that the claim is refuted.
        return "skipped" if RESULTS[shown] in {"failed", "skipped"} else "error"
    return "skipped" if RESULTS[shown] == "skipped" else "passed"


def _result(status: str, subject: str, text: str, started: str, seconds: float) -> dict[str, Any]:
    return {
        "status": status,
        "code_desc": subject,
        "skip_message" if status == "skipped" else "message": text,
        "start_time": stamp(started),
        "run_time": seconds if 0 <= seconds < float("inf") else 0,
    }
