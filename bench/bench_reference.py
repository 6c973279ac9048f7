"""The reference deployment: how long it takes to be ready, untouched and with a sabotage, and how much memory it takes.

Promise: ready within 3 s and 400 MB in all (every process, proportional set size), with a sabotage likewise, and four side by
side on two cores. Prints medians, and ratios to an untouched start; exits 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from upheld_reference import deployment
from upheld_reference.deployment import Deployment

PROMISED_SECONDS = 3.0
PROMISED_MEGABYTES = 400.0
SABOTAGE = "tls_1_1_on_one_port"


def processes_below(pid: int) -> list[int]:
    """A process and all that it started, itself first."""
    found = [pid]
    for parent in found:
        listed = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout
        found += [int(word) for word in listed.split()]
    return found


def megabytes(running: Deployment) -> float:
    """What all processes of a deployment take, shared pages counted once."""
    total = 0
    for pid in processes_below(running.facts["pid"]):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def start(names: tuple[str, ...] = ()) -> tuple[float, float]:
    """Seconds until one is ready, and its megabytes."""
    before = time.perf_counter()
    with deployment.start(names) as running:
        return time.perf_counter() - before, megabytes(running)


def side_by_side(count: int) -> list[float]:
    """Seconds until each of ``count`` is ready that were started at the same moment; all run until the last is."""
    everybody = threading.Barrier(count)

    def one(_number: int) -> float:
        everybody.wait()
        before = time.perf_counter()
        with deployment.start() as running:
            seconds = time.perf_counter() - before
            everybody.wait()
            if not running.running:
                sys.exit("one of several side by side has ended")
            return seconds

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def main() -> None:
    """Measure and print; exit 1 when a promise is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    start()  # the first one may have to copy PostgreSQL's programs
    untouched = [start() for _ in range(given.runs)]
    broken = [start((SABOTAGE,)) for _ in range(given.runs)]
    seconds = statistics.median(one[0] for one in untouched)
    with_sabotage = statistics.median(one[0] for one in broken)
    memory = max(one[1] for one in untouched + broken)
    print(
        f"reference: ready after {seconds:.2f} s, {memory:.0f} MB (promised: {PROMISED_SECONDS} s, {PROMISED_MEGABYTES:.0f} MB)"
    )
    print(f"reference: with a sabotage {with_sabotage:.2f} s, {with_sabotage / seconds:.2f} of an untouched start")
    four = side_by_side(4)
    print(
        f"reference: four side by side ready after {min(four):.2f} to {max(four):.2f} s, {max(four) / seconds:.2f} of one"
    )
    sys.exit(1 if max(seconds, with_sabotage) > PROMISED_SECONDS or memory > PROMISED_MEGABYTES else 0)


if __name__ == "__main__":
    main()
