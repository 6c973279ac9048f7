"""Exclusive checks run alone across processes, undisturbed ones without any that changes something; a process that dies lets go."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import pytest

from upheld import OBSERVED
from upheld.model import PlannedCheck
from upheld.plugin.brief import Brief, Ground, Workshop
from upheld.plugin.locks import Room
from upheld.probes.planted import Planted

SPAWN = multiprocessing.get_context("spawn")
PUTTING_BACK = "putting-back"
KINDS = {"exclusive": {"exclusive": True, "intrusive": True}, "undisturbed": {"undisturbed": True, "intrusive": True}}
KINDS |= {"changing": {"intrusive": True}, "reading": {}}
APART = {
    "exclusive": {*KINDS, PUTTING_BACK},
    "undisturbed": {"exclusive", "undisturbed", "changing", PUTTING_BACK},
}
"""What none of a kind meets; the others meet whatever does not keep them out."""


def _entered(room, kind):
    if kind == PUTTING_BACK:
        return room.entered_to_put_back()
    return room.entered(PlannedCheck("", "", "", {}, OBSERVED, "", "", **KINDS[kind]))


def _stay(folder, log, kind, times):
    room = Room(folder)
    for _ in range(times):
        with _entered(room, kind):
            with log.open("a") as file:
                file.write(f"in {kind} {os.getpid()}\n")
            time.sleep(0.002)
            with log.open("a") as file:
                file.write(f"out {kind} {os.getpid()}\n")
    room.close()


def _die(folder, kind):
    room = Room(folder)
    with _entered(room, kind):
        os._exit(9)


def _look(folder, mark):
    room = Room(folder)
    with _entered(room, "reading"):
        mark.touch()
    room.close()


def _stay_alone(folder, inside):
    room = Room(folder)
    with _entered(room, "exclusive"):
        inside.touch()
        time.sleep(60)


def test_none_runs_beside_whom_it_must_not_meet(tmp_path):
    log = tmp_path / "log"
    kinds = ("exclusive", "undisturbed", "undisturbed", "changing", "changing", "reading", PUTTING_BACK)
    processes = [SPAWN.Process(target=_stay, args=(tmp_path, log, kind, 15)) for kind in kinds]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    inside: set[tuple[str, str]] = set()
    entered = 0
    for line in log.read_text().splitlines():
        what, kind, pid = line.split()
        if what == "out":
            inside.discard((kind, pid))
            continue
        entered += 1
        for other, _ in inside:
            assert other not in APART.get(kind, ()), f"one that is {kind} entered beside one that is {other}"
            assert kind not in APART.get(other, ()), f"one that is {kind} entered beside one that is {other}"
        inside.add((kind, pid))
    assert entered == 15 * len(kinds)


def test_what_only_reads_runs_beside_what_is_undisturbed(tmp_path):
    room, mark = Room(tmp_path), tmp_path / "mark"
    with _entered(room, "undisturbed"):
        process = SPAWN.Process(target=_look, args=(tmp_path, mark))
        process.start()
        process.join(60)
        assert mark.exists()
    room.close()


@pytest.mark.parametrize("kind", [*KINDS, PUTTING_BACK])
def test_a_process_that_dies_inside_lets_go(tmp_path, kind):
    process = SPAWN.Process(target=_die, args=(tmp_path, kind))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    room = Room(tmp_path)
    for one in KINDS:
        with _entered(room, one):
            pass
    room.close()


@pytest.mark.parametrize("interrupted", ["before", "meanwhile"])
def test_whoever_is_interrupted_undoes_what_it_left_beside_one_that_is_alone(tmp_path, interrupted):
    scratch, kept = tmp_path / "scratch", tmp_path / "kept"
    scratch.mkdir()
    kept.mkdir()
    target = tmp_path / "target.yaml"
    target.write_text(
        "upheld: target/1\nname: nothing much\nenvironment: staging\nretention: {files: [{name: kept, folder: kept}]}\n"
    )
    brief = Brief((), (), {}, {}, (), scratch, "00" * 32, shared_room=True)
    workshop = Workshop((), lambda: brief, lambda: Ground(target))
    planted = kept / "planted"
    planted.touch()
    workshop.session.journal.about(Planted("file", "a file", file=str(planted)))
    workshop.interrupted = interrupted == "before"
    inside = tmp_path / "inside"
    other = SPAWN.Process(target=_stay_alone, args=(scratch, inside))
    other.start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while not inside.exists() and other.is_alive():
            time.sleep(0.01)
        impatient = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        if interrupted == "meanwhile":
            impatient.start()
        workshop.close()
        impatient.cancel()
        assert other.is_alive()
        assert not planted.exists()
    finally:
        signal.signal(signal.SIGINT, before)
        other.kill()
        other.join()
