"""Planning: which checks a run makes, each with an identity of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from upheld import INSPECTED, OBSERVED
from upheld.catalogue import Catalogue
from upheld.errors import InputError
from upheld.model import PlannedCheck
from upheld.planning import plan, select
from upheld.policies import Policy, load

CHECKS = '''
from collections.abc import Iterator

from upheld import INSPECTED, OBSERVED, Finding, check


@check(basis=OBSERVED, exclusive=True)
def is_kept(*, days: int = 90) -> Iterator[Finding]:
    """Nothing is kept longer than `days`.

    Decides: more.
    """
    yield Finding("x", passed=True, expected="", observed="")


@check(basis=INSPECTED, intrusive=True)
def is_plain() -> Iterator[Finding]:
    """It is plain."""
    yield Finding("x", passed=True, expected="", observed="")
'''

POLICY = """\
upheld: policy/1
name: T
claims:
  - {id: a, statement: A., section: S, severity: high, owner: o, decided_by: [b, d]}
  - id: b
    statement: B.
    section: S
    severity: low
    owner: o
    decided_by: [c]
    checks:
      - family.is_kept
      - family.is_kept: {days: 30}
      - family.is_plain:
        not_applicable: It is not.
  - {id: c, statement: C., section: S, severity: low, owner: o, checks: [family.is_plain]}
  - {id: d, statement: D., section: S, severity: low, owner: o}
  - {id: e, statement: E., section: S, severity: low, owner: o, checks: [family.is_kept]}
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "family.py").write_text(CHECKS)
    return Catalogue.load(tmp_path / "checks")


@pytest.fixture
def policy(tmp_path: Path, catalogue: Catalogue) -> Policy:
    (tmp_path / "policies.yaml").write_text(POLICY)
    return load(tmp_path / "policies.yaml", catalogue, today=date(2026, 11, 23))


def test_every_use_of_a_check_is_planned_with_what_its_signature_says(policy: Policy, catalogue: Catalogue) -> None:
    planned = plan(policy, catalogue)
    assert [(one.claim, one.check, dict(one.parameters)) for one in planned] == [
        ("b", "family.is_kept", {"days": 90}),
        ("b", "family.is_kept", {"days": 30}),
        ("b", "family.is_plain", {}),
        ("c", "family.is_plain", {}),
        ("e", "family.is_kept", {"days": 90}),
    ]
    kept, _, plain, *_ = planned
    assert (kept.basis, kept.exclusive, kept.intrusive, kept.not_applicable) == (OBSERVED, True, False, "")
    assert (plain.basis, plain.exclusive, plain.intrusive, plain.not_applicable) == (
        INSPECTED,
        False,
        True,
        "It is not.",
    )
    assert kept.title == "Nothing is kept longer than `days`."
    assert kept.code_digest == catalogue["family.is_kept"].code_digest
    assert [one.line for one in planned] == [12, 13, 14, 16, 18]


def test_keys_are_identities(policy: Policy, catalogue: Catalogue) -> None:
    planned = plan(policy, catalogue)
    assert len({one.key for one in planned}) == len(planned)
    assert plan(policy, catalogue) == planned
    assert planned[0].key == PlannedCheck.make_key(policy.digest, "b", "family.is_kept", '{"days": 90}')
    changed = plan(replace(policy, digest="other"), catalogue)
    assert not {one.key for one in changed} & {one.key for one in planned}


def test_a_selected_claim_brings_all_that_decide_it(policy: Policy, catalogue: Catalogue) -> None:
    assert select(policy, ["a"]) == ("a", "b", "c", "d")
    assert select(policy, ["e", "c", "c"]) == ("c", "e")
    assert select(policy, []) == ("a", "b", "c", "d", "e")
    assert [one.claim for one in plan(policy, catalogue, ["a"])] == ["b", "b", "b", "c"]
    assert plan(policy, catalogue, ["d"]) == ()
    every = {one.key for one in plan(policy, catalogue)}
    assert {one.key for one in plan(policy, catalogue, ["a"])} <= every


def test_unknown_claims_are_said_with_the_nearest(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "policies.yaml").write_text(POLICY.replace("id: e,", "id: transit-tls12,"))
    policy = load(tmp_path / "policies.yaml", catalogue, today=date(2026, 11, 23))
    with pytest.raises(InputError) as caught:
        plan(policy, catalogue, ["transit-tls", "a", "qqq"])
    assert [(one.message, one.nearest) for one in caught.value.mistakes] == [
        ("the policy has no claim 'transit-tls'", "transit-tls12"),
        ("the policy has no claim 'qqq'", ""),
    ]


def test_a_check_that_this_catalogue_does_not_have_is_said(policy: Policy) -> None:
    with pytest.raises(InputError) as caught:
        plan(policy, Catalogue())
    assert caught.value.mistakes[0].message == "no check is called 'family.is_kept'"


@pytest.mark.slow
def test_ten_thousand_claims_cost_what_a_hundred_times_a_hundred_do(tmp_path: Path, catalogue: Catalogue) -> None:
    """The cost of loading and planning grows with the number of claims, not with its square."""

    def cost(count: int) -> float:
        claims = "".join(
            f"  - id: claim-{i}\n    statement: Sentence {i}.\n    section: S\n    severity: high\n    owner: o\n"
            f"    checks:\n      - family.is_kept: {{days: {i % 7 + 1}}}\n"
            for i in range(count)
        )
        file = tmp_path / f"{count}.yaml"
        file.write_text(f"upheld: policy/1\nname: T\nclaims:\n{claims}")
        before = time.process_time()
        planned = plan(load(file, catalogue, today=date(2026, 11, 23)), catalogue)
        spent = time.process_time() - before
        assert len({one.key for one in planned}) == count
        return spent

    cost(100)
    small = min(cost(500) for _ in range(3))
    # Twenty times the claims; a square would make it four hundred times. Garbage collection and noise get their share.
    assert cost(10_000) < small * 120
