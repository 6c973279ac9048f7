"""Waivers: reason, approver and expiry are compulsory, and expiry is judged when they are read."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from upheld.errors import InputError
from upheld.model import Waiver
from upheld.policies import load


@pytest.fixture
def two(project, claim):
    """A project with the claims alpha (of two checks) and beta."""
    project.policy(claim("alpha", "checks: [tls.is_plain, {tls.is_kept: {days: 1}}]"), claim("beta"))
    return project


def test_waivers_beside_the_policy_are_loaded(two) -> None:
    two.write(
        "waivers.yaml",
        """
waivers:
  - {claim: alpha, check: tls.is_kept, subject: table x, reason: r, approver: Jo, expires: 2027-01-31}
  - {claim: beta, reason: s, approver: Jo, expires: "2026-11-22"}
""",
    )
    assert two.load().waivers == (
        Waiver("alpha", "r", "Jo", "2027-01-31", "tls.is_kept", "table x", expired=False),
        Waiver("beta", "s", "Jo", "2026-11-22", expired=True),
    )


@pytest.mark.parametrize(("today", "expired"), [((2027, 1, 30), False), ((2027, 1, 31), False), ((2027, 2, 1), True)])
def test_a_waiver_counts_through_its_last_day(two, today: tuple[int, int, int], expired: bool) -> None:
    two.write("waivers.yaml", "waivers: [{claim: beta, reason: s, approver: Jo, expires: 2027-01-31}]")
    policy = load(two.folder / "policies.yaml", two.catalogue, today=date(*today))
    assert policy.waivers[0].expired is expired


def test_the_policy_may_name_its_waivers(two, claim) -> None:
    two.write("waivers.yaml", "waivers: [{claim: beta, reason: s, approver: Jo, expires: 2027-01-31}]")
    two.write("w/other.yaml", "waivers: []")
    two.policy(claim("alpha"), head="name: T\nwaivers: w/other.yaml\n")
    assert two.load().waivers == ()
    two.policy(claim("alpha"), head="name: T\nwaivers: w/missing.yaml\n")
    assert two.mistakes() == ["w/missing.yaml: the file does not exist; expected a YAML file"]


def test_the_waivers_of_a_base_are_not_those_of_its_overlay(two) -> None:
    two.write("waivers.yaml", "waivers: [{claim: beta, reason: s, approver: Jo, expires: 2027-01-31}]")
    two.policy(name="overlay/policies.yaml", head="extends: ../policies.yaml\n")
    assert two.load("overlay/policies.yaml").waivers == ()


def test_further_waivers_count_beside_the_policys_own_and_repeat_none(two) -> None:
    one = "{claim: alpha, check: tls.is_kept, reason: r, approver: Jo, expires: 2027-01-31}"
    other = "{claim: beta, reason: s, approver: Jo, expires: 2027-01-31}"
    two.write("waivers.yaml", f"waivers: [{one}]")
    further = [two.write("w/one.yaml", f"waivers: [{other}]"), two.write("w/two.yaml", "waivers: []")]
    policy = two.folder / "policies.yaml"
    waivers = load(policy, two.catalogue, today=date(2026, 11, 23), waivers=further).waivers
    assert [(waiver.claim, waiver.check) for waiver in waivers] == [("alpha", "tls.is_kept"), ("beta", "")]

    further.append(two.write("w/three.yaml", f"waivers: [{other}, {one}, {{claim: gama}}]"))
    with pytest.raises(InputError) as caught:
        load(policy, two.catalogue, today=date(2026, 11, 23), waivers=further)
    said = str(caught.value)
    assert said.count("a second waiver for the same: another file of waivers has it already") == 2
    assert "the waiver is for a claim that is not there: 'gama'" in said
    assert {Path(one.file).name for one in caught.value.mistakes} == {"three.yaml"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{claim: beta, approver: Jo, expires: 2027-01-31}", "'reason' is missing"),
        ("{claim: beta, reason: r, expires: 2027-01-31}", "'approver' is missing"),
        ("{claim: beta, reason: r, approver: Jo}", "'expires' is missing"),
        ("{claim: beta, reason: ' ', approver: Jo, expires: 2027-01-31}", "waivers.0.reason: must not be blank; got ' '"),
        ("{claim: beta, reason: r, approver: '', expires: 2027-01-31}", "waivers.0.approver: must not be blank; got ''"),
        ("{claim: beta, reason: r, approver: Jo, expires: never}", "waivers.0.expires is not valid; got 'never'; expected a date such as 2027-01-31"),
        ("{claim: beta, reason: r, approver: Jo, expires: 2027-02-30}", "waivers.0.expires is not valid; got '2027-02-30'"),
        ("{claim: beta, reason: r, approver: Jo, expires: 2027-01-31T00:00:00Z}", "waivers.0.expires is not valid"),
        ("{claim: beta, reason: r, approver: Jo, expires: 1801353600}", "waivers.0.expires is not valid; got 1801353600"),
        ("{claim: beta, reason: r, approver: Jo, expires: }", "waivers.0.expires is not valid; got nothing"),
        ("{claim: bete, reason: r, approver: Jo, expires: 2027-01-31}", "the waiver is for a claim that is not there: 'bete'; did you mean 'beta'?"),
        (
            "{claim: alpha, check: tls.is_keep, reason: r, approver: Jo, expires: 2027-01-31}",
            "the waiver is for a check that alpha does not use: 'tls.is_keep'; did you mean 'tls.is_kept'?",
        ),
        ("{claim: beta, reson: r, reason: r, approver: Jo, expires: 2027-01-31}", "'reson' is not known here; did you mean 'reason'?"),
        ("3", "waivers.0 is not valid; got 3; expected a mapping"),
    ],
)  # fmt: skip
def test_a_wrong_waiver_is_said(two, entry: str, said: str) -> None:
    two.write("waivers.yaml", f"waivers:\n  - {entry}\n")
    (mistake,) = two.mistakes()
    assert mistake.startswith("waivers.yaml:2:")
    assert said in mistake


def test_a_second_waiver_for_the_same_is_said(two) -> None:
    entry = "{claim: beta, reason: r, approver: Jo, expires: 2027-01-31}"
    two.write("waivers.yaml", f"waivers:\n  - {entry}\n  - {entry.replace('2027', '2028')}\n")
    assert two.mistakes() == [
        "waivers.yaml:3:5: a second waiver for the same: the first is at 2:5; expected one waiver for each deviation"
    ]


@pytest.mark.parametrize(
    "text", ["[]", "x", "{}", "waivers:", "waivers: {a: b}", "waivers: [", "upheld: waivers/2\nwaivers: []"]
)
def test_a_file_that_holds_no_waivers_is_said(two, text: str) -> None:
    two.write("waivers.yaml", text)
    assert two.mistakes()


def test_waivers_that_cannot_be_read_are_not_passed_over(two) -> None:
    (two.folder / "waivers.yaml").symlink_to(two.folder / "gone.yaml")
    assert two.mistakes() == ["waivers.yaml: the file does not exist; expected a YAML file"]
    (two.folder / "waivers.yaml").unlink()
    (two.folder / "waivers.yaml").mkdir()
    assert two.mistakes() == ["waivers.yaml: is a folder; expected a YAML file"]
