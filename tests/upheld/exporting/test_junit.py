"""JUnit as CI services count it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from upheld.exporting import export
from upheld.model import Verdict

from ..reporting import sample


def test_suites_count_what_they_hold_and_every_claim_is_a_case():
    run = sample.full()
    root = ET.fromstring(export(run, "junit"))
    assert [case.attrib["name"] for case in root.iter("testcase")] == [claim.id for claim in sorted_by_section(run)]
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == sum(case.find(tag) is not None for case in cases)


def test_a_refuted_claim_shows_its_findings_and_its_waiver():
    root = ET.fromstring(export(sample.full(), "junit"))
    (failure,) = root.iter("failure")
    assert "answered 202 to all of 300 requests" in (failure.text or "")
    assert "waived until 2026-04-30 by Thandi M." in failure.attrib["message"]


def test_many_findings_are_counted_not_listed():
    findings = [sample.finding(Verdict.FAIL, f"subject {number}") for number in range(250)]
    run = sample.run(sample.claim(sample.Status.REFUTED, sample.check(Verdict.FAIL, *findings)))
    (failure,) = ET.fromstring(export(run, "junit")).iter("failure")
    assert (failure.text or "").count("subject ") == 100
    assert "150 findings more" in (failure.text or "")


def sorted_by_section(run):
    sections = list(dict.fromkeys(claim.section for claim in run.claims))
    return sorted(run.claims, key=lambda claim: sections.index(claim.section))
