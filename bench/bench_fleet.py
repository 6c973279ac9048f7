"""A fleet of 500 targets on 1 and on 2 workers, by the same path as `upheld fleet`: what the second worker gains, and what a target costs.

Promises: 2 workers take at most 1/(2 × 0.9) of the time of 1; what a target costs beyond its own audit (seconds of the controller's CPU, and of
everybody's waiting) is the same in a fleet of 500 as in one of 10, within a quarter or 10 ms.

The targets are simulated, and only they: one audit of the embedded reference is made, and each target's audit replays what that one recorded
(`upheld.replaying`): every look waits as long as it took then, all of them scaled by one factor (it is printed) so that an audit waits --seconds,
every check judges anew over what was seen, and the reports of a run are written. Fleet file, packing, tickets, leases, Dask, archives, journal, ledger
and the fleet's own report are the real ones. One worker is one process with one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from upheld.catalogue import Catalogue, LazyCatalogue
from upheld.fleet import carrying
from upheld.fleet.cluster import Choice, connected
from upheld.fleet.driving import drive
from upheld.fleet.jobs import RUN, Job
from upheld.fleet.leases import Lease
from upheld.fleet.members import load_fleet
from upheld.ledger import Ledger
from upheld.model import Run, timestamp
from upheld.replaying import replay
from upheld.reporting import run_json
from upheld.reporting.folder import write_reports
from upheld.resources import builtin

OF_IDEAL = 0.9
FLAT, SLACK = 1.25, 0.010
CLAIMS = "transit-tls12,hosting-germany,retention-header"
COMMAND = [sys.executable, "-c", "from upheld.cli.main import main; main()"]
POLICY = """upheld: policy/1
name: simulated
claims:
  - {id: held, statement: "Each target is audited.", section: S, severity: low, owner: platform, checks: [tls.refuses_old_versions]}
"""
TARGET = "upheld: target/1\nname: ${name}\nenvironment: staging\nendpoints: [{name: web, url: 'https://${host}/'}]\n"


def main() -> int:
    """Measure, print, and fail where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=500)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.3, help="that one audit waits for its target")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        recorded = Path(scratch) / "recorded"
        whole = _record(recorded)
        looks = sum(len(check.observations) for claim in whole.claims for check in claim.checks)
        took = _waited(whole)
        factor = given.seconds / took
        print(
            f"recorded: {looks} looks of {took:.2f} s; replayed with their latencies times {factor:.3f}: {given.seconds:g} s a target"
        )
        few = _driven(Path(scratch) / "few", recorded, factor, given.few, 2)
        many = _driven(Path(scratch) / "many", recorded, factor, given.targets, 2)
        one = _driven(Path(scratch) / "one", recorded, factor, given.targets, 1)
    for measured in (one, many, few):
        print(measured)
    gained = one.seconds / many.seconds / 2
    print(
        f"2 workers: {one.seconds / many.seconds:.2f} times as fast as 1, {gained:.2f} of ideal; promised: {OF_IDEAL}"
    )
    flat = all(after <= before * FLAT + SLACK for before, after in ((few.cpu, many.cpu), (few.beyond, many.beyond)))
    kept = gained >= OF_IDEAL and flat
    print("kept" if kept else "BROKEN")
    return 0 if kept else 1


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """One fleet that was driven. `audits` is how many seconds the workers say that all audits took together."""

    targets: int
    workers: int
    seconds: float
    busy: float
    audits: float

    @property
    def cpu(self) -> float:
        """Seconds of the controller's CPU for one target, the scheduler's among them."""
        return self.busy / self.targets

    @property
    def beyond(self) -> float:
        """Seconds for one target beyond what the audits would take if the workers did nothing else."""
        return (self.seconds - self.audits / self.workers) / self.targets

    def __str__(self) -> str:
        return (
            f"{self.targets} targets, {self.workers} worker{'s' if self.workers > 1 else ''}: {self.seconds:.1f} s; for one target "
            f"{self.cpu * 1000:.0f} ms of the controller's CPU, {self.beyond * 1000:.0f} ms beyond its audit of {self.audits / self.targets * 1000:.0f} ms"
        )


