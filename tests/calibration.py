"""Audits of the embedded reference as the tests make them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upheld import calibrating
from upheld.calibrating import Audited, Defect

ROOT = Path(__file__).resolve().parents[1]
POLICY = ROOT / "policies.yaml"


def audit(*arguments: str) -> Audited:
    """One `upheld run` of this repository's policy on the reference."""
    return calibrating.audit(POLICY, "reference", *arguments)


def cover(wanted: Mapping[str, Defect], checks: Mapping[str, Any]) -> dict[str, Defect]:
    """Few of the sabotages, such that one is caught by each family of checks, as the shipped table has it; cheap ones first.

    Cheap are those that turn no roll-up, for with a roll-up all that decides it is audited.
    """
    chosen: set[str] = set()
    for family in sorted({check.partition(".")[0] for check in checks}):
        catching = {name for check, one in checks.items() if check.startswith(f"{family}.") for name in one["caught"]}
        if catching and not chosen & catching:
            chosen.add(min(catching & wanted.keys(), key=lambda name: (len(wanted[name].also), name)))
    return {name: wanted[name] for name in sorted(chosen)}


def statuses(run: Any) -> dict[str, str]:
    """The status of each claim."""
    return {claim["id"]: claim["status"] for claim in run["claims"]}
