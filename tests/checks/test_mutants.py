"""No check's judgement can be deleted unnoticed: shown on small checks made for it, on a few real ones, and on all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutants import always, comparisons, mutant, negate, notices, verdict, without_judgement
from mutating import prove_all, report
from upheld.catalogue import Catalogue
from upheld.execution import execute
from upheld.model import PlannedCheck
from upheld.probes.base import Session
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.model import Target

QUICK = ("tls.refuses_old_versions", "registers.sub_processors_are_under_agreement")

HELPER = """
from upheld import Finding


def judged(name, seconds, limit):
    return Finding(name, passed=seconds < limit, expected=f"less than {limit}", observed=f"{seconds}")
"""

CHECKS = '''
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check
from upheld.probes.clock import Clock

from ._helper import judged


@check(basis=OBSERVED)
def waits_are_short(clock: Clock, *, seconds: float = 0.0, limit: float = 0.05) -> Iterator[Finding]:
    """A wait is short."""
    yield judged("wait", clock.wait(seconds), limit)


@check(basis=OBSERVED)
def anything_goes(clock: Clock, *, seconds: float = 0.0) -> Iterator[Finding]:
    """A wait is a wait."""
    clock.wait(seconds)
    yield Finding("wait", True, "a wait", "a wait")


@check(basis=OBSERVED)
def ends(clock: Clock) -> Iterator[Finding]:
    """The loop ends."""
    turns = 0
    while True:
        turns += 1
        if turns > 0:
            break
    yield Finding("loop", clock.wait(0.0) >= 0, "an end", "an end")
'''


@pytest.fixture
def family(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "checks" / "waits"
    folder.mkdir(parents=True)
    (folder / "_helper.py").write_text(HELPER, encoding="utf-8")
    (folder / "waits.py").write_text(CHECKS, encoding="utf-8")
    return Catalogue.load(tmp_path / "checks")


def recorded(one, folder, **parameters):
    target = Target(name="t", environment="staging")
    session = Session(target, Redactor(), Scope(target), folder)
    plan = PlannedCheck("k" * 16, "claim", one.id, parameters, one.marks.basis, one.title, one.code_digest)
    return execute(plan, one, session)


def test_a_judgement_that_is_made_by_a_helper_is_found_and_missed(family, tmp_path):
    one = family["waits.waits_are_short"]
    short, long = recorded(one, tmp_path), recorded(one, tmp_path, seconds=0.06)
    assert [verdict(one, short), verdict(one, long)] == ["pass", "fail"]
    assert notices(without_judgement(one, negate), [short])
    assert notices(without_judgement(one, always), [long])
    assert not notices(without_judgement(one, always), [short])
    assert sorted(place.change for place in comparisons(one)) == [
        "comparison inverted",
        "passed dropped",
        "passed negated",
    ]
    assert all(place.file.name == "_helper.py" for place in comparisons(one))
    # The mutants stood in for the real helper only while they were made.
    assert not notices(mutant(one, []), [short, long])


def test_a_check_that_judges_nothing_is_found_out(family, tmp_path):
    one = family["waits.anything_goes"]
    assert not notices(without_judgement(one, always), [recorded(one, tmp_path, seconds=0.01)])


def test_a_mutant_that_never_ends_is_stopped(family, tmp_path, monkeypatch):
    monkeypatch.setattr("mutants.SECONDS", 0.2)
    one = family["waits.ends"]
    result = recorded(one, tmp_path)
    first = min(comparisons(one), key=lambda place: place.line)
    assert verdict(mutant(one, [first]), result) is None
    assert notices(mutant(one, [first]), [result])


@pytest.mark.slow
def test_a_few_real_checks_are_proven(tmp_path):
    proofs = prove_all(tmp_path, QUICK)
    assert {proof.check for proof in proofs if not proof.faults} == set(QUICK), report(proofs)


@pytest.mark.exhaustive
def test_every_check_is_proven(tmp_path):
    proofs = prove_all(tmp_path)
    assert not [proof.check for proof in proofs if proof.faults], report(proofs)
