"""The lattice: nothing rises, nothing is earned by silence."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upheld.judging import decide, fingerprint, judge_check, judge_claim, status_of_check, worst
from upheld.model import Basis, CheckResult, FindingRecord, Population, Status, Verdict


def finding(verdict: Verdict, subject: str = "a subject") -> FindingRecord:
    return FindingRecord("f" * 16, subject, verdict, "expected", "observed", "reason", ())


def result(verdict: Verdict, basis: Basis = Basis.OBSERVED, name: str = "family.check") -> CheckResult:
    return CheckResult(
        "k" * 16, "claim", name, "A title.", basis, {}, "d" * 64, verdict, "why", (), (), Population(0, 0), "", 0.0
    )


def test_a_pass_needs_findings_looks_and_an_end():
    passed = [finding(Verdict.PASS)]
    assert judge_check(passed, 1) == (Verdict.PASS, "")
    assert judge_check([], 1)[0] is Verdict.INCONCLUSIVE
    assert judge_check(passed, 0) == (Verdict.INCONCLUSIVE, "the check looked at nothing")
    assert judge_check(passed, 1, "connection refused") == (Verdict.INCONCLUSIVE, "connection refused")


def test_one_unseen_subject_keeps_the_check_from_passing():
    verdict, reason = judge_check([finding(Verdict.PASS), finding(Verdict.INCONCLUSIVE, "port 2")], 3)
    assert verdict is Verdict.INCONCLUSIVE
    assert "port 2" in reason


def test_a_defect_that_was_found_stays_found_when_the_check_breaks_off_later():
    verdict, reason = judge_check([finding(Verdict.FAIL, "port 3"), finding(Verdict.INCONCLUSIVE)], 3, "timed out")
    assert verdict is Verdict.FAIL
    assert reason.startswith("port 3")


@given(
    st.lists(st.sampled_from([Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE])),
    st.integers(0, 3),
    st.sampled_from(["", "broke"]),
)
def test_a_verdict_passes_only_if_all_findings_passed_and_nothing_went_wrong(verdicts, looks, fault):
    verdict, reason = judge_check([finding(each) for each in verdicts], looks, fault)
    earned = bool(verdicts) and all(each is Verdict.PASS for each in verdicts) and looks > 0 and not fault
    assert (verdict is Verdict.PASS) == earned
    assert bool(reason) != earned


def test_the_order_of_statuses():
    ranked = [Status.UPHELD, Status.ATTESTED, Status.UNCOVERED, Status.LAPSED, Status.INCONCLUSIVE, Status.REFUTED]
    assert sorted(Status, key=lambda status: status.rank) == ranked
    assert worst([]) is Status.UNCOVERED


@given(st.lists(st.sampled_from(list(Status)), min_size=1))
def test_a_roll_up_is_its_worst_part(statuses):
    parts = {f"part-{number}": (status, None) for number, status in enumerate(statuses)}
    status, _, reason = judge_claim([], parts)
    assert status.rank == max(each.rank for each in statuses)
    assert bool(reason) == (status not in {Status.UPHELD, Status.ATTESTED})


def test_adding_a_check_never_improves_a_claim():
    verdicts = list(Verdict)
    for first, second, basis in product(verdicts, verdicts, Basis):
        if Verdict.NOT_APPLICABLE in {first, second}:
            continue
        alone = judge_claim([result(first, basis)], {})[0]
        both = judge_claim([result(first, basis), result(second)], {})[0]
        assert both.rank >= alone.rank


def test_the_weakest_basis_is_shown():
    assert (
        judge_claim([result(Verdict.PASS, Basis.OBSERVED), result(Verdict.PASS, Basis.RECORDED)], {})[1]
        is Basis.RECORDED
    )
    assert judge_claim([result(Verdict.PASS)], {"part": (Status.ATTESTED, Basis.ATTESTED)})[:2] == (
        Status.ATTESTED,
        Basis.ATTESTED,
    )


def test_an_attested_check_never_shows_as_upheld():
    assert status_of_check(Verdict.PASS, Basis.ATTESTED) is Status.ATTESTED


def test_a_claim_with_only_inapplicable_checks_is_uncovered():
    status, basis, reason = judge_claim([result(Verdict.NOT_APPLICABLE)], {})
    assert (status, basis) == (Status.UNCOVERED, None)
    assert "not applicable" in reason


def test_claims_are_decided_in_any_order_and_through_several_steps():
    checks = {"c": [result(Verdict.FAIL)], "b": [result(Verdict.PASS)]}
    decided = decide(["a", "b", "c"], checks, {"a": ["b"], "b": ["c"]})
    assert [decided[name][0] for name in "abc"] == [Status.REFUTED] * 3


def test_a_deciding_claim_outside_the_run_leaves_inconclusive():
    assert decide(["a"], {}, {"a": ["b"]})["a"][0] is Status.INCONCLUSIVE


@pytest.mark.parametrize("change", [("x", "b", "c"), ("a", "x", "c"), ("a", "b", "x")])
def test_fingerprints_tell_claim_check_and_subject_apart(change):
    assert fingerprint(*change) != fingerprint("a", "b", "c")
    assert fingerprint("a", "b", "c") == fingerprint("a", "b", "c")
