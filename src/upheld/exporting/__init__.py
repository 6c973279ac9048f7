"""Exports of a run in the formats of others: views of the same `Run`, made at the edge, none of which judges.

What a format sees of each status stands in the module of the format as a table over `rows.Shown`, and as a page in
`docs/exports.md`. Only an upheld claim is shown as the best that a format has a word for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module

from upheld.errors import InputError, Mistake
from upheld.model import Run

FORMATS: dict[str, str] = {
    "junit": "JUnit XML, for the test view of a CI service",
    "sarif": "SARIF 2.1.0, for code scanning",
    "oscal": "OSCAL 1.2 assessment results, for governance tools",
    "cyclonedx": "CycloneDX 1.6 attestations, for supply chain tools",
    "in-toto": "in-toto Statement with the test-result predicate, not signed",
    "hdf": "HDF, for Heimdall",
    "ocsf": "OCSF 1.5 compliance findings, an event a line, for log pipelines",
}
"""Every format by its name, with what it is."""


def export(run: Run, name: str) -> bytes:
    """`run` in the format of that name; raises InputError when there is none. The same run gives the same bytes."""
    maker: Callable[[Run], bytes] = import_module(f"upheld.exporting.{known(name).replace('-', '_')}").dumps
    return maker(run)


def known(name: str) -> str:
    """`name`, if it is a format; raises InputError with the nearest one otherwise."""
    if name not in FORMATS:
        close = difflib.get_close_matches(name, FORMATS, n=1)
        expected, nearest = ", ".join(FORMATS), close[0] if close else ""
        raise InputError([Mistake("export", 0, 0, "no such format", repr(name), expected, nearest)])
    return name
