"""What a chart is made of before it is drawn: cells, events, bars, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from upheld.model import CheckResult, Observation, Plain, Verdict

MOST_ROWS = 150
"""Rows of one heat map or timeline that are drawn and listed; the others are counted."""
MOST_COLUMNS = 24
"""Columns of one heat map that are drawn and listed; the others are counted."""
MOST_LISTED = 300
"""Events or bars of one chart that are listed in its table."""


class Shade(StrEnum):
    """What a cell looks like. A shade is never the only sign: each cell says in words what was seen."""

    GOOD = "good"
    BAD = "bad"
    UNSEEN = "unseen"
    IN = "let-in"
    OUT = "kept-out"

    @classmethod
    def of(cls, verdict: Verdict) -> Shade:
        """The shade of a finding's verdict."""
        return {Verdict.PASS: cls.GOOD, Verdict.FAIL: cls.BAD}.get(verdict, cls.UNSEEN)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what stands in it, what it looks like, and what it says in full."""

    mark: str
    shade: Shade
    says: str


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a heat map by row and column; where there is no cell, nothing was looked at."""

    corner: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]


@dataclass(frozen=True, slots=True)
class Event:
    """One moment in one row of a timeline."""

    row: str
    at: datetime
    says: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in one row of a timeline, from `start` to `end`."""

    row: str
    start: datetime
    end: datetime
    says: str


@dataclass(frozen=True, slots=True)
class Bar:
    """How many of something lie from `low` up to `high`, in the histogram's unit."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a chart shows, as a table: the first column heads each row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: what it shows in a sentence, the checks whose observations it draws, the drawing and its numbers.

    `drawing` is SVG, or empty where the plotting library is not installed; `left` says what is not drawn.
    """

    name: str
    title: str
    says: str
    checks: tuple[CheckResult, ...]
    drawing: str
    numbers: Numbers
    key: tuple[tuple[Shade, str], ...] = ()
    left: str = ""


def looks(checks: Sequence[CheckResult], probe: str, look: str) -> Iterator[Observation]:
    """What `probe` saw by `look` in any of `checks`; looks that saw nothing are left out."""
    for check in checks:
        for one in check.observations:
            if one.seen and one.probe == probe and one.look == look:
                yield one


def items(value: Plain) -> Sequence[Plain]:
    """`value` where it is a list, else nothing: what is recorded may come from another version."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def entry(value: Plain, name: str) -> Plain:
    """What stands under `name` in `value`; None where it is no mapping or has none."""
    return value.get(name) if isinstance(value, Mapping) else None


def words(value: Plain, name: str) -> str:
    """The text under `name` in `value`; empty where there is none."""
    found = entry(value, name)
    return found if isinstance(found, str) else ""


def moment(stamp: Plain) -> datetime | None:
    """The moment that an RFC 3339 stamp names; None for anything else."""
    if not isinstance(stamp, str):
        return None
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def table(grid: Grid) -> Numbers:
    """The cells of `grid` as a table, in words."""
    return Numbers(
        (grid.corner, *grid.columns),
        tuple(
            (row, *(grid.cells[row, column].says if (row, column) in grid.cells else "" for column in grid.columns))
            for row in grid.rows
        ),
    )


def counted(number: int, noun: str) -> str:
    """A sentence that so many more stand in run.json; empty when there are none."""
    return f"{number:,} more {noun} in run.json." if number else ""
