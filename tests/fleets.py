"""Fleets of targets whose audits are played: what each worker does with a target is told by a file, so that a test can hold it on the way."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ledgers
from upheld.fleet.carrying import NotDone, carry_out
from upheld.fleet.jobs import RUN, Job
from upheld.fleet.leases import Lease
from upheld.fleet.members import Fleet, load_fleet
from upheld.model import Status
from upheld.reporting import run_json
from upheld.sent import write_sent

PLACE = "UPHELD_TEST_FLEET"
"""The variable that names the folder in which a worker finds what it is to do, and leaves what it did."""
_CODES = {0: Status.UPHELD, 1: Status.REFUTED, 3: Status.INCONCLUSIVE}
_POLICY = """upheld: policy/1
name: played
claims:
  - {id: a, statement: "Promise a.", section: S, severity: low, owner: platform, checks: [own.holds]}
"""
_CHECK = '''
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check
from upheld.probes.clock import Clock


@check(basis=OBSERVED)
def holds(clock: Clock) -> Iterator[Finding]:
    """The thing is as it should be."""
    clock.now()
    yield Finding("the thing", passed=True, expected="good", observed="good")
'''


def act(job: Job, folder: Path, lease: Lease) -> int:
    """What a worker does in the place of an audit."""
    place = Path(os.environ[PLACE])
    told = place / f"{job.member}.json"
    order = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    _note(place / f"{job.member}.began", {"pid": os.getpid(), "attempt": job.attempt, "share": dict(job.share)})
    try:
        while "until" in order and not Path(order["until"]).exists():
            if not lease.holds():
                raise NotDone("stopped", lease.reason)
            time.sleep(0.01)
    finally:
        _note(place / f"{job.member}.ended", {"attempt": job.attempt})
    # It sends all that it may.
    hosts = job.share.get("hosts", {}).items()
    write_sent(folder / RUN, job.member, {host: share["requests"] for host, share in hosts if "requests" in share})
    if "fails" in order:
        raise NotDone("failed", order["fails"], order.get("code"))
    code = int(order.get("code", 0))
    run = ledgers.of({"a": _CODES[code]}, f"run-{job.fleet[:6]}-{job.member}-{job.attempt}", target=job.member)
    run_json.write(run, folder / RUN / "run.json")
    (folder / RUN / "report.html").write_text("<p>It was audited.</p>", encoding="utf-8")
    return code


def act_at_length(job: Job, folder: Path, lease: Lease) -> int:
    """The same, with a run of 4 MB that nothing makes smaller."""
    code = act(job, folder, lease)
    (folder / RUN / "large.bin").write_bytes(os.urandom(4_000_000))
    return code


played = functools.partial(carry_out, work=act)
"""What a worker does with a job, with the audit played."""


def exits(job: Job, beats: object) -> object:
    """A worker whose upheld is at fault."""
    raise ValueError(f"it does not know what to do with {job.member}")


def pretend(version: str) -> None:
    """Let a worker say that it has that version."""
    from upheld.fleet import cluster

    cluster.__version__ = version


def told(place: Path, member: str, **order: object) -> None:
    """Say what the workers are to do with a target."""
    (place / f"{member}.json").write_text(json.dumps(order), encoding="utf-8")


def noted(place: Path, member: str, what: str = "began") -> list[dict[str, Any]]:
    """What workers noted of a target, in the order in which they did."""
    path = place / f"{member}.{what}"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def fleet(folder: Path, names: Sequence[str], hosts: Mapping[str, str] | None = None, extra: str = "") -> Path:
    """The file of a fleet of those targets, each with a host of its own unless it is said."""
    (folder / "checks").mkdir(parents=True, exist_ok=True)
    (folder / "checks" / "own.py").write_text(_CHECK, encoding="utf-8")
    (folder / "policies.yaml").write_text(_POLICY, encoding="utf-8")
    (folder / "tenant.yaml").write_text(
        "upheld: target/1\nname: ${name}\nenvironment: staging\nendpoints: [{name: web, url: 'https://${host}/'}]\n",
        encoding="utf-8",
    )
    rows = [f"{{name: {one}, host: {(hosts or {}).get(one, f'{one}.example')}}}" for one in names]
    path = folder / "fleet.yaml"
    path.write_text(
        f"format: upheld-fleet/1\nname: played\npolicy: policies.yaml\n{extra}"
        f"targets:\n  - template: tenant.yaml\n    with: [{', '.join(rows)}]\n",
        encoding="utf-8",
    )
    return path


def loaded(folder: Path, names: Sequence[str], hosts: Mapping[str, str] | None = None, extra: str = "") -> Fleet:
    """Such a fleet, loaded."""
    return load_fleet(fleet(folder, names, hosts, extra))


def await_(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait until that is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not come to this: {what}"
        time.sleep(0.02)


def _note(path: Path, what: object) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(what) + "\n")
