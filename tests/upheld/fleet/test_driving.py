"""Driving a fleet on real workers: what ran is kept at once, what is lost is tried again, and nothing looks better than it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import fleets
import ledgers
from processes import ROOT, said
from upheld.errors import InputError
from upheld.fleet import state
from upheld.fleet.cluster import Choice, connected
from upheld.fleet.driving import drive
from upheld.fleet.state import NOT_OBSERVED, RAN
from upheld.fleet.terms import Terms

TERMS = Terms(lease=2.0, margin=0.5, time_limit=60, patience_first=20, patience=30)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("played")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fleets.PLACE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def client(place):
    with connected(Choice(workers=2)) as made:
        yield made


@pytest.fixture
def driven(client, tmp_path):
    """Drives a fleet in this folder."""

    def go(found, **options):
        options = {"terms": TERMS, "carry_out": fleets.played, **options}
        return drive(found, client, tmp_path / "out", options.pop("ledger", None), **options)

    return go


def by_name(run):
    return {one.name: one for one in run.members}


def rows(ledger):
    return {row.target: row.run for row in ledger.runs()}


def test_each_target_comes_to_its_own_and_is_in_the_ledger_as_it_comes(driven, place, tmp_path):
    fleets.told(place, "t1-bad", code=1)
    fleets.told(place, "t1-dark", code=3)
    fleets.told(place, "t1-last", until=str(tmp_path / "go"))
    ledger = ledgers.made(tmp_path / "ledger.sqlite")
    seen = []

    def told(member, run, through, targets):
        seen.append((member.name, through, targets))
        assert rows(ledger).get(member.name) == run.id, "it is in the ledger before it is told"
        folder = tmp_path / "out" / member.folder
        assert (folder / "report.html").exists()
        if through == 3:
            (tmp_path / "go").touch()

    found = fleets.loaded(tmp_path, ["t1-good", "t1-bad", "t1-dark", "t1-last"])
    run = driven(found, ledger=ledger, told=told)
    assert seen[-1] == ("t1-last", 4, 4)
    assert {one.name: (one.state, one.code, one.reason) for one in run.members} == {
        "t1-good": (RAN, 0, ""),
        "t1-bad": (RAN, 1, ""),
        "t1-dark": (RAN, 3, ""),
        "t1-last": (RAN, 0, ""),
    }
    assert [one.name for one in run.members] == ["t1-good", "t1-bad", "t1-dark", "t1-last"]
    assert (run.complete, run.faults, run.code()) == (True, 0, 1)
    assert state.read(tmp_path / "out") == run
    assert set(state.standing(tmp_path / "out").ran) == {one.name for one in run.members}
    assert all(one.attempts[0].how == "ran" and one.attempts[0].worker for one in run.members)


def test_what_does_not_come_to_its_end_is_not_observed(driven, client, place, tmp_path):
    fleets.told(place, "t2-late", fails="the audit did not end within 60 s")
    fleets.told(place, "t2-broken", fails="the audit ended with exit code 4", code=4)
    ledger = ledgers.made(tmp_path / "ledger.sqlite")
    run = driven(fleets.loaded(tmp_path, ["t2-late", "t2-good", "t2-broken"]), ledger=ledger)
    found = by_name(run)
    assert (found["t2-late"].state, found["t2-late"].reason) == (NOT_OBSERVED, "the audit did not end within 60 s")
    assert found["t2-broken"].code == 4
    assert run.code() == 4, "a fault of upheld is not a verdict"
    assert set(rows(ledger)) == {"t2-good"}
    run = driven(fleets.loaded(tmp_path, ["t2-good"]), carry_out=fleets.exits)
    assert run.members[0].state == NOT_OBSERVED
    assert "it does not know what to do with t2-good" in run.members[0].reason
    assert run.code() == 4
    previous = tmp_path / "out" / "previous"
    assert len(state.read(previous).members) == 3, "what stood there is kept"
    assert not (tmp_path / "out" / "targets" / "t2-good").exists()


def test_a_host_is_sent_no_more_by_all_targets_than_the_fleet_says(driven, place, tmp_path):
    hosts = {"t3-one": "shared.example", "t3-two": "shared.example", "t3-three": "shared.example"}
    extra = "limits: {hosts: {shared.example: {requests: 90, per_second: 1000}}}\n"
    for name in hosts:
        fleets.told(place, name, until=str(tmp_path / name))
    found = fleets.loaded(tmp_path, [*hosts, "t3-apart"], hosts, extra)
    result = []
    thread = threading.Thread(target=lambda: result.append(driven(found)))
    thread.start()
    fleets.await_(lambda: fleets.noted(place, "t3-apart", "ended"), "a target with another host goes on meanwhile")
    for name in hosts:
        fleets.await_(lambda name=name: fleets.noted(place, name), "it begins")
        began = [one for one in hosts if fleets.noted(place, one) and not fleets.noted(place, one, "ended")]
        assert began == [name], "one after the other"
        (tmp_path / name).touch()
    thread.join(60)
    assert result[0].code() == 0
    shares = [fleets.noted(place, name)[0]["share"]["hosts"]["shared.example"] for name in hosts]
    assert shares[0] == {"requests": 30, "per_second": 1000, "burst": 1}
    assert sum(one["requests"] for one in shares) <= 90


def test_a_target_without_a_budget_left_is_not_observed(driven, place, tmp_path):
    hosts = {"t4-one": "poor.example", "t4-two": "poor.example"}
    fleets.told(place, "t4-one", fails="it was lost in space")
    extra = "limits: {hosts: {poor.example: {requests: 1}}}\n"
    run = driven(fleets.loaded(tmp_path, [*hosts, "t4-other"], hosts, extra))
    found = by_name(run)
    assert found["t4-two"].reason == "the fleet's budget of 1 requests to poor.example is used up (limits)"
    assert not fleets.noted(place, "t4-two"), "nothing was sent"
    assert found["t4-other"].state == RAN
    assert run.code() == 3


def test_a_target_whose_worker_is_killed_is_audited_again_once_its_lease_has_run_out(driven, place, tmp_path):
    fleets.told(place, "t5-hit", until=str(tmp_path / "never"))
    said = []
    result = []
    found = fleets.loaded(tmp_path, ["t5-hit", "t5-good"])
    thread = threading.Thread(target=lambda: result.append(driven(found, say=said.append)))
    thread.start()
    fleets.await_(lambda: fleets.noted(place, "t5-hit"), "it begins")
    fleets.told(place, "t5-hit", code=1)
    os.kill(fleets.noted(place, "t5-hit")[0]["pid"], signal.SIGKILL)
    thread.join(60)
    (run,) = result
    hit = by_name(run)["t5-hit"]
    assert (hit.state, hit.code, run.code()) == (RAN, 1, 1)
    assert [one.how for one in hit.attempts] == ["its worker is gone", "ran"]
    assert [one["attempt"] for one in fleets.noted(place, "t5-hit")] == [1, 2]
    assert "t5-hit: its worker is gone; it is tried again" in said
    first, second = (
        one["event"] for one in events(tmp_path) if one.get("member") == "t5-hit" and one["event"] == "ended"
    )
    assert first == second == "ended"


def events(folder):
    return [json.loads(line) for line in (folder / "out" / state.PROGRESS).read_text(encoding="utf-8").splitlines()]


@pytest.mark.exhaustive
def test_a_target_that_takes_every_worker_with_it_is_not_observed(driven, place, tmp_path):
    fleets.told(place, "t6-deadly", until=str(tmp_path / "never"))
    result = []
    found = fleets.loaded(tmp_path, ["t6-deadly"])
    terms = Terms(lease=1.0, margin=0.1, time_limit=60, attempts=2)
    thread = threading.Thread(target=lambda: result.append(driven(found, terms=terms)))
    thread.start()
    for count in (1, 2):
        fleets.await_(lambda count=count: len(fleets.noted(place, "t6-deadly")) == count, "it begins again")
        os.kill(fleets.noted(place, "t6-deadly")[-1]["pid"], signal.SIGKILL)
    thread.join(60)
    (deadly,) = result[0].members
    assert (deadly.state, deadly.reason) == (NOT_OBSERVED, "its worker is gone (2 attempts)")
    assert result[0].code() == 3
    assert result[0].complete


def test_a_run_that_is_stopped_is_resumed_and_runs_nothing_twice(driven, place, tmp_path):
    stop = threading.Event()
    fleets.told(place, "t7-held", until=str(tmp_path / "never"))
    ledger = ledgers.made(tmp_path / "ledger.sqlite")
    found = fleets.loaded(tmp_path, ["t7-done", "t7-held", "t7-later"], extra="at_once: 1\n")

    def told(member, run, through, targets):
        if member.name == "t7-done":
            threading.Thread(target=held).start()

    def held():
        fleets.await_(lambda: fleets.noted(place, "t7-held"), "it begins")
        stop.set()

    run = driven(found, ledger=ledger, stop=stop, told=told)
    assert not run.complete
    assert {one.name: one.state for one in run.members} == {
        "t7-done": RAN,
        "t7-held": NOT_OBSERVED,
        "t7-later": NOT_OBSERVED,
    }
    assert "the controller took it back" in by_name(run)["t7-held"].reason
    assert run.notes == ("the fleet's run was stopped; --resume goes on from here",)
    assert run.code() == 3
    assert state.read(tmp_path / "out") == run

    fleets.told(place, "t7-held", code=0)
    again = driven(found, ledger=ledger, resume=True)
    assert (again.complete, again.code(), again.id) == (True, 0, run.id)
    assert {one.name: one.resumed for one in again.members} == {"t7-done": True, "t7-held": False, "t7-later": False}
    assert by_name(again)["t7-done"].attempts == by_name(run)["t7-done"].attempts, "its age is told"
    assert len(by_name(again)["t7-held"].attempts) == 2
    assert [len(fleets.noted(place, name)) for name in ("t7-done", "t7-held", "t7-later")] == [1, 2, 1]
    assert len(ledger.runs()) == 3

    (tmp_path / "policies.yaml").write_text(
        (tmp_path / "policies.yaml").read_text(encoding="utf-8").replace("Promise a.", "Promise b."), encoding="utf-8"
    )
    with pytest.raises(InputError, match="began with another description"):
        driven(fleets.loaded(tmp_path, ["t7-done", "t7-held", "t7-later"], extra="at_once: 2\n"), resume=True)


def test_what_is_gone_or_another_is_audited_again_and_what_is_whole_is_not_resumed(driven, place, tmp_path):
    fleets.told(place, "t8-late", fails="it took too long")
    found = fleets.loaded(tmp_path, ["t8-same", "t8-gone", "t8-other", "t8-late"])
    first = driven(found)
    fleets.told(place, "t8-late")
    (tmp_path / "out" / by_name(first)["t8-gone"].folder / "run.json").unlink()
    other = tmp_path / "out" / by_name(first)["t8-other"].folder / "run.json"
    other.write_text(
        other.read_text(encoding="utf-8").replace('"status": "upheld"', '"status": "refuted"', 1), encoding="utf-8"
    )
    again = driven(found, resume=True)
    assert {one.name for one in again.members if one.resumed} == {"t8-same"}
    assert again.code() == 0
    with pytest.raises(InputError, match="came to its end, and nothing is left"):
        driven(found, resume=True)


CONTROLLER = """
import sys
import fleets
from pathlib import Path
from upheld.fleet.cluster import Choice, connected
from upheld.fleet.driving import drive
from upheld.fleet.members import load_fleet
from upheld.fleet.terms import Terms
from upheld.ledger import Ledger
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with connected(Choice(workers=2)) as client:
        drive(load_fleet(folder / "fleet.yaml"), client, folder / "out", Ledger.open(folder / "ledger.sqlite"),
              terms=Terms(lease=2.0, margin=0.5), carry_out=fleets.played)
