"""`upheld export`: a run in the formats of others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from upheld.errors import InputError, Mistake
from upheld.exporting import FORMATS, export, known
from upheld.exporting.rows import aged
from upheld.keeping import standing
from upheld.model import Run
from upheld.reporting.files import write_atomically


@click.command("export", epilog="Formats: " + "; ".join(f"{name}: {what}" for name, what in FORMATS.items()) + ".")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "name", required=True, type=click.Choice(list(FORMATS)), help="The format.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write. [standard output]")
def export_run(run: Path, name: str, out: Path | None) -> None:
    """Write a run in a format that other tools read; RUN is the folder of a run, or its run.json.

    A run that was killed is exported with what it had finished, as one that broke off. Only an upheld claim is exported as
    what the format calls good. A waiver that has expired since the run counts for nothing.
    """
    read = standing(run)
    if out is None:
        sys.stdout.buffer.write(_exported(read, name))
    else:
        write_exports(read, [(name, out)])


def wanted_exports(given: Sequence[str]) -> list[tuple[str, Path]]:
    """What `FORMAT=FILE` asks for; raises InputError for an unknown format or one without a file."""
    wanted = []
    for one in given:
        name, _, file = one.partition("=")
        if not file:
            raise InputError([Mistake("--export", 0, 0, "names no file", got=repr(one), expected="FORMAT=FILE")])
        wanted.append((known(name), Path(file)))
    return wanted


def write_exports(run: Run, wanted: Sequence[tuple[str, Path]]) -> None:
    """Write `run` in each format to its file, whole or not at all; raises OSError as the file system does."""
    for name, file in wanted:
        write_atomically(file, _exported(run, name))


def _exported(run: Run, name: str) -> bytes:
    return export(aged(run, datetime.now(UTC).date()), name)
