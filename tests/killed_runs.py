"""Runs that are killed at a moment, and what they leave in their folder."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from evidence_runs import project
from processes import COMMAND
from upheld.keeping import JOURNAL

SLOW = '''
import time
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check
from upheld.probes.clock import Clock


@check(basis=OBSERVED)
def holds(clock: Clock, *, number: int) -> Iterator[Finding]:
    """The thing is as it should be."""
    clock.now()
    clock.wait(0.02)
    yield Finding(f"thing {number}", passed=True, expected="good", observed="good " * 2000)
'''
CLAIMS = {f"claim-{number}": f"[own.holds: {{number: {number}}}]" for number in range(12)}


def slow_project(folder: Path) -> Path:
    """A policy of a dozen claims that a run upholds in a moment, one after the other."""
    return project(folder, CLAIMS, SLOW)


def killed(folder: Path, *, ended: int = 0, seconds: float = 0.0, workers: str = "0") -> int:
    """Start a run there, and kill it once so many checks have ended and so long after; gives its exit code."""
    journal = folder / "reports" / "latest" / JOURNAL
    command = [*COMMAND, "run", "-n", workers]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline and ended and lines(journal) <= ended:
            time.sleep(0.001)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def lines(journal: Path) -> int:
    """How many lines of a journal are whole; the first one is no result."""
    try:
        return journal.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
