"""A ledger of 10,000 runs of 54 claims, and what every command about history costs of it, the whole process from start to end.

Promise: each of them takes less than 1 s. The runs have the shape that is recorded: 54 claims, 22 checks' worth of findings with
identities, four runs a day, a claim refuted now and then, a run missing now and then. They are added through the ledger's own
interface, which is measured too. Prints the median and the worst of several starts. Both kinds of database are measured: a file of SQLite, and
a PostgreSQL of the reference's own (from the wheel), reached over a socket as any other; --postgresql names another one.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upheld.ledger import Ledger
from upheld.ledger.records import ClaimRecord, FindingKept, Record
from upheld.model import timestamp

LIMIT = 1.0
COMMANDS = (
    ("history",),
    ("history", "--json", "--limit", "10000"),
    ("history", "claim-7"),
    ("history", "claim-7", "--json"),
    ("timeline",),
    ("timeline", "claim-7"),
    ("timeline", "--days", "3650"),
    ("timeline", "--days", "3650", "--json"),
    ("diff", "{early}", "latest"),
    ("ledger",),
)
COMMAND = [sys.executable, "-c", "from upheld.cli.main import main; main()"]
FAILING = FindingKept("f" * 16, "own.check", "thing 3 of shop", "it is so", "it is not so " * 8)


def record(number: int, claims: int, findings: int, at: datetime) -> Record:
    """One run: every seventh week claim-7 is refuted for some runs, another claim is inconclusive now and then."""

    def claim(place: int) -> ClaimRecord:
        status = "upheld"
        if place == 7 and number % 200 < 12:
            status = "refuted"
        elif place == number % claims and number % 9 == 0:
            status = "inconclusive"
        passing = tuple(f"{place:08x}{one:08x}" for one in range(findings))
        failing = (FAILING,) if status == "refuted" else ()
        return ClaimRecord(
            f"claim-{place}", status, "high", "platform", "S", "observed", "", True, failing=failing, passing=passing,
            checks=((f"own.check_{place}", {"upheld": "pass", "refuted": "fail"}.get(status, status)),),
        )  # fmt: skip

    return Record(
        run=f"{number:08x}-bench", run_digest="d" * 64, folder="reports/latest", started=timestamp(at),
        finished=timestamp(at + timedelta(seconds=45)), seconds=45.0, complete=True, ended=True, planned=claims, policy="bench",
        policy_digest="b" * 64, target="shop", environment="staging", target_digest="a" * 64, vantage="office", sabotages=(),
        samples=(), selected=(), version="0", notes=(), code={f"own.check_{one}": "c" * 64 for one in range(claims)},
        claims=tuple(map(claim, range(claims))), tree="e" * 40,
    )  # fmt: skip


def filled(place: str, runs: int, claims: int, findings: int) -> tuple[float, Ledger]:
    """A ledger with so many runs up to now, and how many seconds adding one took."""
    ledger = Ledger.open(place)
    start = datetime.now(UTC) - timedelta(hours=6) * runs
    begun = time.perf_counter()
    for number in range(runs):
        if number % 97:  # A missed one.
            ledger._add_record(record(number, claims, findings, start + timedelta(hours=6) * number), "run")  # noqa: SLF001
    return (time.perf_counter() - begun) / runs, ledger


def measured(place: str, command: tuple[str, ...], times: int) -> list[tuple[float, float]]:
    """Seconds of the whole process, several times, and of CPU that each took, which says how much was waiting for others."""
    found = []
    for _ in range(times):
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*COMMAND, *command, "--ledger", place],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append((seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
        if done.returncode != 0 or not done.stdout:
            raise SystemExit(f"upheld {' '.join(command)} failed: {done.stderr}")
    return found


def main() -> int:
    """Measure, print, and fail where a command takes longer than was promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--claims", type=int, default=54)
    parser.add_argument("--findings", type=int, default=10, help="findings of one claim")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--postgresql", default="", metavar="URL", help="an empty database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _postgresql(Path(folder), given.postgresql) as url:
        slow = sum(_measured_on(place, given) for place in (str(Path(folder) / "ledger.sqlite"), url))
    print("promise kept: each under 1 s" if not slow else f"PROMISE BROKEN by {slow}")
    return 1 if slow else 0


def _measured_on(place: str, given: argparse.Namespace) -> int:
    """How many commands are too slow on a ledger there; one more where its chain does not hold."""
    each, ledger = filled(place, given.runs, given.claims, given.findings)
    kind = "PostgreSQL" if ledger.place.file is None else f"SQLite, {ledger.place.file.stat().st_size / 1e6:.0f} MB"
    print(f"{kind}: {given.runs:,} runs of {given.claims} claims: {each * 1000:.1f} ms to add one")
    begun = time.perf_counter()
    verified = ledger.verify()
    print(
        f"ledger verify: {time.perf_counter() - begun:.1f} s for {verified.entries:,} entries, holds: {verified.holds}"
    )
    slow = int(not verified.holds)
    for words in COMMANDS:
        command = tuple(word.format(early=given.runs // 10) for word in words)
        taken = measured(place, command, given.times)
        middle, busy = (statistics.median(column) for column in zip(*taken, strict=True))
        slow += middle >= LIMIT
        print(
            f"upheld {' '.join(command):<44} median {middle:.2f} s ({busy:.2f} s of CPU), worst {max(taken)[0]:.2f} s"
        )
    return slow


@contextmanager
def _postgresql(folder: Path, given: str) -> Iterator[str]:
    """The URL of an empty database, on a server that ends with the block unless one was given."""
    if given:
        yield given
        return
    from upheld_reference.postgres import Postgres  # noqa: PLC0415  (only here)

    server = Postgres(folder, folder / "postgres.log")
    server.start()
    try:
        server.wait()
        yield server.superuser_url
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
