"""SARIF 2.1.0: a result for each finding that did not pass, in the code where it stands in code.

Code scanning services take every result for an alert, whatever its kind, so what passed has none; every claim that is not
upheld has at least one, also where nothing was found because nothing could be looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from gzip import compress
from typing import Any

from upheld.exporting import writing
from upheld.exporting.places import Place, Places
from upheld.exporting.rows import MEANS, Row, Shown, covers, rows, said, spelled
from upheld.exporting.writing import line, stamp, words
from upheld.model import CheckResult, FindingRecord, Run, Severity, Verdict
from upheld.reporting.headline import headline, notices, several, whole

KINDS: dict[Shown, str] = {
    Shown.UPHELD: "",
    Shown.ATTESTED: "review",
    Shown.PARTIAL: "open",
    Shown.UNCOVERED: "open",
    Shown.LAPSED: "open",
    Shown.INCONCLUSIVE: "open",
    Shown.REFUTED: "fail",
}
"""The kind of a claim's results; a claim without a word has none."""

MOST_RESULTS = 25_000
"""GitHub refuses a run with more; the worst are kept, and at least one of each claim."""

MOST_BYTES = 10_000_000
"""GitHub refuses a larger file, compressed by gzip."""

_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}
_MESSAGE = 600
_TAGS = 10
_POLICY = Place("policies.yaml", 1)
"""Where what stands in no code is shown: services refuse a result without a file and a line."""


@dataclass(frozen=True, slots=True)
class _Result:
    row: Row
    check: CheckResult | None
    finding: FindingRecord | None
    kind: str
    message: str
    place: Place | None = None


def dumps(run: Run) -> bytes:
    """`run` as a SARIF log."""
    listed = rows(run)
    results = [one for row in listed for one in _results(row)]
    kept = _worst(results, MOST_RESULTS)
    data = _log(run, listed, kept, len(results) - len(kept))
    while len(data) > MOST_BYTES and len(compress(data, mtime=0)) > MOST_BYTES:
        fewer = _worst(kept, len(kept) // 2)
        if len(fewer) == len(kept):
            break  # A file that is refused is better than one in which a claim looks upheld.
        kept = fewer
        data = _log(run, listed, kept, len(results) - len(kept))
    return data


def _log(run: Run, listed: Sequence[Row], kept: Sequence[_Result], left_out: int) -> bytes:
    rules = {
        _rule_id(row, check): _rule(row, check)
        for row in listed
        for check in (None, *row.checks)
        if check is None or not row.about_run
    }
    index = {name: number for number, name in enumerate(rules)}
    alike: Counter[tuple[str, str]] = Counter()
    only = f"selected {writing.identifier(run, 'selected', *run.selected)[:8]}/" if run.selected else ""
    told = {
        "run": run.id,
        "headline": headline(run).text,
        "complete": whole(run),
        "policyDigest": run.policy_digest,
        "target": line(f"{run.target.name} ({run.target.environment})"),
        "selected": [line(one) for one in run.selected],
        "statuses": {line(row.id): row.shown.value for row in listed},
        "resultsLeftOut": left_out,
    }
    return writing.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": "upheld",
                            "version": line(run.versions.get("upheld", "unknown")),
                            "rules": list(rules.values()),
                        }
                    },
                    # A run over part of the policy must not close the alerts of the rest: services compare runs of one category.
                    "automationDetails": {
                        "id": f"upheld/{line(run.policy)}/{line(run.target.name)}/{only}",
                        "guid": writing.identifier(run, "run"),
                    },
                    "invocations": [
                        {
                            "executionSuccessful": whole(run),
                            "startTimeUtc": stamp(run.started),
                            "endTimeUtc": stamp(run.finished),
                            "toolExecutionNotifications": _notifications(run, left_out),
                        }
                    ],
                    "columnKind": "unicodeCodePoints",
                    "results": [_spelled(one, index, alike) for one in kept],
                    "properties": {"upheld": told},
                }
            ],
        }
    )


