"""SARIF as code scanning takes it: places in code, fingerprints, suppressions, limits."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from upheld.exporting import export, sarif
from upheld.exporting.places import Place, Places
from upheld.model import Run, Status, Verdict, Waiver

from ..reporting import sample
from . import lattice, schemas

ISSUE = {"rule": "B602", "path": "app/run it.py", "line": 12, "severity": "high", "message": "shell"}


def written(run: Run) -> dict[str, Any]:
    data = export(run, "sarif")
    schemas.check("sarif", data)
    return json.loads(data)["runs"][0]


def code_check(subject: str, value: Any, probe: str = "code", arguments: Any = None) -> Any:
    look = sample.observation(probe=probe, look="bandit", value=value, arguments=arguments or {})
    return sample.check(
        Verdict.FAIL,
        sample.finding(Verdict.FAIL, subject),
        id="code.bandit_finds_nothing_serious",
        observations=(look,),
    )


@pytest.mark.parametrize(
    ("subject", "value", "probe", "expected"),
    [
        ("B602 in app/run it.py:12", {"issues": [ISSUE]}, "code", Place("app/run%20it.py", 12)),
        ("app/run it.py", {"issues": [ISSUE]}, "code", Place("app/run%20it.py", 1)),
        ("requirements.lock", [{"path": "requirements.lock"}], "codebase", Place("requirements.lock", 1)),
        ("B602 in app/run it.py:13", {"issues": [ISSUE]}, "code", None),
        ("api (api.example.com:443)", {"issues": [ISSUE]}, "code", None),
        ("B602 in app/run it.py:12", {"issues": [ISSUE]}, "http", None),
        ("../x.py", {"path": "../x.py"}, "code", None),
        ("/etc/passwd", {"path": "/etc/passwd"}, "code", None),
        ("C:\\x", {"path": "C:\\x"}, "code", None),
        ("", {"path": ""}, "code", None),
    ],
)
def test_a_place_is_one_that_a_look_saw_and_the_subject_names(subject, value, probe, expected):
    check = code_check(subject, value, probe)
    assert Places(check).of(check.findings[0]) == expected


def test_a_finding_in_code_has_its_file_and_line_and_another_the_policy():
    code = code_check("B602 in app/run.py:12", {"issues": [{**ISSUE, "path": "app/run.py"}]})
    tls = sample.check(Verdict.FAIL)
    run = sample.run(sample.claim(Status.REFUTED, code, tls))
    places = [result["locations"][0]["physicalLocation"] for result in written(run)["results"]]
    assert [(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in places] == [
        ("app/run.py", 12),
        ("policies.yaml", 1),
    ]


def test_fingerprints_are_stable_and_tell_all_results_apart():
    one = written(sample.full())
    later = dataclasses.replace(sample.full(), id="another", started="2026-03-03T09:30:00.000Z")
    marks = [(result["ruleId"], result["partialFingerprints"]["primaryLocationLineHash"]) for result in one["results"]]
    again = written(later)["results"]
    assert marks == [(result["ruleId"], result["partialFingerprints"]["primaryLocationLineHash"]) for result in again]
    assert len(set(marks)) == len(marks)


def test_a_waiver_suppresses_what_it_names_until_it_expires_and_changes_no_kind():
    (claim,) = [one for one in sample.full().claims if one.id == "rate-limits"]
    results = written(sample.run(claim))["results"]
    assert [(one["kind"], len(one.get("suppressions", []))) for one in results] == [("fail", 1), ("fail", 0)]
    (suppression,) = results[0]["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert "2026-04-30" in suppression["justification"]
    assert "Thandi" in suppression["justification"]
    expired = dataclasses.replace(claim, waivers=(dataclasses.replace(claim.waivers[0], expired=True),))
    assert not any("suppressions" in one for one in written(sample.run(expired))["results"])
    whole = dataclasses.replace(claim, waivers=(Waiver(claim.id, "r", "a", "2026-04-30"),))
    assert all("suppressions" in one for one in written(sample.run(whole))["results"])


def test_levels_follow_the_severity_and_only_failures_have_one():
    run = written(sample.full())
    for result in run["results"]:
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        wanted = rule["defaultConfiguration"]["level"] if result["kind"] == "fail" else "none"
        assert result["level"] == wanted


def test_a_claim_that_another_refutes_has_a_failure_beside_what_it_could_not_see():
    claim = sample.claim(
        Status.REFUTED,
        sample.check(Verdict.INCONCLUSIVE),
        decided_by=("other",),
        reason="decided by other, which is refuted",
    )
    assert {one["kind"] for one in written(sample.run(claim))["results"]} == {"open", "fail"}


def test_of_too_many_results_the_worst_are_kept_one_of_each_claim_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(sarif, "MOST_RESULTS", 5)
    unseen = [sample.finding(Verdict.INCONCLUSIVE, f"dark {number}") for number in range(6)]
    failed = [sample.finding(Verdict.FAIL, f"bad {number}") for number in range(6)]
    run = sample.run(
        sample.claim(Status.INCONCLUSIVE, sample.check(Verdict.INCONCLUSIVE, *unseen), id="first"),
        sample.claim(Status.REFUTED, sample.check(Verdict.FAIL, *failed), id="second"),
        lattice.claim(Status.UNCOVERED, name="third"),
    )
    document = written(run)
    assert [one["properties"]["claim"] for one in document["results"]] == [
        "first",
        "second",
        "second",
        "second",
        "third",
    ]
    assert document["properties"]["upheld"]["resultsLeftOut"] == 8
    (notice,) = [
        one for one in document["invocations"][0]["toolExecutionNotifications"] if "left out" in one["message"]["text"]
    ]
    assert notice["message"]["text"].startswith("8 results")


@pytest.mark.parametrize("most", [30_000, 100])
def test_a_log_that_is_too_large_to_be_uploaded_keeps_a_result_of_each_claim(most, monkeypatch):
    monkeypatch.setattr(sarif, "MOST_BYTES", most)
    monkeypatch.setattr(sarif, "compress", lambda data, mtime: data)
    findings = [sample.finding(Verdict.FAIL, f"bad {number}") for number in range(200)]
    refuted = sample.claim(Status.REFUTED, sample.check(Verdict.FAIL, *findings))
    run = sample.run(refuted, lattice.claim(Status.UNCOVERED))
    document = written(run)
    assert {one["properties"]["claim"] for one in document["results"]} == {"transit-tls12", "the-claim"}
    assert document["properties"]["upheld"]["resultsLeftOut"] == 201 - len(document["results"]) > 100
    assert len(export(run, "sarif")) <= max(most, 8_000)


def test_what_a_target_sends_is_no_link():
    finding = sample.finding(Verdict.FAIL, "[click](https://evil.example)", observed="[1](1)")
    text = written(sample.run(sample.claim(Status.REFUTED, sample.check(Verdict.FAIL, finding))))["results"][0][
        "message"
    ]["text"]
    assert "](" not in text


def test_a_run_over_selected_claims_has_a_category_of_its_own():
    whole = written(sample.run(sample.claim()))["automationDetails"]["id"]
    some = written(sample.run(sample.claim(), selected=("transit-tls12",)))["automationDetails"]["id"]
    other = written(sample.run(sample.claim(), selected=("rate-limits",)))["automationDetails"]["id"]
    assert len({whole, some, other}) == 3
    assert all(one.endswith("/") for one in (whole, some, other))
