"""`upheld draft --update`: what a page says otherwise than its policy, as a change that can be reviewed."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import click

from upheld.catalogue import Catalogue
from upheld.drifting import Proposed, propose
from upheld.drifting.fresh import entries
from upheld.errors import InputError, Mistake
from upheld.policies import load
from upheld.reading import Page
from upheld.reporting.files import write_atomically
from upheld.reporting.text import safe
from upheld.resources import check_folders


def update(page: Page, file: Path, today: date, *, write: bool) -> int:
    """Say what the page says otherwise, print the change to the policy in that file or make it, and give the exit code.

    0: they say the same, or the change is made and the policy is valid. 1: they differ. 3: the change is made, and something is
    left to a person.
    """
    folders = check_folders(file)
    catalogue = Catalogue.load(*folders)
    policy = load(file, catalogue, today=today)
    made = propose(policy, page, today, entries(page, catalogue, folders))
    if not made.drift:
        click.echo(f"{file}: says what {safe(page.source)} says", err=True)
        return 0
    left = [*made.said, *(str(one) for one in _mistakes(made, catalogue, today))]
    if write:
        write_atomically(file, made.after.encode())
        click.echo(f"{file}: {_summary(made)}")
    else:
        click.echo(made.diff, nl=False)
        click.echo(f"{file}: {_summary(made)}; --write makes the change", err=True)
    for line in left:
        click.echo(f"left to you: {safe(line)}", err=True)
    return 1 if not write else 3 if left else 0


def _summary(made: Proposed) -> str:
    drift = made.drift
    counts = {
        "new": len(drift.new) - len(drift.changed),
        "changed": len(drift.changed),
        "gone": len(drift.gone) - len(drift.changed),
        "with another label": len(drift.torn),
    }
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return f"the page and the policy differ in sentences: {said}"


def _mistakes(made: Proposed, catalogue: Catalogue, today: date) -> tuple[Mistake, ...]:
    """What is wrong with the policy after the change: above all checks that are too weak for the new words."""
    with tempfile.TemporaryDirectory(prefix="upheld-update-") as folder:
        file = Path(folder) / Path(made.file).name
        file.write_bytes(made.after.encode())
        try:
            load(file, catalogue, today=today)
        except InputError as error:
            return tuple(
                Mistake(made.file, one.line, one.column, one.message, one.got, one.expected, one.nearest)
                for one in error.mistakes
                if one.file == str(file)
            )
    return ()
