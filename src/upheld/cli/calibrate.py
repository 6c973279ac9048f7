"""`upheld calibrate`: proves that checks can fail, by the defects that an embedded target can be started with."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import click

from upheld import calibrating
from upheld.calibration import FILE
from upheld.catalogue import Catalogue
from upheld.cli.options import EMBEDDED, find_policy, policy_option
from upheld.policies import load
from upheld.reporting.text import safe
from upheld.resources import check_folders


@click.command()
@click.argument("names", nargs=-1, metavar="[CHECK|CLAIM|SABOTAGE]…")
@policy_option
@click.option("--target", default=EMBEDDED, help="The embedded target to sabotage. [reference]")
@click.option("--side-by-side", type=click.IntRange(1), help="How many audits run at a time. [as many as processors]")
@click.option(
    "--alone", is_flag=True, help="Audit each sabotage by itself, not many that break different claims at once."
)
@click.option("--write", is_flag=True, help=f"Write what was caught to {FILE} beside the policy.")
@click.pass_context
def calibrate(
    context: click.Context,
    names: tuple[str, ...],
    policy: Path | None,
    target: str,
    side_by_side: int | None,
    alone: bool,
    write: bool,
) -> int:
    """Audit an embedded target untouched and with its sabotages, and show which check caught which.

    Sabotages that break different claims are audited at once; what does not come out as it should is audited again, by itself.
    With NAMES only the sabotages of these checks and claims, and only the claims that they break. Exit codes: 0 every
    sabotage turned its claims and no other, 1 one was missed or turned another claim, 2 wrong input, 4 a fault.
    """
    path = find_policy(policy)
    catalogue = Catalogue.load(*check_folders(path))
    policy_now = load(path, catalogue, today=datetime.now(UTC).date())
    deciding = {claim.id: {use.check for use in claim.uses} for claim in policy_now.claims}
    offered = calibrating.sabotages(target)
    chosen = calibrating.select(offered, names, deciding)
    broken = {claim for one in chosen.values() for claim in one.breaks if deciding.get(claim)}
    if not broken:
        raise click.UsageError("no check decides yet what these sabotages break")
    outcomes = []
    claims = sorted(broken) if names else ()
    for outcome in calibrating.calibrate(
        path, target, chosen, claims, side_by_side or os.cpu_count() or 2, alone=alone, told=_progress
    ):
        outcomes.append(outcome)
        _tell(outcome)
    if write:
        file = path.resolve().parent / FILE
        before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        made = calibrating.table(outcomes, offered, catalogue, before)
        file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    wrong = [outcome.name for outcome in outcomes if not outcome.right]
    caught = sum(bool(outcome.caught) for outcome in outcomes)
    click.echo(f"{caught} of {len(outcomes)} sabotages caught{'; wrong: ' + ', '.join(wrong) if wrong else ''}")
    code = 1 if wrong else 0
    context.exit(code)
    return code


def _progress(line: str) -> None:
    """A line on one audit, beside what the command is asked for."""
    click.echo(line, err=True)


def _tell(outcome: calibrating.Outcome) -> None:
    """A line on what became of one sabotage, and what the findings say of it."""
    seconds = outcome.audited.run["seconds"]
    if not outcome.right:
        parts = [f"missed {', '.join(outcome.missed)}"] if outcome.missed else []
        parts += [f"turned {', '.join(outcome.wrong)} too"] if outcome.wrong else []
        parts += [f"no finding says {', '.join(map(repr, outcome.unnamed))}"] if outcome.unnamed else []
        said = "; ".join(parts)
    else:
        said = f"by {', '.join(outcome.caught)}" if outcome.caught else "no check decides yet what it breaks"
    mark = "WRONG " if not outcome.right else "caught" if outcome.caught else "open  "
    click.echo(f"{mark} {outcome.name}: {said} ({seconds:.1f} s)")
    for finding in outcome.found()[:3]:
        click.echo(f"         {safe(finding)}")
    for claim in outcome.audited.run["claims"]:
        if claim["id"] in outcome.wrong or claim["id"] in outcome.missed:
            click.echo(f"         {claim['id']} is {claim['status']}: {safe(claim['reason'])}")
