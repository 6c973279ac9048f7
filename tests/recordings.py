"""Runs of the reference whose recorded observations are judged again; each is made once in a test session."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from calibration import ROOT, audit
from upheld.catalogue import Catalogue
from upheld.model import CheckResult, Run
from upheld.reporting import run_json
from upheld.reporting.files import write_atomically


@cache
def recording(sabotages: tuple[str, ...] = (), claims: tuple[str, ...] = ()) -> Run:
    """One audit of the reference with these sabotages; without `claims`, of the whole policy."""
    with tempfile.TemporaryDirectory(prefix="upheld-recording-") as folder:
        return record(Path(folder), sabotages, claims)


def record(folder: Path, sabotages: tuple[str, ...], claims: tuple[str, ...]) -> Run:
    """As `recording`, kept in `folder` and found there again; raises InternalFault when the audit leaves no run."""
    name = hashlib.sha256("\0".join((*sabotages, "", *claims)).encode()).hexdigest()[:16]
    file = folder / f"{name}.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        chosen = [part for sabotage in sabotages for part in ("--sabotage", sabotage)]
        audited = audit("-n", "2", *chosen, *(("--claims", ",".join(claims)) if claims else ()))
        write_atomically(file, json.dumps(audited.run).encode())
    return run_json.read(file)


@cache
def checks() -> Catalogue:
    """The checks of this repository."""
    return Catalogue.load(ROOT / "checks")


def results(runs: Iterable[Run]) -> dict[str, list[CheckResult]]:
    """What each check came to in `runs`, by its id."""
    found: dict[str, list[CheckResult]] = {}
    for run in runs:
        for claim in run.claims:
            for result in claim.checks:
                found.setdefault(result.id, []).append(result)
    return found
