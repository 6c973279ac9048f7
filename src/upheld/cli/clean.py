"""`upheld clean`: removes what a run that crashed left behind in a deployment, and puts back what it changed."""

from __future__ import annotations

from pathlib import Path

import click

from upheld.cleaning import Reset, leftovers, may_not_reset, reset_words
from upheld.cleaning import clean as undo_all
from upheld.probes.planted import busy
from upheld.reporting.text import safe
from upheld.state import journal_folder, state_folder
from upheld.target.load import load_target
from upheld.target.model import Target


@click.command()
@click.option(
    "--target", type=click.Path(path_type=Path), required=True, help="The target file that the run was given."
)
@click.option("--state", type=click.Path(path_type=Path), help="Where the journals are. [the user's state folder]")
@click.option("--list", "only_list", is_flag=True, help="Only say what was left behind; contact nothing.")
@click.option("--forget", is_flag=True, help="Name what could not be undone no more, once it has been said.")
@click.option("--reset", is_flag=True, help="Then put the whole deployment back, as the target's `reset` says.")
@click.pass_context
def clean(
    context: click.Context, target: Path, state: Path | None, *, only_list: bool, forget: bool, reset: bool
) -> int:
    """Remove what a crashed run left behind in a deployment, and put back what it changed.

    Exit codes: 0 nothing is left, 2 wrong input, 3 something could not be undone, or a reset was not seen to work, 4 a fault of
    upheld itself.
    """
    described, _ = load_target(target)
    folder = journal_folder(described, state_folder(state))
    if writing := busy(folder):
        click.echo(f"{writing} process{'es' if writing > 1 else ''} of a run at work: what they planted is theirs")
    code = (
        _list(target, described, folder) if only_list else _clean(target, described, folder, forget=forget, reset=reset)
    )
    context.exit(code)
    return code


def _list(file: Path, target: Target, folder: Path) -> int:
    code = 0
    for one in leftovers(folder):
        for title in one.titles:
            click.echo(f"left behind  {safe(title)}  (by a run of {one.run})")
            code = 3
    click.echo("nothing is left behind" if code == 0 else f"upheld clean --target {file} undoes it")
    if target.reset is not None:
        why = may_not_reset(target)
        click.echo(
            f"a reset is described, and not done: {why}"
            if why
            else f"a reset is described: {reset_words(file, target.reset)}"
        )
    return code


def _clean(file: Path, target: Target, folder: Path, *, forget: bool, reset: bool) -> int:
    done, kept, after = 0, 0, None
    for each in undo_all(file, folder, forget=forget, reset=reset):
        if isinstance(each, Reset):
            after = each
        elif each.done:
            done += 1
            click.echo(f"{each.said}  {safe(each.title)}")
        else:
            kept += 1
            click.echo(f"could not be undone  {safe(each.title)}: {safe(each.said)}")
    if done + kept:
        click.echo(f"{done} undone, {kept} {'forgotten' if forget else 'left'}")
    else:
        click.echo("nothing is left behind")
    if after is not None:
        return _say_reset(after, target)
    if kept and not may_not_reset(target) and target.reset is not None:
        click.echo(reset_words(file, target.reset))
    return 3 if kept else 0


def _say_reset(after: Reset, target: Target) -> int:
    state = target.reset.state if target.reset is not None else ""
    if after.done:
        click.echo(f"reset  {safe(after.said)}; the state is: {safe(state)}")
        if after.titles:
            click.echo(
                f"{len(after.titles)} that could not be undone are named no more: what they were called may be something else now"
            )
        return 0
    if not after.begun:
        click.echo(f"not reset  nothing was sent or run for it: {safe(after.said)}")
        return 3
    click.echo(f"reset failed, or was not seen to work  {safe(after.said)}")
    click.echo(
        "the state of the deployment is unknown; what is left is not undone one by one any more. Look at it, and reset it again"
    )
    return 3
