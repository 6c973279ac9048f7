"""Parts of fleets that are tested: a small cluster, jobs of a stranger's project, and work that misbehaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upheld import documents
from upheld.fleet.carrying import NotDone
from upheld.fleet.jobs import RUN, Job
from upheld.fleet.leases import Heart, Lease
from upheld.fleet.members import Member
from upheld.fleet.packing import pack

if TYPE_CHECKING:
    from distributed import Client

SECONDS = 120
"""For what has to come true."""


@contextmanager
def cluster(workers: int = 2) -> Iterator[Client]:
    """The client of a cluster on the loopback address, each of whose workers is a process and has a few threads."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=4,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "dashboard": False},
            memory_limit=None,
        ) as local,
        Client(local) as client,
    ):
        yield client


def member(folder: Path, name: str = "one", **changed: Any) -> Member:
    """The project in a folder as a member of a fleet."""
    target = documents.load(folder / "target.yaml").data
    given = Member(name, "fleet.yaml:1:1", target, folder, folder / "policies.yaml", (), None, frozenset())
    return replace(given, **changed)


def job(heart: Heart, one: Member, **options: Any) -> Job:
    """A first attempt at it, with a ticket, and a lease that outlasts a machine which stands still for a while."""
    options = {"lease": 600.0, "share": {}, **options}
    return pack(one, 1, options.pop("share"), fleet="fleet", ticket=heart.issue(), **options)


def until(holds: Callable[[], object]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether there is a process of that number which has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in {b"Z", b"X"}


def pid_in(file: Path) -> int:
    """The number that a process wrote into a file, once it is there."""
    until(lambda: file.exists() and file.read_text("ascii").endswith("\n"))
    return int(file.read_text("ascii"))


# --- work for workers, which import it from here -----------------------------------------------------------------------


def writes_nothing(_job: Job, _folder: Path, _lease: Lease) -> int:
    """It says that all is well, and shows nothing for it."""
    return 0


def breaks(_job: Job, _folder: Path, _lease: Lease) -> int:
    """It raises what nobody expects."""
    raise ZeroDivisionError("division by zero")


def gives_up(_job: Job, _folder: Path, _lease: Lease) -> int:
    """It says itself what became of it."""
    raise NotDone("failed", "the replay has no more", 3)


def answers(_job: Job, folder: Path, _lease: Lease) -> int:
    """It leaves a folder of a run."""
    (folder / RUN).mkdir()
    (folder / RUN / "run.json").write_text("{}", "utf-8")
    return 0


def answers_late(one: Job, folder: Path, lease: Lease) -> int:
    """It goes on although its lease has ended."""
    while lease.holds():
        time.sleep(0.02)
    return answers(one, folder, lease)


def answers_four(one: Job, folder: Path, lease: Lease) -> int:
    """It leaves a folder, and says that upheld failed."""
    answers(one, folder, lease)
    return 4


def leaves_too_much(one: Job, folder: Path, lease: Lease) -> int:
    """The folder has a name that no run's folder has."""
    answers(one, folder, lease)
    (folder / RUN / "a\nb").write_text("", "utf-8")
    return 0


def sleeps(one: Job, folder: Path, lease: Lease) -> int:
    """A process that never ends, under a guard; its number is in the file that the job names as its only claim."""
    from upheld.fleet.carrying import guarded

    ended = guarded(forever(Path(one.claims[0])), folder, os.environ, lease, one.time_limit)
    lease.holds()  # The guard may have seen the end of the lease before anybody here looked.
    raise NotDone("stopped", f"{ended.how}: {lease.reason}", ended.code)


def forever(file: Path, *, deaf: bool = False) -> list[str]:
    """A command that writes its number into a file and sleeps; one that is deaf does not end when it is asked to."""
    script = f"""
import os, signal, sys, time
if {deaf}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open({str(file)!r}, "w") as stream:
    print(os.getpid(), file=stream)
while True:
    time.sleep(60)
"""
    return [sys.executable, "-c", script]


@contextmanager
def swept(*files: Path) -> Iterator[None]:
    """Whatever wrote its number into one of the files has ended after the block, even if the test failed."""
    try:
        yield
    finally:
        for file in files:
            with suppress(OSError, ValueError):
                os.kill(int(file.read_text("ascii")), signal.SIGKILL)


def left_of(script: str, **options: Any) -> subprocess.Popen[bytes]:
    """A Python process that may import the tests."""
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths}, **options)
