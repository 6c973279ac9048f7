"""Judging what a sabotaged target came to: missed, caught by the right claim, or another claim turned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from upheld.calibrating import Audited, batches, judge, roll_ups, sabotages, select, table
from upheld.calibration import FORMAT
from upheld.catalogue import Catalogue
from upheld.errors import InputError
from upheld.resources import check_folders


@dataclass(frozen=True)
class Seeded:
    breaks: tuple[str, ...]
    also: tuple[str, ...] = ()
    blinds: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    module: str = ""
    sentence: str = "Something is wrong."


def claim(name: str, status: str, *failing: str, decided_by: tuple[str, ...] = ()) -> dict[str, Any]:
    checks = [
        {
            "id": check,
            "verdict": "fail",
            "findings": [{"verdict": "fail", "subject": "port 1", "observed": "open"}],
        }
        for check in failing
    ]
    return {"id": name, "status": status, "checks": checks, "decided_by": list(decided_by)}


def audited(*claims: dict[str, Any]) -> Audited:
    return Audited({"claims": list(claims), "seconds": 1.0}, 1, "")


UNTOUCHED = audited(
    claim("a", "upheld"),
    claim("b", "attested"),
    claim("c", "uncovered"),
    claim("all", "uncovered", decided_by=("a", "c")),
)


def test_a_sabotage_that_turns_exactly_its_claims_is_right():
    outcome = judge(
        "s",
        Seeded(("a",), ("all",)),
        audited(
            claim("a", "refuted", "x.y"),
            claim("b", "attested"),
            claim("c", "uncovered"),
            claim("all", "refuted", decided_by=("a", "c")),
        ),
        UNTOUCHED,
    )
    assert (outcome.caught, outcome.missed, outcome.wrong, outcome.right) == (("x.y",), (), (), True)
    assert outcome.audited.findings() == ["port 1: open"]


@pytest.mark.parametrize("status", ["upheld", "inconclusive", "lapsed"])
def test_a_claim_that_is_not_refuted_is_missed(status):
    outcome = judge("s", Seeded(("a",)), audited(claim("a", status), claim("b", "attested")), UNTOUCHED)
    assert (outcome.caught, outcome.missed, outcome.right) == ((), ("a",), False)


@pytest.mark.parametrize("status", ["refuted", "inconclusive", "lapsed"])
def test_a_second_claim_that_turns_is_wrong(status):
    outcome = judge("s", Seeded(("a",)), audited(claim("a", "refuted", "x.y"), claim("b", status, "z.y")), UNTOUCHED)
    assert (outcome.caught, outcome.wrong, outcome.right) == (("x.y",), ("b",), False)


def test_a_claim_that_it_says_to_blind_may_be_inconclusive_but_not_refuted():
    blinding = Seeded(("a",), blinds=("b",))
    for status, wrong in (("inconclusive", ()), ("refuted", ("b",))):
        outcome = judge("s", blinding, audited(claim("a", "refuted", "x.y"), claim("b", status)), UNTOUCHED)
        assert outcome.wrong == wrong


def test_what_no_check_decides_counts_for_nothing_yet():
    outcome = judge("s", Seeded(("c",)), audited(claim("a", "upheld"), claim("c", "uncovered")), UNTOUCHED)
    assert (outcome.caught, outcome.missed, outcome.wrong) == ((), (), ())


def test_a_defect_that_no_finding_names_was_not_the_one_that_was_found():
    run = audited(claim("a", "refuted", "x.y"), claim("b", "attested"))
    assert judge("s", Seeded(("a",), shows=("port 1", "open")), run, UNTOUCHED).right
    outcome = judge("s", Seeded(("a",), shows=("port 1", "port 2")), run, UNTOUCHED)
    assert (outcome.unnamed, outcome.right) == (("port 2",), False)


def test_of_several_defects_each_answers_for_its_own_claims_only():
    one, two = Seeded(("a",), shows=("open",)), Seeded(("b",), shows=("elsewhere",))
    run = audited(claim("a", "refuted", "x.y"), claim("b", "refuted", "z.y"), claim("c", "uncovered"))
    first, second = judge("one", one, run, UNTOUCHED, [two]), judge("two", two, run, UNTOUCHED, [one])
    assert (first.right, first.caught) == (True, ("x.y",))
    # Its claim is refuted, but nothing says that this was its doing: so no check has caught it.
    assert (second.caught, second.missed, second.wrong, second.unnamed) == ((), (), (), ("elsewhere",))
    assert (first.unsure, second.unsure) == ((), ("z.y",))
    alone = judge("one", one, run, UNTOUCHED)
    assert (alone.wrong, alone.unsure) == (("b",), ())


def test_defects_that_could_be_taken_for_each_other_are_in_different_audits():
    offered = {
        "one": Seeded(("a",), module="m"),
        "two": Seeded(("a", "b"), module="n"),
        "blinding": Seeded(("d",), blinds=("b",), module="o"),
        "neighbour": Seeded(("c",), module="m"),
        "free": Seeded(("e",), module="p"),
    }
    made = batches(offered)
    assert sorted(name for batch in made for name in batch) == sorted(offered)
    for apart in (("one", "two"), ("two", "blinding"), ("one", "neighbour")):
        assert not any(set(apart) <= set(batch) for batch in made), apart
    assert len(made) < len(offered)
    assert batches({}) == []


def test_the_sabotages_of_the_reference_fit_into_few_audits():
    offered = sabotages("reference")
    made = batches(offered)
    assert sum(map(len, made)) == len(offered)
    assert len(made) < len(offered) / 10


def test_roll_ups_follow_over_several_steps():
    run = audited(claim("a", "x"), claim("b", "x", decided_by=("a",)), claim("c", "x", decided_by=("b",)))
    assert roll_ups(run, {"a"}) == {"b", "c"}


def test_names_mean_sabotages_claims_and_checks():
    offered = {"one": Seeded(("a",)), "two": Seeded(("b",)), "three": Seeded(("a", "b"))}
    deciding = {"a": {"x.y"}, "b": {"z.y"}}
    assert set(select(offered, [], deciding)) == {"one", "two", "three"}
    assert set(select(offered, ["one"], deciding)) == {"one"}
    assert set(select(offered, ["b"], deciding)) == {"two", "three"}
    assert set(select(offered, ["x.y"], deciding)) == {"one", "three"}
    with pytest.raises(InputError, match="nothing to calibrate") as caught:
        select(offered, ["x.z"], deciding)
    assert caught.value.mistakes[0].nearest == "x.y"


def test_a_target_without_sabotages_is_told():
    with pytest.raises(InputError, match="a target without sabotages"):
        sabotages("nothing-of-that-name")
    assert "hsts_missing" in sabotages("reference")


def test_the_table_keeps_what_was_not_audited_only_for_code_that_is_the_same():
    known = Catalogue.load(check_folders(Path())[-1])
    first, second = list(known)[:2]
    before = {
        "checks": {
            first.id: {"code_digest": first.code_digest, "caught": ["kept", "audited", "gone"]},
            second.id: {"code_digest": "of other code", "caught": ["kept"]},
        }
    }
    offered = {"kept": Seeded(("a",)), "audited": Seeded(("a",))}
    outcome = judge("audited", offered["audited"], audited(claim("a", "refuted", second.id)), UNTOUCHED)
    made = table([outcome], offered, known, before)
    assert made["format"] == FORMAT
    assert made["checks"][first.id]["caught"] == ["kept"]
    assert made["checks"][second.id]["caught"] == ["audited"]
    assert made["sabotages"]["kept"] == {"breaks": ["a"], "sentence": "Something is wrong."}
