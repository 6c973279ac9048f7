"""`upheld clean`: removes what a run that crashed left behind in a deployment, and puts back what it changed."""

from __future__ import annotations

from pathlib import Path

import click

from upheld.cleaning import clean as undo_all
from upheld.cleaning import leftovers
from upheld.probes.planted import busy
from upheld.reporting.text import safe
from upheld.state import journal_folder, state_folder
from upheld.target.load import load_target


@click.command()
@click.option(
    "--target", type=click.Path(path_type=Path), required=True, help="The target file that the run was given."
)
@click.option("--state", type=click.Path(path_type=Path), help="Where the journals are. [the user's state folder]")
@click.option("--list", "only_list", is_flag=True, help="Only say what was left behind; contact nothing.")
@click.option("--forget", is_flag=True, help="Name what could not be undone no more, once it has been said.")
@click.pass_context
def clean(context: click.Context, target: Path, state: Path | None, *, only_list: bool, forget: bool) -> int:
    """Remove what a crashed run left behind in a deployment, and put back what it changed.

    Exit codes: 0 nothing is left, 2 wrong input, 3 something could not be undone, 4 a fault of upheld itself.
    """
    described, _ = load_target(target)
    folder = journal_folder(described, state_folder(state))
    if writing := busy(folder):
        click.echo(f"{writing} process{'es' if writing > 1 else ''} of a run at work: what they planted is theirs")
    if only_list:
        code = 0
        for one in leftovers(folder):
            for title in one.titles:
                click.echo(f"left behind  {safe(title)}  (by a run of {one.run})")
                code = 3
        click.echo("nothing is left behind" if code == 0 else f"upheld clean --target {target} undoes it")
        context.exit(code)
    done, kept = 0, 0
    for each in undo_all(target, folder, forget=forget):
        if each.done:
            done += 1
            click.echo(f"{each.said}  {safe(each.title)}")
        else:
            kept += 1
            click.echo(f"could not be undone  {safe(each.title)}: {safe(each.said)}")
    if not done + kept:
        click.echo("nothing is left behind")
    else:
        click.echo(f"{done} undone, {kept} {'forgotten' if forget else 'left'}")
    code = 3 if kept else 0
    context.exit(code)
    return code
