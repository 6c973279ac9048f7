"""The earlier run that the gate is given: by its folder, or the last whole one that a ledger knows of this policy and target."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import InputError, Mistake
from upheld.gating.baseline import Baseline
from upheld.keeping import standing
from upheld.model import Run
from upheld.reporting import run_json
from upheld.reporting.folder import PREVIOUS

if TYPE_CHECKING:
    from upheld.ledger.records import Record
    from upheld.target.model import Target

LEDGER = "ledger"


def earlier(named: str, option: str, policy: str, target: Target | None) -> Run:
    """The run that `named` stands for: a folder or a run.json, `ledger`, or `ledger:PLACE` (a path or a URL).

    Of a run that was killed it is what stands, which says so. Raises InputError where there is none, and where the folder of
    the run that a ledger knows does not hold it any more: a result is carried with all that was observed, which no ledger keeps.
    """
    if not _of_ledger(named):
        return standing(Path(named))
    record = _last(named, option, policy, target)
    run = _held(record)
    if run is None:
        message = (
            f"the folder of run {record.run[:8]} does not hold that run any more: {record.folder or 'none is known'}"
        )
        raise InputError([Mistake(option, 0, 0, message, expected="the folder of a run")])
    return run


def baseline(named: str, option: str, policy: str, target: Target | None) -> Baseline:
    """The baseline that `named` stands for, which of a ledger's run is what the ledger keeps where its folder is gone."""
    if not _of_ledger(named):
        return Baseline.of_run(standing(Path(named)))
    record = _last(named, option, policy, target)
    run = _held(record)
    return Baseline.of_run(run) if run is not None else Baseline.of_record(record, option)


def _of_ledger(named: str) -> bool:
    return named == LEDGER or named.startswith(f"{LEDGER}:")


def _last(named: str, option: str, policy: str, target: Target | None) -> Record:
    """What the ledger keeps of the last whole run of this policy on this target; raises InputError where it knows none."""
    if target is None:
        raise InputError([Mistake(option, 0, 0, "a ledger is asked for a target that a file describes")])
    from upheld.ledger import Ledger, find_place  # noqa: PLC0415  (only where a ledger is named)
    from upheld.ledger.records import Series  # noqa: PLC0415  (likewise)

    place = find_place(named.partition(":")[2] or None)
    if place is None:
        raise InputError([Mistake(option, 0, 0, "there is no ledger (UPHELD_LEDGER is none)", repr(named))])
    ledger = Ledger.open(place, make=False)
    series = Series(policy, target.name, target.environment.value)
    for row in reversed(ledger.runs(series.key)):
        if row.ended and row.complete and not (record := ledger.record(row.seq)).selected:
            return record
    raise InputError([Mistake(option, 0, 0, f"{place} knows no whole run of {policy} on {series}")])


def _held(record: Record) -> Run | None:
    """The very run that was recorded, from its folder or what was put aside there; None where neither holds it."""
    for folder in (Path(record.folder), Path(record.folder) / PREVIOUS) if record.folder else ():
        with suppress(InputError, OSError):
            run = standing(folder)
            if hashlib.sha256(run_json.dumps(run)).hexdigest() == record.run_digest:
                return run
    return None
