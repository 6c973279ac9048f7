"""What changed since an earlier run: read off two runs, nothing of it better than it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from upheld.model import CheckResult, Run, Status, TargetSummary, Verdict
from upheld.reporting.changes import MOST_LISTED, Changes, compare
from upheld.reporting.folder import write_reports

from . import sample


def check(**verdicts: Verdict) -> CheckResult:
    worst = Verdict.FAIL if Verdict.FAIL in verdicts.values() else Verdict.PASS
    return sample.check(
        worst, *(sample.finding(verdict, name, fingerprint=f"{name:0>16}") for name, verdict in verdicts.items())
    )


def changes(before: Run, now: Run) -> Changes:
    found = compare(dataclasses.replace(before, id="earlier"), now)
    assert found is not None
    return found


def test_claims_are_worse_better_new_or_gone_the_worst_first() -> None:
    before = sample.run(
        sample.claim(Status.UPHELD, id="a"),
        sample.claim(Status.UPHELD, id="b"),
        sample.claim(Status.REFUTED, id="c"),
        sample.claim(Status.ATTESTED, id="d"),
        sample.claim(Status.LAPSED, id="e"),
    )
    now = sample.run(
        sample.claim(Status.INCONCLUSIVE, id="a"),
        sample.claim(Status.REFUTED, id="b"),
        sample.claim(Status.INCONCLUSIVE, id="c"),
        sample.claim(Status.ATTESTED, id="d"),
        sample.claim(Status.REFUTED, id="f"),
    )
    found = changes(before, now)
    assert [(one.id, one.before, one.after) for one in found.worse] == [
        ("b", Status.UPHELD, Status.REFUTED),
        ("a", Status.UPHELD, Status.INCONCLUSIVE),
    ]
    assert [one.id for one in found.better] == ["c"]
    assert [one.id for one in found.added] == ["f"]
    assert [one.id for one in found.gone] == ["e"]
    assert found.same == 1


def test_what_failed_and_was_not_judged_now_is_not_called_passing() -> None:
    fail, good, unseen = Verdict.FAIL, Verdict.PASS, Verdict.INCONCLUSIVE
    before = sample.run(sample.claim(Status.REFUTED, check(a=fail, b=fail, c=fail, d=fail, e=good, f=unseen)))
    now = sample.run(sample.claim(Status.REFUTED, check(a=fail, b=good, c=unseen, e=fail, f=fail, g=fail)))
    found = changes(before, now)
    assert [one.subject for one in found.failing.entries] == ["e", "f", "g"]
    assert [one.subject for one in found.passing.entries] == ["b"]
    assert [one.subject for one in found.unjudged.entries] == ["c", "d"]


def test_long_lists_are_counted() -> None:
    many = sample.claim(Status.REFUTED, check(**{f"s{number}": Verdict.FAIL for number in range(MOST_LISTED + 7)}))
    found = changes(sample.run(sample.claim()), sample.run(many))
    assert (len(found.failing.entries), found.failing.count, found.failing.more) == (MOST_LISTED, MOST_LISTED + 7, 7)


@pytest.mark.parametrize(
    "other",
    [
        {"policy": "another page"},
        {"target": TargetSummary("elsewhere", "staging", "", "", "")},
        {"target": TargetSummary("rivet-staging", "production", "", "", "")},
        {"id": "the same"},
    ],
)
def test_runs_of_another_policy_or_target_are_not_compared(other: dict[str, object]) -> None:
    before = dataclasses.replace(sample.run(sample.claim(), id="the same"), **other)  # type: ignore[arg-type]
    now = sample.run(sample.claim(), id="the same" if "id" in other else "now")
    assert compare(before, now) is None


def test_what_else_differs_is_said() -> None:
    before = sample.run(
        sample.claim(),
        policy_digest="x",
        target=TargetSummary("rivet-staging", "staging", "targets/staging.yaml", "y", "office", ("weak-cipher",)),
        selected=("transit-tls12",),
        complete=False,
    )
    now = sample.run(sample.claim(Status.UPHELD, sample.check(code_digest="z")))
    assert changes(before, now).notes == (
        "The policy has changed since.",
        "The target's description has changed since.",
        "Defects put in on purpose: weak-cipher then, none now.",
        "The two runs did not audit the same selection of claims.",
        "The earlier run did not complete.",
        "The code of 1 check has changed since.",
    )


def test_the_page_compares_with_the_run_that_lay_in_its_folder(tmp_path: Path) -> None:
    write_reports(sample.run(sample.claim(Status.UPHELD), id="first"), tmp_path)
    assert "Since the last run" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    write_reports(sample.run(sample.claim(Status.REFUTED), id="second"), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Compared with run <code>first</code>" in text
    assert "1 newly failing" in text
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    write_reports(sample.run(sample.claim(Status.UPHELD), id="third"), tmp_path)
    assert "Since the last run" not in (tmp_path / "report.html").read_text(encoding="utf-8")
