"""Fleets whose runs lie in a folder as a fleet's run leaves them, made of small runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upheld.fleet.state import FORMAT, FleetRun, MemberRun
from upheld.judging import fingerprint
from upheld.model import CheckResult, ClaimResult, Run, Status, Verdict
from upheld.reporting import run_json

from ..reporting import sample

STAMP = "2026-03-02T09:30:00.000Z"


def failing(subject: str, observed: str = "answered 200", **changes: Any) -> CheckResult:
    """A check that one finding fails."""
    mark = fingerprint("tls", "tls.refuses_old_versions", subject)
    found = sample.finding(Verdict.FAIL, subject, observed=observed, fingerprint=mark)
    return sample.check(Verdict.FAIL, found, **changes)


def refuted(subject: str, observed: str = "answered 200", claim: str = "tls", **changes: Any) -> ClaimResult:
    """A claim that one finding refutes."""
    return sample.claim(Status.REFUTED, failing(subject, observed, **changes), id=claim, statement=f"Promise {claim}")


def claims(**statuses: Status) -> tuple[ClaimResult, ...]:
    """Claims of these statuses."""
    return tuple(
        sample.claim(status, id=name.replace("_", "-"), statement=f"Promise {name}")
        for name, status in statuses.items()
    )


def fleet(
    folder: Path,
    runs: Mapping[str, Run | tuple[ClaimResult, ...] | str],
    policies: Mapping[str, str] | None = None,
    **changes: Any,
) -> FleetRun:
    """A fleet's run of these targets: a run, its claims, or why the target was not observed."""
    members = []
    for number, (name, what) in enumerate(runs.items()):
        policy = (policies or {}).get(name, "policies.yaml")
        if isinstance(what, str):
            members.append(MemberRun(name, policy, "not observed", what, "", None, "", 0.0, resumed=False))
            continue
        run = what if isinstance(what, Run) else sample.run(*what)
        run = dataclasses.replace(run, id=f"run-{number}")
        place = f"targets/{number}"
        (folder / place).mkdir(parents=True, exist_ok=True)
        run_json.write(run, folder / place / "run.json")
        members.append(MemberRun(name, policy, "ran", "", run.id, 0, place, run.seconds, resumed=False))
    made = FleetRun(FORMAT, "f1", "production", "0" * 64, STAMP, STAMP, 61.0, complete=True, members=tuple(members))
    return dataclasses.replace(made, **changes)
