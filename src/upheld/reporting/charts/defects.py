"""Which check is known to catch which seeded defect, of the checks and claims of this run."""

from __future__ import annotations

from upheld.calibration import Calibration, Table
from upheld.model import Run
from upheld.reporting.charts.parts import Chart, Numbers
from upheld.reporting.headline import checks
from upheld.reporting.matrix import picture


def defects(run: Run) -> Chart | None:
    """The detection matrix of `run`; None where no defect is known that breaks any of its claims."""
    breaks: dict[str, list[str]] = {}
    for claim in run.claims:
        for name in claim.sabotages_seeded:
            breaks.setdefault(name, []).append(claim.id)
    if not breaks:
        return None
    results = {one.id: one for one in checks(run)}
    known = Table(
        {
            name: Calibration(one.code_digest, tuple(d for d in one.sabotages_caught if d in breaks))
            for name, one in results.items()
        },
        {name: tuple(claims) for name, claims in breaks.items()},
    )
    rows = []
    for claim in run.claims:
        if claim.sabotages_seeded:
            missed = [name for name in claim.sabotages_seeded if name not in claim.sabotages_caught]
            rows.append(
                (
                    claim.id,
                    str(len(claim.sabotages_seeded)),
                    str(len(claim.sabotages_caught)),
                    ", ".join(missed) or "none",
                )
            )
    return Chart(
        name="defects",
        title="Defects and checks",
        says="Which of the defects that break these claims each check is known to catch, tried on the reference deployment before this run.",
        checks=(),
        drawing=picture(known, bare=True),
        numbers=Numbers(("claim", "seeded", "caught", "not caught"), tuple(rows)),
    )