def play(job: Job, folder: Path, lease: Lease, *, recorded: str, factor: float) -> int:
    """In the place of an audit: what was recorded, over again."""
    run, checks = _known(recorded)
    began = datetime.now(UTC)
    claims = []
    for claim in run.claims:
        results = []
        for result in claim.checks:
            for look in result.observations:
                time.sleep(look.seconds * factor)
                if not lease.holds():
                    raise carrying.NotDone("stopped", lease.reason)
            again = replay(result, checks[result.id])
            if again.verdict is not result.verdict:
                raise carrying.NotDone("failed", f"{result.id} came to something else: {again.reason}")
            results.append(again)
        claims.append(dataclasses.replace(claim, checks=tuple(results)))
    made = dataclasses.replace(
        run,
        id=str(uuid.uuid4()),
        started=timestamp(began),
        finished=timestamp(datetime.now(UTC)),
        seconds=round((datetime.now(UTC) - began).total_seconds(), 3),
        policy="simulated",
        target=dataclasses.replace(run.target, name=job.member),
        claims=tuple(claims),
    )
    (folder / RUN).mkdir()
    write_reports(made, folder / RUN)
    return 0


@functools.cache
def _known(recorded: str) -> tuple[Run, Catalogue]:
    return run_json.read(Path(recorded)), LazyCatalogue(builtin() / "checks")


def _waited(run: Run) -> float:
    return sum(look.seconds for claim in run.claims for check in claim.checks for look in check.observations)


def _record(folder: Path) -> Run:
    """One real audit, of which the targets' are replays."""
    arguments = [
        "run",
        "--policy",
        str(builtin() / "policies.yaml"),
        "--target",
        "reference",
        "--claims",
        CLAIMS,
        "--out",
        str(folder),
        "--ledger",
        "none",
        "-n",
        "0",
        "--no-color",
    ]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the audit that is replayed failed: {done.stdout}{done.stderr}")
    return run_json.read(folder / "run.json")


def _driven(folder: Path, recorded: Path, factor: float, targets: int, workers: int) -> Measured:
    folder.mkdir()
    rows = ", ".join(f"{{name: t{number:03}, host: t{number:03}.example}}" for number in range(targets))
    (folder / "fleet.yaml").write_text(
        "format: upheld-fleet/1\nname: simulated\npolicy: policies.yaml\n"
        f"targets:\n  - template: tenant.yaml\n    with: [{rows}]\n"
    )
    (folder / "policies.yaml").write_text(POLICY)
    (folder / "tenant.yaml").write_text(TARGET)
    fleet, ledger = load_fleet(folder / "fleet.yaml"), Ledger.open(folder / "ledger.sqlite")
    work = functools.partial(play, recorded=str(recorded / "run.json"), factor=factor)
    carry_out = functools.partial(carrying.carry_out, work=work)
    with connected(Choice(workers=workers)) as client:
        for number in range(workers):  # What each worker imports and reads once is no target's cost.
            client.submit(
                _warmed, str(recorded / "run.json"), number, workers=[list(client.nthreads())[number]]
            ).result()
        before, began = _busy(), time.perf_counter()
        made = drive(fleet, client, folder / "out", ledger, carry_out=carry_out)
        seconds, busy = time.perf_counter() - began, _busy() - before
    ran = sum(member.state == "ran" for member in made.members)
    if ran != targets or not made.complete or len(ledger.runs()) != targets:
        reasons = {member.reason for member in made.members if member.reason}
        raise SystemExit(f"not what was to be measured: {ran} of {targets} targets ran: {reasons}")
    return Measured(targets, workers, seconds, busy, sum(member.seconds for member in made.members))


def _warmed(recorded: str, _number: int) -> None:
    run, checks = _known(recorded)
    for claim in run.claims:
        for result in claim.checks:
            replay(result, checks[result.id])


def _busy() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    # By its name, so that workers find it too.
    from bench_fleet import main as measured

    sys.exit(measured())
