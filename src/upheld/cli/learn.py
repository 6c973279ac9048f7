"""`upheld learn`: how objects are made, and which role can do what, to put into a target once somebody has looked at it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from upheld.errors import InputError, Mistake, Unobservable
from upheld.learning import as_yaml, learners
from upheld.learning import learn as learned
from upheld.reporting.text import safe
from upheld.state import journal_folder, state_folder
from upheld.target.load import load_target
from upheld.target.model import Target


@click.command()
@click.option("--target", type=click.Path(path_type=Path), required=True, help="The target file.")
@click.option("--roles", is_flag=True, help="The matrix of roles, from calls as the target's identities.")
@click.option(
    "--intrusive", is_flag=True, help="With --roles: operations that may change something too; not in production."
)
@click.option("--state", type=click.Path(path_type=Path), help="Where journals are kept. [the user's state folder]")
@click.pass_context
def learn(context: click.Context, target: Path, state: Path | None, *, roles: bool, intrusive: bool) -> int:
    """Print a part of a target file that an API lets one learn, for a person to confirm; nothing is judged.

    By default: how objects are made, inferred from the OpenAPI document; nothing is sent but a GET of it. With --roles: which
    role can call which operation, by calling those that read as each identity (which begins sessions), about objects that
    the target names. Operations that it excludes are not called. Such a matrix is what is, and not what should be: it proves
    nothing until somebody has confirmed it. Exit codes: 0 printed, 2 wrong input, 3 not all could be learned, 4 a fault of
    upheld itself.
    """
    if intrusive and not roles:
        raise InputError(
            [Mistake("--intrusive", 0, 0, "nothing is called without --roles", expected="--roles --intrusive")]
        )
    described, _ = load_target(target)
    try:
        if not roles:
            from upheld.beginning.proposing import propose  # noqa: PLC0415  (it brings what reads documents)

            click.echo(propose(target), nl=False)
            context.exit(0)
        journal = lambda one: journal_folder(cast("Target", one), state_folder(state))  # noqa: E731
        found = list(learned(target, journal, intrusive=intrusive))
    except Unobservable as unobservable:
        click.echo(f"nothing could be learned: {safe(unobservable.reason)}", err=True)
        context.exit(3)
    click.echo(as_yaml(found, learners(described), datetime.now(UTC).date()), nl=False)
    code = 3 if any(one.doubt for one in found) else 0
    context.exit(code)
    return code
