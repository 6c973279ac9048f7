"""The folder that a run leaves behind: run.json and its views."""

from __future__ import annotations

from pathlib import Path

from upheld.errors import InputError
from upheld.model import Run
from upheld.reporting import html, run_json


def write_reports(run: Run, folder: Path) -> None:
    """Write run.json and report.html to `folder`, making it where it is missing. Raises OSError when that cannot be done.

    Where an earlier run.json of the same policy and target lies there, the page says what changed since.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _earlier(folder / "run.json")
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
