"""Whether a run is in accord with itself: what its checks and claims came to follows from the findings in it, by judging again.

This needs no code of a check; `upheld replay` goes further and makes the findings again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from upheld.evidence import inputs
from upheld.evidence.container import Damaged
from upheld.judging import decide, judge_check
from upheld.model import Basis, CheckResult, FindingRecord, Population, Verdict


def flaws(run: Mapping[str, Any], contents: Mapping[str, bytes]) -> list[str]:
    """In what a run (run.json as plain data) contradicts itself, or the other parts of its bundle; raises Damaged for what is no run."""
    try:
        return [*_target(run, contents), *_plan(run), *_checks(run), *_claims(run), *_calibration(run, contents)]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise Damaged("run.json is not shaped like a run") from None


def _target(run: Mapping[str, Any], contents: Mapping[str, bytes]) -> Iterator[str]:
    described = json.loads(contents[inputs.TARGET])
    for name in ("name", "environment") if described else ():
        if described[name] != run["target"][name]:
            yield f"the described target has another {name} than the one that was audited"


def _plan(run: Mapping[str, Any]) -> Iterator[str]:
    checks = [check for claim in run["claims"] for check in claim["checks"]]
    if len({check["key"] for check in checks}) != len(checks):
        yield "a check is reported twice"
    stated, audited = run.get("policy_claims"), len(run["claims"])
    if stated is not None and (audited > stated or (not run["selected"] and audited != stated)):
        yield f"the policy is said to have {stated} claims, and {audited} are reported"
    if len(checks) != run["planned"]:
        yield f"{run['planned']} checks were planned and {len(checks)} are reported"


def _checks(run: Mapping[str, Any]) -> Iterator[str]:
    for claim in run["claims"]:
        for check in claim["checks"]:
            looked = [one["id"] for one in check["observations"]]
            if len(set(looked)) != len(looked):
                yield f"{claim['id']}: {check['id']} has an observation twice"
            if any(source not in set(looked) for one in check["findings"] for source in one["observations"]):
                yield f"{claim['id']}: a finding of {check['id']} rests on an observation that is not there"
            verdict = Verdict(check["verdict"])
            if verdict is Verdict.NOT_APPLICABLE:
                follows = not check["findings"]
            else:
                fault = check["reason"] if verdict is Verdict.INCONCLUSIVE else ""
                records = [_record(one) for one in check["findings"]]
                follows = judge_check(records, len(looked), fault)[0] is verdict
            if not follows:
                yield f"{claim['id']}: {check['id']} is said to be {verdict.value}, which does not follow from its findings"


def _claims(run: Mapping[str, Any]) -> Iterator[str]:
    claims = {claim["id"]: claim for claim in run["claims"]}
    if len(claims) != len(run["claims"]):
        yield "a claim is reported twice"
    results = {name: [_result(check) for check in claim["checks"]] for name, claim in claims.items()}
    decided = decide(list(claims), results, {name: claim["decided_by"] for name, claim in claims.items()})
    for name, claim in claims.items():
        status = decided[name][0].value
        if status != claim["status"]:
            yield f"{name} is said to be {claim['status']}, and its checks make it {status}"


def _calibration(run: Mapping[str, Any], contents: Mapping[str, bytes]) -> Iterator[str]:
    table = json.loads(contents[inputs.CALIBRATION]).get("checks", {})
    for claim in run["claims"]:
        for check in claim["checks"]:
            entry = table.get(check["id"], {})
            caught = entry.get("caught", []) if entry.get("code_digest") == check["code_digest"] else []
            if check["sabotages_caught"] != caught or check["calibrated"] != bool(caught):
                yield f"{claim['id']}: what {check['id']} is said to catch is not what the calibration table says"


def _record(finding: Mapping[str, Any]) -> FindingRecord:
    return FindingRecord(
        fingerprint=finding["fingerprint"],
        subject=finding["subject"],
        verdict=Verdict(finding["verdict"]),
        expected="",
        observed=finding["observed"],
        reason=finding["reason"],
        observations=(),
    )


def _result(check: Mapping[str, Any]) -> CheckResult:
    return CheckResult(
        key=check["key"],
        claim=check["claim"],
        id=check["id"],
        title="",
        basis=Basis(check["basis"]),
        parameters={},
        code_digest=check["code_digest"],
        verdict=Verdict(check["verdict"]),
        reason=check["reason"],
        findings=(),
        observations=(),
        population=Population(0, 0),
        started="",
        seconds=0.0,
    )