"""


def test_a_controller_that_is_killed_loses_nothing_and_passes_nothing(driven, place, tmp_path):
    fleets.told(place, "t9-held", until=str(tmp_path / "never"))
    found = fleets.loaded(tmp_path, ["t9-done", "t9-held", "t9-later"])
    ledger = ledgers.made(tmp_path / "ledger.sqlite")
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    ) as process:
        fleets.await_(lambda: fleets.noted(place, "t9-held") and len(rows(ledger)) == 2, "two are through")
        process.kill()
    account = state.read(tmp_path / "out")
    assert not account.complete
    assert {one.state for one in account.members} == {NOT_OBSERVED}, "nothing looks as if it had passed"
    assert account.code() == 3
    with (tmp_path / "out" / state.PROGRESS).open("ab") as stream:
        stream.write(b'{"event":"ended","mem')
    fleets.told(place, "t9-held", code=0)
    run = driven(found, ledger=ledger, resume=True)
    assert (run.complete, run.code()) == (True, 0)
    assert {one.name: one.resumed for one in run.members} == {"t9-done": True, "t9-held": False, "t9-later": True}
    assert [one["attempt"] for one in fleets.noted(place, "t9-held")] == [1, 2]
    assert [one.how for one in by_name(run)["t9-held"].attempts] == [state.UNKNOWN, "ran"]
    assert len(ledger.runs()) == 3


def test_a_folder_is_written_by_one_run_at_a_time(driven, place, tmp_path):
    fleets.told(place, "t10-held", until=str(tmp_path / "go"))
    found = fleets.loaded(tmp_path, ["t10-held"])
    thread = threading.Thread(target=driven, args=[found])
    thread.start()
    fleets.await_(lambda: fleets.noted(place, "t10-held"), "it begins")
    for resume in (True, False):
        with pytest.raises(InputError, match="another upheld fleet writes"):
            driven(found, resume=resume)
    (tmp_path / "go").touch()
    thread.join(60)
    assert state.read(tmp_path / "out").complete


def test_what_is_no_folder_of_a_fleet_is_left_alone(driven, tmp_path):
    (tmp_path / "out" / "targets").mkdir(parents=True)
    with pytest.raises(InputError, match="holds something else"):
        driven(fleets.loaded(tmp_path, ["t11-one"]))


LARGE = """
import functools
import sys
from pathlib import Path
import fleets
from processes import peak_bytes
from upheld.fleet.carrying import carry_out
from upheld.fleet.cluster import Choice, connected
from upheld.fleet.driving import drive
if __name__ == "__main__":
    folder, count = Path({folder!r}), {count}
    found = fleets.loaded(folder, [f"t{{number}}" for number in range(count)])
    with connected(Choice(workers=2)) as client:
        run = drive(found, client, folder / "out", carry_out=functools.partial(carry_out, work=fleets.act_at_length))
    assert run.code() == 0
    print(peak_bytes())
