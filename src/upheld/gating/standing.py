"""The earlier run that the gate is given: by its folder, or the last whole one that a ledger knows of this policy and target."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import InputError, Mistake
from upheld.keeping import standing
from upheld.model import Run
from upheld.reporting import run_json

if TYPE_CHECKING:
    from upheld.target.model import Target

LEDGER = "ledger"


def earlier(named: str, option: str, policy: str, target: Target | None) -> Run:
    """The run that `named` stands for: a folder or a run.json, `ledger`, or `ledger:PLACE` (a path or a URL).

    Of a run that was killed it is what stands, which says so. Raises InputError where there is none.
    """
    if named != LEDGER and not named.startswith(f"{LEDGER}:"):
        return standing(Path(named))
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
        if not (row.ended and row.complete):
            continue
        record = ledger.record(row.seq)
        if record.selected:
            continue
        run = standing(Path(record.folder)) if record.folder else None
        if run is None or hashlib.sha256(run_json.dumps(run)).hexdigest() != record.run_digest:
            message = f"the folder of run {record.run[:8]} does not hold that run any more: {record.folder or 'none is known'}"
            raise InputError([Mistake(option, 0, 0, message, expected="the folder of a run")])
        return run
    raise InputError([Mistake(option, 0, 0, f"{place} knows no whole run of {policy} on {series}")])
