"""`upheld site`: static pages and a badge from the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from upheld.cli.history import chosen
from upheld.cli.ledger import opened
from upheld.cli.recording import ledger_option
from upheld.errors import InputError, Mistake
from upheld.ledger.times import period


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder of the site, which is replaced as a whole.",
)
@click.option("--days", type=click.IntRange(1, 3660), default=90, help="How many days are shown. [90]")
@click.option(
    "--oldest",
    default="48h",
    metavar="PERIOD",
    help="How old the last whole run may be before it is not observed since. [48h]",
)
@click.option("--target", metavar="NAME|KEY", help="Only this one. [every target without seeded defects]")
@click.option(
    "--reports", is_flag=True, help="Copy the reports of runs too, which hold everything: not for the public."
)
@ledger_option
def site(out: Path, days: int, oldest: str, target: str | None, reports: bool, ledger: str | None) -> None:
    """Write static pages of the ledger: an overview, claims by days as a heat map, a page for each day, and a badge for each target.

    They hold claims, statuses and times, and no finding, so that they can be published anywhere.
    """
    from upheld.publishing.site import build, published  # noqa: PLC0415  (templates, which nothing else here needs)

    found = opened(ledger)
    age = period(oldest, "--oldest")
    series = [chosen(found, target)[0]] if target is not None else published(found.runs())
    if not series:
        raise InputError(
            [Mistake(str(found.place), 0, 0, "no run of a target without seeded defects stands in this ledger")]
        )
    count = build(found, series, out, datetime.now(UTC), days, age, reports=reports)
    click.echo(f"{count} pages: {out / 'index.html'}")
    for rows in series:
        click.echo(f"badge: {out / rows[-1].series / 'badge.svg'}")
