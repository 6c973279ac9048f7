"""A run in every slot, and of every slot without one an entry that says so: through jitter, overlap, crashes and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from killed_runs import lines, slow_project
from ledgers import START, Clock, made, of
from processes import COMMAND, inside
from upheld.keeping import JOURNAL
from upheld.ledger import Ledger
from upheld.model import Status
from upheld.schedule.slots import Slots
from upheld.schedule.watching import ABSENT, OVERLAPPED, Ended, Lock, Watch, missed
from upheld.state import state_folder

HOUR = timedelta(hours=1)
EVERY = timedelta(hours=6)


class Time(Clock):
    """A clock that goes on by waiting, until it stops the watch."""

    def __init__(self, at: datetime, until: datetime) -> None:
        super().__init__(at)
        self.until = until

    def now(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at += timedelta(seconds=seconds)
        return self.at >= self.until


class Runs:
    """Carries out runs that take as long as they are told, by adding them to the ledger."""

    def __init__(self, ledger: Ledger, clock: Time, *minutes: float) -> None:
        self.ledger, self.clock, self.minutes = ledger, clock, list(minutes)
        self.begun: list[datetime] = []

    def __call__(self) -> Ended:
        self.begun.append(self.clock.at)
        name = f"run-{self.clock.at:%d-%H%M}"
        self.ledger.add(of({"one": Status.UPHELD}, name, self.clock.at))
        self.clock.at += timedelta(minutes=self.minutes.pop(0) if self.minutes else 5)
        return Ended(name, 0)


def watched(ledger, start, hours, *minutes, jitter=timedelta(), name="w"):
    clock = Time(start, start + timedelta(hours=hours))
    runs = Runs(ledger, clock, *minutes)
    said = []
    Watch(name, ledger, Slots(EVERY, jitter, name), clock, runs, said.append).loop()
    return [f"{at:%d %H:%M}" for at in runs.begun], said


@pytest.fixture
def ledger(tmp_path):
    return made(tmp_path / "ledger.sqlite")


def gaps(ledger):
    series = ledger.runs()[-1].series
    return [
        (first[8:16].replace("T", " "), last[8:16].replace("T", " "), count, why)
        for first, last, count, why in missed(ledger, series)
    ]


def test_slots_are_the_same_after_every_start():
    slots = Slots(EVERY)
    assert slots.of(START) == START.replace(hour=6, minute=0)
    assert slots.of(START.replace(hour=6, minute=0)) == START.replace(hour=6, minute=0)
    delayed = Slots(EVERY, HOUR, "a")
    first = delayed.due(START)
    assert first == Slots(EVERY, HOUR, "a").due(START)
    assert START <= first < START + HOUR
    dues = {Slots(EVERY, HOUR, f"watch {number}").due(START) for number in range(50)}
    assert len(dues) == 50
    assert max(dues) - min(dues) > HOUR / 2


def test_it_runs_at_once_and_then_in_every_slot(ledger):
    begun, said = watched(ledger, START, 20)
    assert begun == ["02 09:30", "02 12:00", "02 18:00", "03 00:00"]
    assert (said, gaps(ledger)) == ([], [])


def test_what_was_missed_while_it_did_not_run_is_noted_and_it_goes_on_where_it_was(ledger):
    watched(ledger, START, 4)
    begun, said = watched(ledger, START + timedelta(hours=30), 4)
    assert begun == ["03 15:30", "03 18:00"]
    assert gaps(ledger) == [("02 18:00", "03 06:00", 3, ABSENT)]
    assert said[0].startswith("3 runs missed, from 2026-03-02T18:00:00.000Z")
    again, _ = watched(ledger, START + timedelta(hours=34), 1)  # Nothing is due, and nothing is missed twice.
    assert (again, len(gaps(ledger))) == ([], 1)


def test_a_run_that_takes_too_long_makes_the_next_ones_missed(ledger):
    begun, _ = watched(ledger, START.replace(hour=6, minute=0), 26, 13 * 60)
    assert begun == ["02 06:00", "02 19:00", "03 00:00", "03 06:00"]
    assert gaps(ledger) == [("02 12:00", "02 12:00", 1, OVERLAPPED)]


def test_watches_of_other_names_do_not_count(ledger):
    watched(ledger, START, 1, name="a")
    begun, _ = watched(ledger, START + timedelta(hours=30), 1, name="b")
    assert begun == ["03 15:30"]
    assert gaps(ledger) == []


def test_a_stop_while_it_waits_begins_nothing(ledger):
    begun, _ = watched(ledger, START, 6, jitter=timedelta(hours=5), name="w3")
    due = Slots(EVERY, timedelta(hours=5), "w3").due(START.replace(hour=6, minute=0))
    assert begun[0] == f"{max(due, START):%d %H:%M}"


def test_a_lock_is_held_until_the_last_child_that_got_it_is_dead(tmp_path):
    first, second = Lock(tmp_path / "a.lock"), Lock(tmp_path / "a.lock")
    assert first.take()
    assert not second.take()
    child = subprocess.Popen(["sleep", "60"], pass_fds=(first.descriptor,))
    first.leave()
    assert not second.take()
    child.kill()
    child.wait()
    with second.taken() as free:
        assert free


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return slow_project(tmp_path_factory.mktemp("watch") / "slow")


def until(condition, seconds=60.0):
    """Wait for a condition, for as long as a slow machine may need."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def children(parent):
    """The processes that another one started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It is gone by now.
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def test_a_watch_that_is_killed_goes_on_with_what_it_left_and_one_that_is_stopped_ends_its_run(project, monkeypatch):
    """The whole of it, as processes: killed in mid run, started again, told to stop in mid run."""
    monkeypatch.setenv("UPHELD_LEDGER", str(project / "ledger.sqlite"))
    monkeypatch.setenv("UPHELD_STATE", str(project / "state"))
    journal = project / "reports" / "latest" / JOURNAL
    command = [*COMMAND, "watch", "--every", "1h", "-n", "0"]

    def started():
        return subprocess.Popen(
            command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def rows():
        return Ledger.open(project / "ledger.sqlite").runs()

    watch = started()
    until(lambda: lines(journal) > 2)
    (child,) = children(watch.pid)
    os.kill(watch.pid, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    watch.communicate()
    assert [row.ended for row in rows()] == [False]

    watch = started()
    until(lambda: len(rows()) == 2 and lines(journal) > 2)
    watch.terminate()
    _, said = watch.communicate(timeout=60)
    assert (watch.returncode, "was killed: what it had finished is entry" in said) == (0, True), said
    first, second = rows()
    assert (first.ended, first.complete, second.ended, second.complete) == (True, False, True, False)
    assert Status.UPHELD in first.statuses().values()
    assert Status.INCONCLUSIVE in second.statuses().values()
    # Whoever comes while the one or the other goes on begins nothing.
    (one_watch,) = [path for path in (state_folder() / "watch").glob("*.lock") if ".run." not in path.name]
    (one_run,) = (state_folder() / "watch").glob("*.run.lock")
    with Lock(one_watch).taken():
        busy = inside(project, "watch", "--every", "1h", "-n", "0")
    with Lock(one_run).taken():
        late = inside(project, "watch", "--once", "-n", "0")
    assert (busy.returncode, "another one does the same already" in busy.stderr) == (2, True)
    assert (late.returncode, "a run is under way already" in late.stderr) == (3, True)
    assert len(rows()) == 2
    shown = inside(project, "history").stdout
    assert "1 run missed: the run before it was still under way" in shown
    assert Ledger.open(project / "ledger.sqlite").verify().holds


def test_one_run_for_a_timer_ends_as_the_run_did(project, monkeypatch, capfd):
    monkeypatch.setenv("UPHELD_LEDGER", str(project / "once.sqlite"))
    (project / "notify.yaml").write_text(
        "upheld: notify/1\ndestinations: [{name: a, url: 'env:NOT_SET'}]\n", encoding="utf-8"
    )
    also = ("--notify", "notify.yaml", "--site", "site", "--metrics", "metrics/upheld.prom")
    which = ("--claims", "claim-1", "--out", "reports/once")
    done = inside(project, "watch", "--once", "--every", "6h", "-n", "0", *which, *also)
    assert (done.returncode, "ended with exit code 0" in done.stderr) == (0, True), done.stderr
    (row,) = Ledger.open(project / "once.sqlite").runs()
    assert row.statuses() == {"claim-1": Status.UPHELD}
    assert 'claim="claim-1",severity="low",status="upheld"} 1.0' in (project / "metrics" / "upheld.prom").read_text(
        "utf-8"
    )
    assert "claim-1" in (project / "site" / row.series / "index.html").read_text("utf-8")
    for wrong in (("--every", "soon"), (), ("--every", "1h", "--jitter", "2h")):
        assert inside(project, "watch", *wrong).returncode == 2
