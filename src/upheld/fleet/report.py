"""What a fleet leaves beside its runs: the page, its words in Markdown, and its tables as CSV."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from upheld.fleet import page, tables
from upheld.fleet.state import FleetRun
from upheld.fleet.summary import Summary, summarise
from upheld.reporting.files import write_atomically

PAGE, WORDS, TABLE, DEFECTS = "report.html", "fleet.md", "fleet.csv", "fleet-defects.csv"
"""The files that `write` makes."""


def write(run: FleetRun, folder: Path, hosts: Mapping[str, Collection[str]] | None = None) -> Summary:
    """Write the reports of a fleet's run to its folder, each whole or not at all, and give what they say.

    `hosts` are the host names that are each target's own (by its name), by which the same defect is known on another; without them
    a defect that names a host is grouped with those that name the same. Raises OSError as the file system does.
    """
    summary = summarise(run, folder, hosts)
    for name, made in (
        (PAGE, page.render(summary)),
        (WORDS, tables.markdown(summary)),
        (TABLE, tables.targets(summary)),
        (DEFECTS, tables.defects(summary)),
    ):
        write_atomically(folder / name, made.encode())
    return summary
