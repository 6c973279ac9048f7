"""`upheld run` records by itself, and `upheld ledger` says what stands: also of runs that were killed, and where no ledger can be reached."""

from __future__ import annotations

import json
import shutil

import pytest

from evidence_runs import recorded
from killed_runs import killed, slow_project
from ledgers import START, made, of
from processes import inside, upheld
from upheld.ledger import Ledger
from upheld.model import Status

CAME_TO = {
    "good": Status.UPHELD,
    "bad": Status.REFUTED,
    "dark": Status.INCONCLUSIVE,
    "sworn": Status.ATTESTED,
    "bare": Status.UNCOVERED,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with one run, which is in a ledger of its own beside it."""
    folder = tmp_path_factory.mktemp("recording") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPHELD_LEDGER", str(folder / "ledger.sqlite"))
        recorded(folder)
    return folder


def test_a_run_is_recorded_by_itself(project):
    ledger = Ledger.open(project / "ledger.sqlite", make=False)
    (row,) = ledger.runs()
    assert (row.statuses(), row.complete, row.ended) == (CAME_TO, True, True)
    record = ledger.record(row.seq)
    assert record.folder == str(project / "reports" / "latest")
    (bad,) = [one for one in record.claims if one.id == "bad"]
    assert [(one.check, one.observed) for one in bad.failing] == [("own.is_broken", "it is bad")]
    assert ledger.verify().entries == 2  # Its beginning, and itself.
    good = next(one for one in record.claims if one.id == "good")
    assert len(good.passing) == 5
    assert record.code.keys() == {"own.holds", "own.is_broken", "own.is_dark", "own.is_sworn"}


def test_the_commands_say_what_stands_and_whether_it_holds(project, tmp_path):
    place = shutil.copy(project / "ledger.sqlite", tmp_path / "ledger.sqlite")
    shown = inside(project, "ledger", "--ledger", str(place))
    assert (shown.returncode, shown.stdout.count("nothing much (staging), policy stranger")) == (0, 1)
    assert ": 1 runs, last entry 2 (" in shown.stdout
    again = inside(project, "ledger", "add", "reports/latest", "--ledger", str(place))
    assert (again.returncode, again.stdout[:8]) == (0, "entry 2 ")
    verified = inside(project, "ledger", "--ledger", str(place), "verify", "--json")
    said = json.loads(verified.stdout)
    assert (verified.returncode, said["holds"], said["runs"]) == (0, True, 1)
    noted = inside(project, "ledger", "verify", "--expect", f"2:{'0' * 64}", "--ledger", str(place))
    assert (noted.returncode, "another one than was noted" in noted.stdout) == (1, True)
    pruned = inside(project, "ledger", "prune", "--keep", "400d", "--ledger", str(place))
    assert (pruned.returncode, pruned.stdout) == (0, "nothing is older: nothing was let go\n")
    wrong = inside(project, "ledger", "prune", "--keep", "soon", "--ledger", str(place))
    assert (wrong.returncode, "is no period" in wrong.stderr) == (2, True)
    none = inside(project, "ledger", "--ledger", "none")
    assert (none.returncode, "this needs one" in none.stderr) == (2, True)


def test_where_the_ledger_cannot_be_reached_the_folder_keeps_everything(project):
    out = project / "reports" / "lonely"
    done = upheld(
        project,
        "run",
        "-n",
        "0",
        "--out",
        str(out),
        "--ledger",
        "postgresql://a:t0p-secret@127.0.0.1:1/x",
        "--no-color",
    )
    assert done.returncode == 4
    assert "the run goes on" in done.stdout
    assert f"upheld ledger add {out}" in done.stdout
    assert "t0p-secret" not in done.stdout + done.stderr
    added = inside(project, "ledger", "add", str(out), "--ledger", str(project / "later.sqlite"))
    assert added.returncode == 0, added.stderr
    assert Ledger.open(project / "later.sqlite").runs()[0].statuses() == CAME_TO


def test_a_wrong_ledger_is_refused_before_anything_is_sent(project):
    done = inside(project, "run", "-n", "0", "--out", "reports/never", "--ledger", "mysql://a@b/c")
    assert (done.returncode, (project / "reports" / "never").exists()) == (2, False)


def test_a_run_that_was_killed_shows_as_one_and_what_it_had_finished_can_be_added(tmp_path, monkeypatch):
    folder = slow_project(tmp_path / "slow")
    monkeypatch.setenv("UPHELD_LEDGER", str(folder / "ledger.sqlite"))
    killed(folder, ended=3)
    ledger = Ledger.open(folder / "ledger.sqlite", make=False)
    (row,) = ledger.runs()
    assert (row.ended, row.complete, row.letters, row.worst) == (False, False, "", Status.INCONCLUSIVE)
    done = inside(folder, "ledger", "add", "reports/latest")
    assert (done.returncode, "did not complete" in done.stdout) == (0, True)
    (row,) = ledger.runs()
    counts = row.counts()
    assert (row.ended, row.complete, row.worst) == (True, False, Status.INCONCLUSIVE)
    assert counts[Status.UPHELD] >= 3
    assert counts[Status.INCONCLUSIVE] == 12 - counts[Status.UPHELD] > 0
    assert ledger.record(row.seq).notes


def test_a_ledger_is_of_many_targets(project, tmp_path):
    ledger = made(tmp_path / "ledger.sqlite")
    for number, target in enumerate(("shop", "shop", "bank")):
        ledger.add(of({"one": Status.UPHELD}, f"r{number}", START, target=target))
    ledger.add(of({"one": Status.REFUTED}, "r9", START, target="shop", sabotages=("a_defect",)))
    shown = inside(project, "ledger", "--ledger", str(tmp_path / "ledger.sqlite")).stdout
    assert len(shown.splitlines()) == 4
    assert "with defects put in on purpose: a_defect" in shown
