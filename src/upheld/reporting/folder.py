"""The folder that a run leaves behind: run.json and its views."""

from __future__ import annotations

from pathlib import Path

from upheld.errors import InputError
from upheld.model import Run
from upheld.reporting import html, run_json

PREVIOUS = "previous"
"""The folder in a run's folder in which the run before it is kept."""


def write_reports(run: Run, folder: Path) -> None:
    """Write run.json and report.html to `folder`, making it where it is missing. Raises OSError when that cannot be done.

    Where an earlier run.json of the same policy and target lies there, or in its folder `previous`, the page says what changed since.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _earlier(folder / "run.json")
    if before is None or before.id == run.id:  # What lies there was written when this run began.
        before = _earlier(folder / PREVIOUS / "run.json")
    run_json.write(run, folder / "run.json")
    html.write(run, folder / "report.html", before)


def _earlier(path: Path) -> Run | None:
    """The run that `path` holds; None where there is none, or none that can be read: then there is nothing to compare with."""
    if not path.exists():
        return None
    try:
        return run_json.read(path)
    except InputError:
        return None
