"""Audits of the embedded reference as the tests make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from upheld import calibrating
from upheld.calibrating import Audited, Defect

ROOT = Path(__file__).resolve().parents[1]
POLICY = ROOT / "policies.yaml"


def audit(*arguments: str) -> Audited:
    """One `upheld run` of this repository's policy on the reference."""
    return calibrating.audit(POLICY, "reference", *arguments)


def statuses(run: Any) -> dict[str, str]:
    """The status of each claim."""
    return {claim["id"]: claim["status"] for claim in run["claims"]}


def expected(sabotage: Defect) -> set[str]:
    """The claims that a sabotage says it turns."""
    return {*sabotage.breaks, *sabotage.also}
