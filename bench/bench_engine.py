"""The engine's own cost: 10,000 checks that look once and find one thing, against 10,000 empty parametrized pytest tests.

Promise: at most 2 x, serial and with `-n 2`, recording and judging included. Memory stays flat in the number of checks but
for the findings that are kept. Prints medians of CPU seconds (user + system, all processes) and wall seconds, and ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECK = '''
from collections.abc import Iterator
from upheld import OBSERVED, Finding, check
from upheld.probes.clock import Clock

@check(basis=OBSERVED)
def holds(clock: Clock) -> Iterator[Finding]:
    """Nothing is wrong."""
    clock.now()
    yield Finding("nothing", passed=True, expected="nothing", observed="nothing")
'''
TARGET = "upheld: target/1\nname: nothing\nenvironment: staging\n"
EMPTY = "import pytest\n\n@pytest.mark.parametrize('n', range({count}))\ndef test_nothing(n):\n    pass\n"
CLAIM = '  - {{id: claim-{n}, statement: "Promise number {n}.", section: S, severity: low, owner: platform, checks: [noop.holds]}}\n'


def project(folder: Path, count: int) -> None:
    """Write a policy of `count` claims with one check each, and a file of as many empty tests."""
    (folder / "checks").mkdir(parents=True)
    (folder / "checks" / "noop.py").write_text(CHECK)
    (folder / "target.yaml").write_text(TARGET)
    claims = "".join(CLAIM.format(n=n) for n in range(count))
    (folder / "policies.yaml").write_text(f"upheld: policy/1\nname: bench\nclaims:\n{claims}")
    (folder / "test_empty.py").write_text(EMPTY.format(count=count))
    (folder / "pytest.ini").write_text("[pytest]\n")


def measure(folder: Path, arguments: list[str]) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and peak resident KiB of the largest process so far of the pytest runs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = time.perf_counter()
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "xdist.plugin",
        "-p",
        "upheld.plugin",
        *arguments,
    ]
    done = subprocess.run(
        ["/usr/bin/env", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - clock
    if done.returncode:
        sys.exit(f"{arguments} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, after.ru_maxrss


def main() -> None:
    """Run both in turn and print the ratios; exit 1 when a promise is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    broken = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        project(folder, given.count)
        small = Path(name) / "small"
        project(small, max(1, given.count // 10))
        # The operating system keeps one maximum for all children, so the small run is measured first.
        before = measure(small, ["policies.yaml", "--target", "target.yaml"])[2]
        after = measure(folder, ["policies.yaml", "--target", "target.yaml"])[2]
        each = (after - before) / (given.count - given.count // 10)
        print(
            f"engine memory: {before // 1024} MiB at {given.count // 10}, {after // 1024} MiB at {given.count}: {each:.1f} KiB a check"
        )
        for label, extra in (("serial", []), ("-n 2", ["-n", "2"])):
            ours, theirs = [], []
            for _ in range(given.runs):
                theirs.append(measure(folder, ["test_empty.py", *extra]))
                ours.append(measure(folder, ["policies.yaml", "--target", "target.yaml", *extra]))
            cpu = [statistics.median(run[0] for run in runs) for runs in (ours, theirs)]
            wall = [statistics.median(run[1] for run in runs) for runs in (ours, theirs)]
            print(
                f"engine {label}: {given.count} checks {cpu[0]:.2f} s CPU {wall[0]:.2f} s wall; empty tests {cpu[1]:.2f} / {wall[1]:.2f}"
            )
            print(
                f"engine {label}: ratio {cpu[0] / cpu[1]:.2f} CPU, {wall[0] / wall[1]:.2f} wall (promised: at most 2)"
            )
            broken |= cpu[0] / cpu[1] > 2 or wall[0] / wall[1] > 2
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