"""


@pytest.mark.exhaustive
def test_a_controller_needs_no_more_memory_for_many_targets_than_for_few(tmp_path):
    peaks = []
    for count in (6, 60):
        (folder := tmp_path / str(count)).mkdir()
        script = LARGE.format(folder=str(folder), count=count)
        peaks.append(int(said(script, environ={fleets.PLACE: str(folder)})))
    assert peaks[1] - peaks[0] < 40_000_000, "216 MB more came through"


def test_workers_with_another_version_are_given_nothing(driven, client, place, tmp_path):
    from upheld import __version__
    from upheld.fleet.placing import Workers

    (worker, *_) = client.nthreads()
    client.run(fleets.pretend, "0.0.1", workers=[worker])
    try:
        with pytest.raises(InputError, match=rf"{worker} has upheld 0\.0\.1, this machine has upheld"):
            driven(fleets.loaded(tmp_path, ["t13-one"]))
        said = []
        workers = Workers(client, said.append)
        workers.look()
        assert said == [
            f"the worker {worker} has upheld 0.0.1, this machine has upheld {__version__}: it is given nothing"
        ]
        assert workers.best([]) not in {None, worker}
        assert workers.room([]) == 1
    finally:
        client.run(fleets.pretend, __version__)
    assert not fleets.noted(place, "t13-one")
    assert not (tmp_path / "out" / state.PROGRESS).exists()


def test_a_ledger_that_fails_is_a_fault_and_the_run_is_added_when_it_is_resumed(driven, place, tmp_path):
    ledger = ledgers.made(tmp_path / "ledger.sqlite")
    (tmp_path / "ledger.sqlite").rename(tmp_path / "away")
    (tmp_path / "ledger.sqlite").mkdir()
    found = fleets.loaded(tmp_path, ["t12-one"])
    run = driven(found, ledger=ledger)
    assert (run.members[0].state, run.code()) == (RAN, 4)
    assert "NOT in the ledger" in run.notes[0]
    (tmp_path / "ledger.sqlite").rmdir()
    (tmp_path / "away").rename(tmp_path / "ledger.sqlite")
    again = driven(found, ledger=ledger, resume=True)
    assert again.code() == 0
    assert rows(ledger) == {"t12-one": again.members[0].run}
    assert len(fleets.noted(place, "t12-one")) == 1
