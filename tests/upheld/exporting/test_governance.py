"""What OSCAL, CycloneDX, in-toto, HDF and OCSF say beside a status: waivers, evidence, identities."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from upheld.exporting import export
from upheld.exporting.in_toto import predicate
from upheld.exporting.rows import Shown
from upheld.model import Run, Status, Verdict

from ..reporting import sample
from . import lattice


def written(run: Run, name: str) -> Any:
    return json.loads(export(run, name))


def waived(all_of_it: bool) -> Run:
    (claim,) = [one for one in sample.full().claims if one.id == "rate-limits"]
    subject = "" if all_of_it else claim.waivers[0].subject
    return sample.run(dataclasses.replace(claim, waivers=(dataclasses.replace(claim.waivers[0], subject=subject),)))


# --- OSCAL ---------------------------------------------------------------------------------------------------------


def test_identifiers_of_oscal_are_made_of_the_run_and_point_to_each_other():
    text = export(sample.full(), "oscal").decode()
    other = export(dataclasses.replace(sample.full(), id="another"), "oscal").decode()
    uuids = re.findall(r'"uuid": "([0-9a-f-]{36})"', text)
    assert len(set(uuids)) == len(uuids)
    assert all(one[14] == "5" for one in uuids)
    assert not set(uuids) & set(re.findall(r'"uuid": "([0-9a-f-]{36})"', other))
    named = re.findall(r'"(?:observation|risk|subject)-uuid": "([0-9a-f-]{36})"', text)
    assert named
    assert set(named) <= set(uuids)
    href = json.loads(text)["assessment-results"]["import-ap"]["href"]
    assert href.removeprefix("#") in uuids


@pytest.mark.parametrize(("all_of_it", "expected"), [(True, "deviation-approved"), (False, "open")])
def test_a_waiver_makes_a_deviation_of_a_risk_only_where_it_covers_all_of_it_and_satisfies_nothing(all_of_it, expected):
    (result,) = written(waived(all_of_it), "oscal")["assessment-results"]["results"]
    (risk,), (finding,) = result["risks"], result["findings"]
    assert risk["status"] == expected
    assert ("deadline" in risk) is all_of_it
    assert finding["target"]["status"]["state"] == "not-satisfied"
    properties = {one["name"]: one["value"] for one in finding["props"]}
    assert properties["status"] == "refuted"
    assert properties["waived-until"] == "2026-04-30"


def test_only_audited_claims_are_reviewed_controls():
    run = lattice.run(lattice.claim(Status.UPHELD), selected=("the-claim",))
    (result,) = written(run, "oscal")["assessment-results"]["results"]
    (selection,) = result["reviewed-controls"]["control-selections"]
    assert selection["include-controls"] == [{"control-id": "the-claim"}]
    (empty,) = written(sample.run(), "oscal")["assessment-results"]["results"]
    assert "include-all" not in json.dumps(empty)


def test_text_of_a_target_is_no_markdown_in_oscal():
    finding = sample.finding(Verdict.FAIL, "[click](javascript:alert(1))", observed="<img src=x> **all fine**")
    run = sample.run(sample.claim(Status.REFUTED, sample.check(Verdict.FAIL, finding)))
    (result,) = written(run, "oscal")["assessment-results"]["results"]
    (evidence,) = result["observations"][0]["relevant-evidence"]
    assert r"\[click\]\(javascript" in evidence["description"]
    assert r"\<img" in evidence["description"]
    assert r"\*\*all" in evidence["description"]


# --- CycloneDX -----------------------------------------------------------------------------------------------------


def test_every_reference_of_cyclonedx_is_declared_once():
    text = export(sample.full(), "cyclonedx").decode()
    declared = re.findall(r'"bom-ref": "([^"]+)"', text)
    assert len(set(declared)) == len(declared)
    document = json.loads(text)["declarations"]
    (attestation,) = document["attestations"]
    used = {attestation["assessor"]}
    for mapped in attestation["map"]:
        used |= {mapped["requirement"], *mapped["claims"], *mapped.get("counterClaims", [])}
        used |= set(mapped["conformance"].get("mitigationStrategies", []))
    for claim in document["claims"]:
        used |= {claim["target"], *claim.get("evidence", []), *claim.get("counterEvidence", [])}
    assert used <= set(declared)


def test_confidence_is_the_share_of_seeded_defects_that_are_found_and_nothing_without_calibration():
    seeded = ("tls-1.0-accepted", "weak-cipher", "never-found")
    calibrated = sample.claim(sabotages_seeded=seeded)
    bare = sample.claim(id="bare")
    (attestation,) = written(sample.run(calibrated, bare), "cyclonedx")["declarations"]["attestations"]
    assert [one["confidence"]["score"] for one in attestation["map"]] == [pytest.approx(0.6667), 0]


def test_what_could_not_be_observed_is_evidence_for_nothing():
    claims = written(sample.run(sample.claim(Status.INCONCLUSIVE)), "cyclonedx")["declarations"]["claims"]
    assert not any("evidence" in one or "counterEvidence" in one for one in claims)
    refuted = written(sample.run(sample.claim(Status.REFUTED)), "cyclonedx")["declarations"]["claims"]
    assert [("evidence" in one, "counterEvidence" in one) for one in refuted] == [(False, True), (True, False)]


# --- in-toto -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tests", "result"),
    [
        ([], "FAILED"),
        ([Shown.UPHELD], "PASSED"),
        ([Shown.UPHELD, Shown.ATTESTED], "WARNED"),
        ([Shown.UPHELD, Shown.PARTIAL], "WARNED"),
        ([Shown.UPHELD, Shown.ATTESTED, Shown.INCONCLUSIVE], "FAILED"),
        ([Shown.UPHELD, Shown.REFUTED], "FAILED"),
    ],
)
def test_the_result_of_all_tests_is_that_of_the_worst(tests, result):
    assert predicate([(str(number), one) for number, one in enumerate(tests)], [])["result"] == result


def test_the_subject_is_the_target_by_its_digest_and_the_run_where_there_is_none():
    (subject,) = written(sample.full(), "in-toto")["subject"]
    assert subject == {"name": "rivet-staging", "digest": {"sha256": "a1b2" * 16}}
    unknown = dataclasses.replace(sample.full(), target=dataclasses.replace(sample.full().target, digest=""))
    (subject,) = written(unknown, "in-toto")["subject"]
    assert set(subject["digest"]) == {"upheldRun"}


# --- HDF -----------------------------------------------------------------------------------------------------------


def test_no_control_of_hdf_is_without_impact_without_results_or_skipped_by_its_waiver():
    (profile,) = written(sample.full(), "hdf")["profiles"]
    for control in profile["controls"]:
        assert control["impact"] > 0
        assert control["results"]
    (waiver,) = [one["waiver_data"] for one in profile["controls"] if "waiver_data" in one]
    assert waiver["skipped_due_to_waiver"] is False
    assert waiver["expiration_date"] == "2026-04-30"


def test_many_findings_are_bounded_and_the_worst_stay():
    findings = [sample.finding(subject=f"good {number}") for number in range(300)]
    findings.append(sample.finding(Verdict.FAIL, "the bad one"))
    run = sample.run(sample.claim(Status.REFUTED, sample.check(Verdict.FAIL, *findings)))
    (control,) = written(run, "hdf")["profiles"][0]["controls"]
    assert len(control["results"]) == 101
    assert "the bad one" in control["results"][0]["code_desc"]
    assert control["results"][-1]["code_desc"] == "and 201 findings more"


# --- OCSF ----------------------------------------------------------------------------------------------------------


def events(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export(run, "ocsf").splitlines()]


def test_a_finding_has_the_same_identity_in_every_run_and_an_event_none_but_its_own():
    first, later = events(sample.full()), events(dataclasses.replace(sample.full(), id="another"))
    assert [one["finding_info"]["uid"] for one in first] == [one["finding_info"]["uid"] for one in later]
    assert len({one["finding_info"]["uid"] for one in first}) == len(first)
    assert not {one["metadata"]["uid"] for one in first} & {one["metadata"]["uid"] for one in later}


def test_a_waived_event_is_not_suppressed_and_what_is_other_has_its_own_word():
    (event,) = events(waived(True))
    assert (event["status_id"], event["compliance"]["status"]) == (1, "Fail")
    assert "2026-04-30" in event["unmapped"]["upheld"]["waivers"][0]
    others = [one["compliance"]["status"] for one in events(sample.full()) if one["compliance"]["status_id"] == 99]
    assert set(others) == {"uncovered", "lapsed", "inconclusive"}
