"""Audits of the embedded reference as the tests make them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from upheld import calibrating
from upheld.calibrating import Audited, Defect

ROOT = Path(__file__).resolve().parents[1]
POLICY = ROOT / "policies.yaml"


def audit(*arguments: str) -> Audited:
    """One `upheld run` of this repository's policy on the reference."""
    return calibrating.audit(POLICY, "reference", *arguments)


def cover(wanted: Mapping[str, Defect], claims: Iterable[str]) -> set[str]:
    """Few of the sabotages that together break every one of ``claims`` that any of them breaks."""
    chosen: set[str] = set()
    for claim in sorted(claims):
        breaking = sorted(name for name, one in wanted.items() if claim in one.breaks)
        if breaking and not chosen & set(breaking):
            chosen.add(breaking[0])
    return chosen


def statuses(run: Any) -> dict[str, str]:
    """The status of each claim."""
    return {claim["id"]: claim["status"] for claim in run["claims"]}
