"""CycloneDX 1.6 attestations: the policy as a standard, its claims as requirements, with evidence for and against each.

Conformance is 1 for an upheld claim and 0 for every other. Confidence says how far that is to be believed: for an upheld claim the
share of the defects put in on purpose that its checks are known to find, 1 where a defect was really found, and 0 where nothing was decided.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from upheld.exporting import writing
from upheld.exporting.rows import MEANS, Row, Shown, rows, said, spelled
from upheld.exporting.writing import FINDINGS, LINE, identifier, line, stamp, words
from upheld.model import CheckResult, Run, Verdict
from upheld.reporting.headline import headline, notices, several, whole

CONFORMANCE: dict[Shown, int] = {shown: int(shown is Shown.UPHELD) for shown in Shown}
"""The score of a row; 1 is conformant."""


def dumps(run: Run) -> bytes:
    """`run` as a CycloneDX document with declarations."""
    listed = list(enumerate(rows(run)))
    evidence = [_check_evidence(number, at, check) for number, row in listed for at, check in enumerate(row.checks)]
    evidence += [_waiver_evidence(number, row) for number, row in listed if row.waivers]
    claims = [one for number, row in listed for one in _claims(number, row)]
    return writing.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{identifier(run, 'cyclonedx')}",
            "version": 1,
            "metadata": {
                "timestamp": stamp(run.finished),
                "tools": {
                    "components": [
                        {
                            "type": "application",
                            "name": "upheld",
                            "version": line(run.versions.get("upheld", "unknown")),
                        }
                    ]
                },
                "component": {"type": "platform", "name": line(run.target.name)},
                "properties": [
                    *_properties("run", run.id),
                    *_properties("headline", headline(run).text),
                    *_properties("complete", str(whole(run)).lower()),
                    *_properties("selected", *run.selected),
                    *_properties("notice", *notices(run)),
                ],
            },
            "declarations": {
                "assessors": [{"bom-ref": "assessor", "thirdParty": False}],
                "attestations": [
                    {
                        "summary": words(headline(run).text),
                        "assessor": "assessor",
                        "map": [_mapped(number, row) for number, row in listed],
                    }
                ],
                "claims": claims,
                **({"evidence": evidence} if evidence else {}),
                "targets": {
                    "components": [
                        {
                            "bom-ref": "target",
                            "type": "platform",
                            "name": line(run.target.name),
                            "description": words(f"{run.target.environment}, by {run.target.source}"),
                        }
                    ]
                },
            },
            "definitions": {
                "standards": [
                    {
                        "bom-ref": "policy",
                        "name": line(run.policy),
                        "version": line(run.policy_digest),
                        "requirements": [_requirement(number, row) for number, row in listed],
                    }
                ]
            },
        }
    )


def _requirement(number: int, row: Row) -> dict[str, Any]:
    points = [f"{name} {point}" for name, values in row.claim.references.items() for point in values]
    return {
        "bom-ref": f"requirement-{number}",
        "identifier": line(row.id),
        "title": line(row.section),
        "text": words(row.statement),
        "properties": [
            *_properties("severity", row.severity.value),
            *_properties("owner", *filter(None, [row.claim.owner])),
            *_properties("reference", *points),
        ],
    }


def _mapped(number: int, row: Row) -> dict[str, Any]:
    conformance: dict[str, Any] = {
        "score": CONFORMANCE[row.shown],
        "rationale": words(f"{row.shown.value}: {row.reason or MEANS[row.shown]}"),
    }
    if row.waivers:
        conformance["mitigationStrategies"] = [f"waivers-{number}"]
    return {
        "requirement": f"requirement-{number}",
        "claims": [f"claim-{number}"],
        **({"counterClaims": [f"counter-claim-{number}"]} if row.shown is Shown.REFUTED else {}),
        "conformance": conformance,
        "confidence": _confidence(row),
    }


def _confidence(row: Row) -> dict[str, Any]:
    seeded, caught = len(row.claim.sabotages_seeded), len(row.claim.sabotages_caught)
    if row.shown is Shown.REFUTED:
        return {"score": 1, "rationale": "A defect was found."}
    if row.shown is not Shown.UPHELD:
        return {"score": 0, "rationale": f"Nothing is claimed either way: {MEANS[row.shown]}"}
    if not seeded:
        return {"score": 0, "rationale": "Nothing shows yet that the checks can fail: they are not calibrated."}
    rationale = f"The checks are known to find {caught} of {several(seeded, 'defect')} put in on purpose."
    return {"score": round(caught / seeded, 4), "rationale": rationale}


def _claims(number: int, row: Row) -> list[dict[str, Any]]:
    """The claim as it is published, and where it is refuted the opposite, which the same evidence supports."""

    def of(verdict: Verdict) -> list[str]:
        return [f"evidence-{number}-{at}" for at, check in enumerate(row.checks) if check.verdict is verdict]

    supporting, opposing = of(Verdict.PASS), of(Verdict.FAIL)
    claim = {
        "bom-ref": f"claim-{number}",
        "target": "target",
        "predicate": words(row.statement),
        "reasoning": words(f"{row.shown.value}: {row.reason or MEANS[row.shown]}"),
        **({"evidence": supporting} if supporting else {}),
        **({"counterEvidence": opposing} if opposing else {}),
    }
    if row.shown is not Shown.REFUTED:
        return [claim]
    counter = {
        "bom-ref": f"counter-claim-{number}",
        "target": "target",
        "predicate": words(f"It is not so that: {row.statement}"),
        "reasoning": words(row.reason or MEANS[row.shown]),
        **({"evidence": opposing} if opposing else {}),
    }
    return [claim, counter]


def _check_evidence(number: int, at: int, check: CheckResult) -> dict[str, Any]:
    shown = [one for one in check.findings if one.verdict is not Verdict.PASS]
    shown += [one for one in check.findings if one.verdict is Verdict.PASS]
    data = [
        {
            "name": line(f"{one.verdict.value}: {one.subject}"),
            "contents": {"attachment": {"contentType": "text/plain", "content": words(said(one))}},
        }
        for one in islice(shown, FINDINGS)
    ]
    more = len(shown) - len(data)
    told = f"{check.id} ({check.basis.value}): {check.verdict.value}"
    told += f"; {several(more, 'finding')} more" if more else ""
    return {
        "bom-ref": f"evidence-{number}-{at}",
        "propertyName": line(check.id),
        "description": f"{words(check.title, LINE)} {words(told, LINE)}",
        **({"data": data} if data else {}),
        "created": stamp(check.started),
    }


def _waiver_evidence(number: int, row: Row) -> dict[str, Any]:
    return {
        "bom-ref": f"waivers-{number}",
        "propertyName": "upheld:waiver",
        "description": "; ".join(words(spelled(waiver)) for waiver in row.waivers),
    }


def _properties(name: str, *values: str) -> list[dict[str, str]]:
    return [{"name": f"upheld:{name}", "value": words(value)} for value in values]
