"""What was refuted before is not this change's, as far as it can be told to be the same."""

from __future__ import annotations

import dataclasses

import pytest

from upheld.errors import InputError
from upheld.gating.baseline import Baseline
from upheld.gating.checkout import Moves
from upheld.ledger import records, taking
from upheld.ledger.taking import recorded
from upheld.model import Run

from .conftest import GOOD, PLAIN, Project


@pytest.fixture(params=["the run itself", "a ledger's record"], autouse=True)
def _known_by(request: pytest.FixtureRequest, project: Project) -> None:
    """Each of these is so by the run's own file, and by what a ledger keeps of it when that is gone."""
    if request.param != "the run itself":
        project.baseline_of = from_ledger


def from_ledger(run: Run) -> Baseline:
    return Baseline.of_record(records.unpacked(records.packed(recorded(run))), "--baseline")


LONG = "".join(f"LINE_{number} = {number}\n" for number in range(30))


def test_what_was_refuted_before_is_told_and_does_not_count(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    baseline = project.full()
    outcome = project.gate(baseline=baseline)
    assert outcome.code == 0
    assert [one.excuse for one in outcome.broken] == [f"refuted before, in run {baseline.id[:8]}"]
    project.write("app/b.py", 'OTHER = "http://shop.example.com/y"\n')
    worse = project.gate(baseline=baseline)
    assert worse.code == 1
    assert [(one.place and one.place.uri, one.counts) for one in worse.broken] == [
        ("app/b.py", True),
        ("app/a.py", False),
    ]


def test_a_line_that_moved_in_a_file_that_moved_is_the_same(project: Project) -> None:
    project.write("app/a.py", LONG + PLAIN + LONG)
    baseline = project.full()
    (project.folder / "app/a.py").rename(project.folder / "app/moved.py")
    project.write("app/moved.py", "FIRST = 0\n" * 3 + LONG.replace("LINE_3 = 3\n", "") + PLAIN + LONG + "LAST = 0\n")
    project.git("add", "-A")
    outcome = project.gate(baseline=baseline)
    assert outcome.code == 0
    assert [(one.place and (one.place.uri, one.place.line)) for one in outcome.broken] == [("app/moved.py", 33)]


@pytest.mark.parametrize(
    "text",
    [
        'URL = "http://shop.example.com/other"\n',  # The line was changed.
        PLAIN + PLAIN,  # A second one like it.
        "X = 1\n" + 'Z = "http://shop.example.com/x"\n',  # Another one in its place.
    ],
)
def test_what_cannot_be_told_apart_counts(project: Project, text: str) -> None:
    project.write("app/a.py", PLAIN)
    baseline = project.full()
    project.write("app/a.py", text)
    assert project.gate(baseline=baseline).code == 1


def test_a_copy_counts_and_the_first_one_does_not(project: Project) -> None:
    project.write("app/a.py", LONG + PLAIN)
    baseline = project.full()
    project.write("app/copy.py", LONG + PLAIN)
    project.git("add", "-A")
    outcome = project.gate(baseline=baseline)
    assert outcome.code == 1
    assert [(one.place and one.place.uri, one.counts) for one in outcome.broken] == [
        ("app/copy.py", True),
        ("app/a.py", False),
    ]


def test_without_the_baselines_files_nothing_in_a_file_is_known(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    baseline = project.full()
    gone = dataclasses.replace(baseline, target=dataclasses.replace(baseline.target, tree="1" * 40))
    assert project.gate(baseline=gone).code == 1


def test_what_stands_in_no_file_is_known_by_its_fingerprint(project: Project) -> None:
    project.policy("own.says_good")
    project.outside.write_text("bad")
    baseline = project.full()
    assert project.gate(baseline=baseline).code == 0


def test_what_was_told_before_and_is_not_now_counts(project: Project) -> None:
    baseline = project.full()
    project.write("app/a.py", "def broken(:\n")
    assert project.gate(baseline=baseline).code == 3
    worse = project.full()
    outcome = project.gate(baseline=worse)
    assert outcome.code == 0
    assert outcome.undecided[0].excuse.startswith("not told before either")
    # Of a baseline that broke off nobody knows what it would have told.
    assert project.gate(baseline=dataclasses.replace(worse, complete=False)).code == 3


def test_a_check_that_is_no_longer_asked_counts(project: Project) -> None:
    project.policy("own.has_no_plain_url", "own.has_a_lock_file")
    baseline = project.full()
    project.policy("own.has_no_plain_url")
    outcome = project.gate(baseline=baseline)
    assert outcome.code == 3
    assert [(one.claim, one.check) for one in outcome.undecided] == [("c2", "own.has_a_lock_file")]


def test_a_baseline_of_something_else_is_wrong_usage(project: Project) -> None:
    baseline = project.full()
    with pytest.raises(InputError, match="is of something else"):
        project.gate(baseline=dataclasses.replace(baseline, policy="another"))


def test_a_waiver_is_told_and_does_not_count(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    project.write(
        "waivers.yaml",
        "upheld: waivers/1\nwaivers:\n  - {claim: c1, reason: known, approver: anna, expires: 2999-01-01}\n",
    )
    outcome = project.gate()
    assert outcome.code == 0
    assert [one.excuse for one in outcome.broken] == ["waived"]
    project.write(
        "waivers.yaml",
        "upheld: waivers/1\nwaivers:\n  - {claim: c1, reason: known, approver: anna, expires: 2020-01-01}\n",
    )
    assert project.gate().code == 1


def test_where_lines_go() -> None:
    moves = Moves({}, {"a": ((2, 1, 2, 0), (5, 0, 5, 3))})
    assert [moves.of("a", number) for number in (1, 2, 3, 5, 6)] == [("a", 1), None, ("a", 2), ("a", 4), ("a", 8)]
    assert Moves({"a": "b"}).of("a", 7) == ("b", 7)
    assert Moves({}, gone=frozenset({"a"})).of("a", 7) is None


def test_a_file_that_is_good_again_breaks_nothing(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    baseline = project.full()
    project.write("app/a.py", GOOD)
    outcome = project.gate(baseline=baseline)
    assert (outcome.code, outcome.broken) == (0, ())


def test_of_findings_beyond_those_that_a_ledger_details_those_in_files_count(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "MOST_DETAILED", 1)
    project.write("app/a.py", PLAIN + 'OTHER = "http://shop.example.com/y"\n')
    run = project.full()
    outcome = project.gate(baseline=from_ledger(run))
    assert (outcome.code, [one.counts for one in outcome.broken]) == (1, [True, False])
    assert project.gate(baseline=Baseline.of_run(run)).code == 0
    project.policy("own.says_bad_twice")
    assert project.gate(baseline=from_ledger(project.full())).code == 0


def test_a_subject_that_the_ledger_shortened_is_not_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("app/a.py", PLAIN)
    run = project.full()
    assert project.gate(baseline=from_ledger(run)).code == 0
    monkeypatch.setattr(taking, "DETAIL", 8)
    assert project.gate(baseline=from_ledger(run)).code == 1


def test_what_an_earlier_upheld_recorded_is_no_baseline(project: Project) -> None:
    old = dataclasses.replace(recorded(project.full()), format=records.FIRST_FORMAT)
    with pytest.raises(InputError, match="did not keep what a baseline needs"):
        Baseline.of_record(records.unpacked(records.packed(old)), "--baseline")
