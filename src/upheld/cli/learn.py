"""`upheld learn`: which role can do what, as the API has it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from upheld.errors import Unobservable
from upheld.learning import as_yaml, roles_of
from upheld.learning import learn as learned
from upheld.reporting.text import safe
from upheld.state import journal_folder, state_folder
from upheld.target.load import load_target
from upheld.target.model import Target


@click.command()
@click.option("--target", type=click.Path(path_type=Path), required=True, help="The target file.")
@click.option("--state", type=click.Path(path_type=Path), help="Where journals are kept. [the user's state folder]")
@click.pass_context
def learn(context: click.Context, target: Path, state: Path | None) -> int:
    """Call every operation of the API as each role of the target's identities, and print the matrix that they show.

    It writes to the target, and is refused where that is production. Operations that the target excludes are not called. The
    matrix is what is, and not what should be: nothing is judged. Exit codes: 0 printed, 2 wrong input, 3 not all could be
    learned, 4 a fault of upheld itself.
    """
    described, _ = load_target(target)
    try:
        found = list(learned(target, lambda one: journal_folder(cast("Target", one), state_folder(state))))
    except Unobservable as unobservable:
        click.echo(f"nothing could be learned: {safe(unobservable.reason)}", err=True)
        context.exit(3)
    click.echo(as_yaml(found, roles_of(described.identities), datetime.now(UTC).date()), nl=False)
    code = 3 if any(one.unclear for one in found) else 0
    context.exit(code)
    return code
