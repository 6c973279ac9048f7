"""The folder that a run leaves behind: run.json and its views."""

from __future__ import annotations

from pathlib import Path

from upheld.model import Run
from upheld.reporting import html, run_json


def write_reports(run: Run, folder: Path) -> None:
    """Write run.json and report.html to `folder`, making it where it is missing. Raises OSError when that cannot be done."""
    folder.mkdir(parents=True, exist_ok=True)
    run_json.write(run, folder / "run.json")
    html.write(run, folder / "report.html")
