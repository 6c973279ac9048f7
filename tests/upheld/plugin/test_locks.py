"""Exclusive checks run alone across processes; a process that dies lets go."""

from __future__ import annotations

import multiprocessing
import os
import time

from upheld.plugin.locks import Room

SPAWN = multiprocessing.get_context("spawn")


def _stay(folder, log, exclusive, times):
    room = Room(folder)
    for _ in range(times):
        with room.entered(exclusive=exclusive):
            with log.open("a") as file:
                file.write(f"in {exclusive} {os.getpid()}\n")
            time.sleep(0.002)
            with log.open("a") as file:
                file.write(f"out {exclusive} {os.getpid()}\n")
    room.close()


def _die(folder):
    room = Room(folder)
    with room.entered(exclusive=True):
        os._exit(9)


def test_none_runs_beside_an_exclusive_one(tmp_path):
    log = tmp_path / "log"
    processes = [SPAWN.Process(target=_stay, args=(tmp_path, log, exclusive, 20)) for exclusive in (True, False, False)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    inside: set[tuple[str, str]] = set()
    entered = 0
    for line in log.read_text().splitlines():
        what, exclusive, pid = line.split()
        if what == "out":
            inside.discard((exclusive, pid))
            continue
        entered += 1
        assert not any(kind == "True" for kind, _ in inside), "somebody entered beside an exclusive check"
        assert exclusive == "False" or not inside, "an exclusive check entered beside others"
        inside.add((exclusive, pid))
    assert entered == 60


def test_a_process_that_dies_inside_lets_go(tmp_path):
    process = SPAWN.Process(target=_die, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    room = Room(tmp_path)
    with room.entered(exclusive=True):
        pass
    room.close()