def _results(row: Row) -> Iterator[_Result]:
    """What did not pass: findings, then checks that came to none, then the claim itself where nothing else speaks for it."""
    kinds: set[str] = set()
    places = {id(check): Places(check) for check in row.checks}
    for check, finding in row.open_findings():
        kind = "fail" if finding.verdict is Verdict.FAIL else "open"
        kinds.add(kind)
        message = f"{line(row.statement)}: {line(finding.subject)}: {words(said(finding), _MESSAGE)}"
        yield _Result(row, check, finding, kind, message, places[id(check)].of(finding))
    for check in row.checks:
        silent = all(one.verdict is Verdict.PASS for one in check.findings)
        if check.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE} and silent:
            kind = "fail" if check.verdict is Verdict.FAIL else "open"
            kinds.add(kind)
            message = f"{line(row.statement)}: {check.verdict.value}: {words(check.reason, _MESSAGE)}"
            yield _Result(row, check, None, kind, message)
    own = KINDS[row.shown]
    # What was not observed explains why a claim is inconclusive, but not why it is lapsed, or refuted by another one.
    if own and (own not in kinds or row.shown not in {Shown.REFUTED, Shown.INCONCLUSIVE}):
        message = f"{line(row.statement)}: {row.shown.value}: {words(row.reason or MEANS[row.shown], _MESSAGE)}"
        yield _Result(row, None, None, own, message)


def _worst(results: list[_Result], most: int) -> list[_Result]:
    """So many of them in their order: the first of each claim, whatever their number, then failures, by severity."""
    most = max(most, len({one.row.id for one in results}))
    if len(results) <= most:
        return results
    firsts: set[str] = set()

    def weight(numbered: tuple[int, _Result]) -> tuple[bool, bool, int, int]:
        number, one = numbered
        first = one.row.id not in firsts
        firsts.add(one.row.id)
        return (not first, one.kind != "fail", list(Severity).index(one.row.severity), number)

    kept = sorted(enumerate(results), key=weight)[:most]
    return [one for _, one in sorted(kept, key=lambda numbered: numbered[0])]


def _rule_id(row: Row, check: CheckResult | None) -> str:
    return line(f"{row.id}/{check.id}" if check else row.id)


def _rule(row: Row, check: CheckResult | None) -> dict[str, Any]:
    """A claim, or a check as that claim uses it."""
    tags = ["upheld", *([check.basis.value] if check else [])]
    tags += [f"{framework}/{point}" for framework, points in row.claim.references.items() for point in points]
    title = check.title if check else row.statement
    return {
        "id": _rule_id(row, check),
        **({"name": line(check.id)} if check else {}),
        "shortDescription": {"text": line(title)},
        "fullDescription": {"text": f"{line(row.section)}: {line(row.statement)}"},
        "help": {"text": words(f"Claim {row.id}, owner {row.claim.owner or 'nobody'}. {MEANS[row.shown]}", _MESSAGE)},
        "defaultConfiguration": {"level": _LEVELS[row.severity]},
        "properties": {
            "tags": [line(tag) for tag in tags[:_TAGS]],
            "security-severity": _SCORES[row.severity],
            "upheld/status": row.shown.value,
        },
    }


def _spelled(one: _Result, index: dict[str, int], alike: Counter[tuple[str, str]]) -> dict[str, Any]:
    rule = _rule_id(one.row, one.check)
    subject = one.finding.subject if one.finding else ""
    check = one.check.id if one.check else ""
    mark = line(one.finding.fingerprint if one.finding else writing.stable(one.row.id, check))
    alike[rule, mark] += 1
    place = one.place or _POLICY
    spelled_place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": place.uri, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": place.line},
        }
    }
    if subject:
        spelled_place["logicalLocations"] = [{"name": line(subject), "kind": "resource"}]
    made: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": index[rule],
        "kind": one.kind,
        "level": _LEVELS[one.row.severity] if one.kind == "fail" else "none",
        # Brackets followed by a parenthesis are a link in a message of SARIF; what a target sent is none.
        "message": {"text": one.message.replace("](", "] (")},
        "locations": [spelled_place],
        # GitHub tells alerts apart by the first alone; it would make it of the line, and there many findings are one.
        "partialFingerprints": {"primaryLocationLineHash": f"{mark}:{alike[rule, mark]}", "upheld/v1": mark},
        "properties": {"claim": line(one.row.id), "status": one.row.shown.value},
    }
    waivers = [waiver for waiver in one.row.waivers if covers(waiver, check, subject)]
    if waivers:
        made["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": words(spelled(one_of), _MESSAGE)}
            for one_of in waivers
        ]
    return made


def _notifications(run: Run, left_out: int) -> list[dict[str, Any]]:
    level = "note" if whole(run) else "error"
    said_of_run = [{"level": level, "message": {"text": words(notice, _MESSAGE)}} for notice in notices(run)]
    if left_out:
        text = f"{several(left_out, 'result')} left out, because services take {MOST_RESULTS:,} and 10 MB at most."
        said_of_run.append({"level": "warning", "message": {"text": text}})
    return said_of_run
