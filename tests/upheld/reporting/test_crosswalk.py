"""The crosswalk: claims by the points of frameworks that they refer to."""

from __future__ import annotations

from upheld.model import Status
from upheld.reporting.crosswalk import MOST_CLAIMS, crosswalk

from . import sample


def test_points_stand_in_natural_order_with_their_worst_claim_first() -> None:
    run = sample.run(
        sample.claim(Status.UPHELD, id="a", references={"iso27001": ("A.8.24", "A.8.9", "A.5.1")}),
        sample.claim(Status.REFUTED, id="b", references={"iso27001": ("A.8.24",), "own": ("x",)}),
        sample.claim(Status.ATTESTED, id="c", references={"iso27001": ("A.8.9",)}),
    )
    iso, own = crosswalk(run)
    assert (iso.title, own.title) == ("ISO 27001", "own")
    assert [(point.name, point.status, [one.id for one in point.claims]) for point in iso.points] == [
        ("A.5.1", Status.UPHELD, ["a"]),
        ("A.8.9", Status.ATTESTED, ["c", "a"]),
        ("A.8.24", Status.REFUTED, ["b", "a"]),
    ]


def test_claims_beyond_those_listed_are_counted_and_the_worst_are_listed() -> None:
    claims = [sample.claim(Status.UPHELD, id=f"c{number}", references={"soc2": ("CC6.1",)}) for number in range(60)]
    claims.append(sample.claim(Status.REFUTED, id="worst", references={"soc2": ("CC6.1",)}))
    (framework,) = crosswalk(sample.run(*claims))
    (point,) = framework.points
    assert point.listed[0].id == "worst"
    assert (len(point.listed), point.more) == (MOST_CLAIMS, 61 - MOST_CLAIMS)


def test_a_run_whose_claims_refer_to_nothing_has_none() -> None:
    assert crosswalk(sample.run(sample.claim(references={}))) == ()
