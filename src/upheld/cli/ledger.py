"""`upheld ledger`: what stands in it, adding runs to it, verifying its chain, and letting old entries go."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import click

from upheld.cli.recording import ledger_option
from upheld.errors import InputError, Mistake
from upheld.ledger import Ledger, find_place
from upheld.ledger.times import moment, period, spoken
from upheld.reporting.text import safe

_EXPECTED = re.compile(r"(\d+):([0-9a-f]{64})")


def opened(named: str | None, *, make: bool = False) -> Ledger:
    """The ledger that an option names, or the user's own; raises InputError where there is none."""
    place = find_place(named)
    if place is None:
        expected = "--ledger URL|PATH, or UPHELD_LEDGER"
        raise InputError([Mistake("--ledger", 0, 0, "is none, and this needs one", expected=expected)])
    return Ledger.open(place, make=make)


@click.group(invoke_without_command=True)
@ledger_option
@click.pass_context
def ledger(context: click.Context, ledger: str | None) -> None:
    """Show what stands in the ledger of runs; add to it, verify it, let old entries go."""
    context.obj = ledger
    if context.invoked_subcommand is not None:
        return
    found = opened(ledger)
    seq, digest = found.head()
    runs = found.runs()
    click.echo(f"{found.place}: {len(runs)} runs, last entry {seq} ({digest})")
    by_series: dict[str, list[str]] = {}
    names = {}
    for run in runs:
        by_series.setdefault(run.series, []).append(run.started)
        names[run.series] = f"{run.name}, policy {run.policy}"
    for key, started in by_series.items():
        click.echo(f"  {key}  {len(started):>6}  {spoken(started[0])} to {spoken(started[-1])}  {safe(names[key])}")


@ledger.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@ledger_option
@click.pass_obj
def add(given: str | None, runs: tuple[Path, ...], ledger: str | None) -> None:
    """Add runs by their folders; of one that was killed, all that it had finished. A run that stands in it is not added twice."""
    from upheld.keeping import standing  # noqa: PLC0415  (reading a run needs what the other commands do not)

    read = [(standing(one), one if one.is_dir() else one.parent) for one in runs]
    found = opened(ledger or given, make=True)
    for run, folder in read:
        entry = found.add(run, folder)
        whole = "" if run.complete else ", which did not complete"
        click.echo(f"entry {entry.seq} of {found.place}: run {safe(run.id)}{whole} ({entry.digest[:16]}…)")


@ledger.command()
@click.option(
    "--expect",
    multiple=True,
    metavar="NUMBER:DIGEST",
    help="A last entry that was noted elsewhere, which must be in it.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@ledger_option
@click.pass_context
def verify(context: click.Context, expect: tuple[str, ...], as_json: bool, ledger: str | None) -> int:
    """Say whether the chain of the ledger holds, and where it does not. Exit codes: 0 it holds, 1 it does not.

    A chain shows what was changed or taken out of it. That its end was cut off, or that all of it was made anew, shows only
    who noted an earlier last entry elsewhere: name it with --expect.
    """
    expected = []
    for one in expect:
        found = _EXPECTED.fullmatch(one)
        if found is None:
            raise InputError(
                [Mistake("--expect", 0, 0, "is no entry", repr(one), "NUMBER:DIGEST, as this command prints it")]
            )
        expected.append((int(found[1]), found[2]))
    verified = opened(ledger or context.obj).verify(expected)
    if as_json:
        said = {
            "holds": verified.holds,
            "entries": verified.entries,
            "runs": verified.runs,
            "first": verified.first,
            "last": verified.last,
            "head": verified.head,
            "pruned_through": verified.pruned,
            "breaks": [{"entry": one.seq, "says": one.says} for one in verified.breaks],
        }
        click.echo(json.dumps(said, indent=1))
    else:
        click.echo(
            f"{verified.entries} entries, {verified.runs} of them runs; last entry {verified.last}:{verified.head}"
        )
        if verified.pruned:
            click.echo(f"entries up to {verified.pruned} were let go by a pruning that stands in the chain")
        for broken in verified.breaks:
            click.echo(f"  entry {broken.seq}: {broken.says}")
        click.echo("the chain holds" if verified.holds else "the chain does NOT hold: do not rely on this ledger")
    code = 0 if verified.holds else 1
    context.exit(code)
    return code


@ledger.command()
@click.option(
    "--keep", required=True, metavar="PERIOD", help="How long entries are kept after they were added: 400d, 52w."
)
@click.option("--by", default="", metavar="NAME", help="Who signs it off. [the user]")
@click.option("--undelivered", is_flag=True, help="Let go of messages too that could not be delivered yet.")
@ledger_option
@click.pass_obj
def prune(given: str | None, keep: str, by: str, undelivered: bool, ledger: str | None) -> None:
    """Let go of entries that are older, and leave one in their place that says so; the chain holds without them.

    From the first message on that could not be delivered yet everything is kept.
    """
    from upheld.schedule.notices import pending  # noqa: PLC0415  (needs what the other commands do not)

    found = opened(ledger or given)
    now = datetime.now(UTC)
    before = now - period(keep, "--keep")
    needed = None if undelivered else min((seq for seq, *_ in pending(found, now)), default=None)
    count, entry = found.prune(before, keep, by, needed)
    if entry is None:
        click.echo("nothing is older: nothing was let go")
    else:
        click.echo(f"{count} entries were let go; entry {entry.seq} ({entry.digest[:16]}…) signs it off")
    if needed is not None and moment(found.entry(needed)[0].at) < before:
        click.echo(
            f"from entry {needed} on everything is kept: it is a message that is not delivered yet (--undelivered)"
        )
