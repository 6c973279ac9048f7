"""Runs of the reference whose recorded observations are judged again; each is made once in a test session."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from calibration import ROOT, audit
from upheld.catalogue import Catalogue
from upheld.model import CheckResult, Run
from upheld.reporting import run_json


@cache
def recording(sabotages: tuple[str, ...] = (), claims: tuple[str, ...] = ()) -> Run:
    """One audit of the reference with these sabotages; without `claims`, of the whole policy."""
    chosen = [part for name in sabotages for part in ("--sabotage", name)]
    audited = audit("-n", "2", *chosen, *(("--claims", ",".join(claims)) if claims else ()))
    with tempfile.TemporaryDirectory(prefix="upheld-recording-") as folder:
        file = Path(folder) / "run.json"
        file.write_text(json.dumps(audited.run), encoding="utf-8")
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
