"""The headline never looks better than the run."""

from __future__ import annotations

from itertools import product

import pytest

from upheld.model import Basis, Status, Verdict
from upheld.reporting.headline import headline, notices, tone, why

from . import sample


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        ([Status.UPHELD] * 8 + [Status.UNCOVERED] * 46, "8 of 8 decided claims upheld; 46 not yet covered"),
        ([Status.UPHELD] * 3, "All 3 claims upheld"),
        ([Status.UPHELD], "The one claim is upheld"),
        ([Status.ATTESTED], "No claim was decided; 1 attested"),
        ([Status.UPHELD, Status.ATTESTED], "1 of 1 decided claim upheld; 1 attested"),
        ([Status.REFUTED] * 2, "2 of 2 decided claims refuted"),
        (
            list(Status),
            "1 of 2 decided claims refuted, 1 upheld; 1 inconclusive; 1 lapsed; 1 attested; 1 not yet covered",
        ),
        ([Status.UNCOVERED], "No claim was decided; 1 not yet covered"),
        ([], "Nothing was audited: the run holds no claim"),
    ],
)
def test_the_sentence_names_every_status_that_occurs(statuses: list[Status], text: str) -> None:
    assert headline(sample.run(*(sample.claim(status) for status in statuses))).text == text


def test_the_tone_is_the_worst_status_and_never_rises() -> None:
    for statuses in product(Status, repeat=2):
        shown = headline(sample.run(*(sample.claim(status) for status in statuses))).tone
        assert shown.rank == max(status.rank for status in statuses)


def test_no_claims_and_unfinished_runs_are_never_better_than_inconclusive() -> None:
    assert headline(sample.run()).tone is Status.INCONCLUSIVE
    for changes in ({"complete": False}, {"planned": 2}):
        said = headline(sample.run(sample.claim(), **changes))
        assert said.tone is Status.INCONCLUSIVE
        assert said.text.startswith("Incomplete run: ")
    assert headline(sample.run(sample.claim(Status.REFUTED), complete=False)).tone is Status.REFUTED


def test_what_weakens_a_run_is_said_beside_it() -> None:
    weak = sample.run(
        sample.claim(Status.UPHELD, sample.check(calibrated=False)),
        complete=False,
        planned=3,
        selected=("transit-tls12",),
        notes=("the clock was set back",),
    )
    said = " ".join(notices(weak))
    for words in (
        "did not complete",
        "3 checks planned, but 1 result reported",
        "1 of 1 check not calibrated",
        "Only selected claims were audited: transit-tls12",
        "the clock was set back",
    ):
        assert words in said
    assert notices(sample.run(sample.claim())) == ()


def test_a_check_that_a_person_vouches_for_never_looks_upheld() -> None:
    assert tone(sample.check(Verdict.PASS, basis=Basis.ATTESTED)) is Status.ATTESTED
    assert tone(sample.check(Verdict.PASS)) is Status.UPHELD
    assert tone(sample.check(Verdict.FAIL)) is Status.REFUTED
    assert tone(sample.check(Verdict.INCONCLUSIVE)) is Status.INCONCLUSIVE
    assert tone(sample.check(Verdict.NOT_APPLICABLE)) is Status.UNCOVERED


def test_a_claim_that_is_not_good_always_says_why() -> None:
    for status in Status:
        bare = sample.claim(status, reason="", checks=())
        assert bool(why(bare)) == (status not in {Status.UPHELD, Status.ATTESTED})
    assert why(sample.claim(Status.INCONCLUSIVE, reason="")).startswith("tls.refuses_old_versions: ")
