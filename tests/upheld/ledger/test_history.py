"""What the ledger says of the time between runs: nothing that nobody saw counts as held, and nothing refuted recovers in silence."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ledgers import START, claim, finding, made, of, run
from processes import inside
from upheld.ledger.comparing import compare
from upheld.ledger.history import claims_of, coverage, refuted, spans
from upheld.ledger.taking import recorded as kept
from upheld.model import Status, Verdict
from upheld.reporting.folder import write_reports

U, A, R, I, L, N = (  # noqa: E741
    Status.UPHELD,
    Status.ATTESTED,
    Status.REFUTED,
    Status.INCONCLUSIVE,
    Status.LAPSED,
    Status.UNCOVERED,
)


@pytest.fixture
def ledger(tmp_path):
    return made(tmp_path / "ledger.sqlite")


def days(ledger, *statuses, claim_id="one", start=START):
    """A run a day; None is a day on which none was, `...` one on which it was killed."""
    for number, status in enumerate(statuses):
        at = start + timedelta(days=number)
        if status is ...:
            ledger.begin(of({claim_id: U}, f"run-{number}", at))
        elif status is not None:
            ledger.add(of({claim_id: status}, f"run-{number}", at))
    return ledger.runs()


def covered(rows, length, claim_id="one"):
    first = START.date()
    return coverage(rows, [claim_id], first, first + timedelta(days=length - 1))[claim_id]


def test_a_day_without_an_observation_is_not_observed_and_never_held(ledger):
    found = covered(days(ledger, U, None, ..., R, U, I, A, N, L), 10)
    assert found.letters == "U..RUIANL."
    assert found.says() == (
        "held on 2 of 10 days, refuted on 1, inconclusive on 1, lapsed on 1, uncovered on 1, attested on 1, not observed on 3"
    )


def test_the_sentence_of_the_issue(ledger):
    found = covered(days(ledger, *([U] * 44), R, None, *([U] * 44)), 90)
    assert found.says() == "held on 88 of 90 days, refuted on 1, not observed on 1"


def test_the_worst_observation_of_a_day_is_the_days(ledger):
    for number, status in enumerate((U, R, U, I)):
        ledger.add(of({"one": status}, f"run-{number}", START + timedelta(hours=number)))
    assert covered(ledger.runs(), 1).letters == "R"


def test_a_run_that_did_not_select_a_claim_did_not_observe_it(ledger):
    ledger.add(of({"one": U, "two": U}, "both", START))
    ledger.add(of({"two": U}, "other", START + timedelta(days=1)))
    rows = ledger.runs()
    assert covered(rows, 2).letters == "U."
    assert covered(rows, 2, "two").letters == "UU"
    assert (covered(rows, 2, "three").letters, claims_of(rows)) == ("..", ["two", "one"])


def test_a_stretch_of_days_is_its_worst_and_a_day_that_nobody_saw_is_worse_than_one_that_held(ledger):
    found = covered(days(ledger, U, U, U, None, A, U, R, None), 8)
    assert (found.stretches(4), found.stretches(8), found.stretches(3)) == ("U.AR", "UUU.AUR.", "U.R")


def test_a_claim_is_refuted_since_the_first_run_after_it_last_held(ledger):
    rows = days(ledger, U, R, U, R, I, None, ..., R, I)
    found = refuted(rows, "one")
    assert (found.since.run, found.held.run) == ("run-3", "run-2")
    changes = [(one.status, one.first.run, one.last.run, one.runs) for one in spans(rows, "one")]
    assert changes[-3:] == [(None, "run-6", "run-6", 1), (R, "run-7", "run-7", 1), (I, "run-8", "run-8", 1)]


@pytest.mark.parametrize(("statuses", "since"), [((U, R, U), None), ((I, I), None), ((R, R), "run-0"), ((R, A), None)])
def test_what_recovered_or_was_never_refuted_is_not_refuted(ledger, statuses, since):
    found = refuted(days(ledger, *statuses), "one")
    assert (found.since.run if found else None) == since
    assert found is None or found.held is None


def test_the_finding_that_began_it_is_named(ledger, tmp_path):
    first, second = finding("thing 1", Verdict.FAIL, "bad"), finding("thing 2", Verdict.FAIL, "worse")
    good = finding("thing 1", Verdict.PASS)
    ledger.add(run("run-0", START, claim("one", U, good)))
    ledger.add(run("run-1", START + timedelta(days=1), claim("one", R, first)))
    ledger.add(run("run-2", START + timedelta(days=2), claim("one", R, first, second)))
    shown = inside(tmp_path, "history", "one", "--ledger", "ledger.sqlite").stdout
    assert "refuted since 2026-03-03 09:30 (entry 2); it last held on 2026-03-02 09:30" in shown
    assert f"began with own.one: thing 1 ({first.fingerprint})" in shown
    assert "observed  bad" in shown
    assert "thing 2" not in shown
    said = json.loads(inside(tmp_path, "history", "one", "--json", "--ledger", "ledger.sqlite").stdout)
    assert [one["status"] for one in said["changes"]] == ["refuted", "upheld"]
    assert [one["subject"] for one in said["refuted"]["began"]] == ["thing 1"]


def test_two_runs_are_compared_by_claims_and_by_the_identities_of_findings():
    def seen(verdicts):
        return [finding(f"thing {number}", verdict) for number, verdict in enumerate(verdicts) if verdict]

    fail, good, dark = Verdict.FAIL, Verdict.PASS, Verdict.INCONCLUSIVE
    before = run("a", START, claim("one", R, *seen([fail, fail, fail, good, fail])), claim("two", U), claim("old", U))
    now = run("b", START, claim("one", R, *seen([fail, good, dark, fail, None])), claim("two", I), claim("new", N))
    found = compare(kept(before), kept(now))
    assert [(one.claim, one.before, one.after) for one in found.worse] == [("two", "upheld", "inconclusive")]
    assert [one.claim for one in (*found.added, *found.gone)] == ["new", "old"]
    assert [one.finding.subject for one in found.failing] == ["thing 3"]
    assert [one.finding.subject for one in found.passing] == ["thing 1"]
    assert [one.finding.subject for one in found.unjudged] == ["thing 2", "thing 4"]
    assert (found.same, found.better, found.notes) == (1, (), ())
    unended = compare(kept(before), kept(now, ended=False))
    assert unended.notes == ("No end of the later run is known: it observed nothing.",)
    assert {one.finding.subject for one in unended.unjudged} == {f"thing {number}" for number in (0, 1, 2, 4)}


def test_runs_are_compared_by_folder_and_by_what_the_ledger_calls_them(ledger, tmp_path, monkeypatch):
    monkeypatch.setenv("UPHELD_LEDGER", str(tmp_path / "ledger.sqlite"))
    one = of({"one": U, "two": R}, "run-1")
    write_reports(one, tmp_path / "reports" / "latest")
    ledger.add(one, tmp_path / "reports" / "latest")
    done = inside(tmp_path, "diff", "reports/latest", "latest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 claims came to the same")
    said = json.loads(inside(tmp_path, "diff", "1", "reports/latest/run.json", "--json").stdout)
    assert (said["same"], said["failing"], said["notes"]) == (2, [], [])
    unknown = inside(tmp_path, "diff", "1", "reports/none")
    assert (unknown.returncode, "is no run of this ledger" in unknown.stderr) == (2, True)


def test_the_timeline_shows_every_day_and_the_history_every_run(ledger, tmp_path):
    days(ledger, U, None, R, ..., U)
    ledger.add(of({"one": U}, "elsewhere", START, target="bank"))
    ledger.add(of({"one": R}, "broken", START + timedelta(days=9), sabotages=("a_defect",)))
    options = ("--target", "shop", "--ledger", "ledger.sqlite")
    shown = inside(tmp_path, "timeline", "--days", "7", "--until", "2026-03-07", *options).stdout
    assert "7 days, 2026-03-01 to 2026-03-07 (UTC)" in shown
    assert "held on 2 of 7 days, refuted on 1, not observed on 4" in shown
    assert "·✓·✗·✓·" in shown or ".+.x.+." in shown
    assert "2 other series in this ledger" in shown
    said = json.loads(inside(tmp_path, "timeline", "--days", "7", "--until", "2026-03-07", "--json", *options).stdout)
    (one,) = said["claims"]
    assert one["by_day"][:4] == ["not observed", "upheld", "not observed", "refuted"]
    assert (one["days"]["upheld"], one["days"]["not observed"], one["refuted"]) == (2, 4, None)
    listed = inside(tmp_path, "history", *options).stdout.splitlines()
    assert listed[0].endswith("4 runs")
    assert "not observed: no end of it is known" in listed[3]
    wrong = inside(tmp_path, "history", "onne", *options)
    assert (wrong.returncode, "did you mean 'one'?" in wrong.stderr) == (2, True)
    nobody = inside(tmp_path, "history", "--target", "shpo", "--ledger", "ledger.sqlite")
    assert (nobody.returncode, "did you mean 'shop'?" in nobody.stderr) == (2, True)
