"""Which versions of TLS each endpoint took, and which logs were searched how far."""

from __future__ import annotations

from collections.abc import Sequence

from upheld.model import CheckResult, Verdict
from upheld.reporting.charts.drawing import heat_chart
from upheld.reporting.charts.parts import (
    MOST_COLUMNS,
    MOST_ROWS,
    Cell,
    Chart,
    Grid,
    Shade,
    counted,
    entry,
    items,
    looks,
    words,
)

_VERSIONS = ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")


def versions(checks: Sequence[CheckResult]) -> Chart | None:
    """Whether a handshake of each version came about with each endpoint; red where a finding that rests on it fails."""
    cells: dict[tuple[str, str], Cell] = {}
    for check in checks:
        failing = {name for one in check.findings if one.verdict is Verdict.FAIL for name in one.observations}
        for one in check.observations:
            if (one.probe, one.look) != ("tls", "handshake"):
                continue
            names = words(one.arguments, "endpoint"), words(one.arguments, "version")
            done = entry(one.value, "completed")
            if not all(names):
                continue
            if not one.seen or not isinstance(done, bool):
                cell = Cell("?", Shade.UNSEEN, f"not observed: {one.reason or 'no answer'}")
            else:
                shade = Shade.BAD if one.id in failing else Shade.IN if done else Shade.OUT
                cell = Cell("taken" if done else "refused", shade, words(one.value, "summary") or str(done))
            known = cells.get(names)
            if known is None or _RANK.index(cell.shade) < _RANK.index(known.shade):
                cells[names] = cell
    if not cells:
        return None
    seen = {version for _, version in cells}
    columns = tuple(one for one in _VERSIONS if one in seen) + tuple(sorted(seen - set(_VERSIONS)))
    rows = tuple(dict.fromkeys(endpoint for endpoint, _ in cells))
    grid = Grid("endpoint", rows[:MOST_ROWS], columns[:MOST_COLUMNS], cells)
    return heat_chart(
        "tls",
        "Versions of TLS",
        "Whether each public endpoint takes a handshake of each version.",
        checks,
        grid,
        key=(
            (Shade.BAD, "in a failing finding"),
            (Shade.UNSEEN, "not observed"),
            (Shade.IN, "taken"),
            (Shade.OUT, "refused"),
        ),
        left=counted(max(0, len(rows) - MOST_ROWS), "endpoints"),
    )


def logs(checks: Sequence[CheckResult]) -> Chart | None:
    """How many lines of each log each check searched; what was not searched stays blank."""
    lines: dict[tuple[str, str], int] = {}
    for check in checks:
        most: dict[str, int] = {}
        for one in looks((check,), "logs", "search"):
            here: dict[str, int] = {}
            for file in items(entry(one.value, "files")):
                count = entry(file, "lines")
                source = words(file, "source")
                if source and isinstance(count, int):
                    here[source] = here.get(source, 0) + count
            for source, count in here.items():  # The same log may be searched more than once.
                most[source] = max(most.get(source, 0), count)
        for source, count in most.items():
            names = source, check.id.rpartition(".")[2]
            lines[names] = max(lines.get(names, 0), count)
    if not lines:
        return None
    rows = tuple(sorted({source for source, _ in lines}))
    columns = tuple(dict.fromkeys(check for _, check in lines))
    cells = {
        names: Cell(f"{count:,}", Shade.IN if count else Shade.UNSEEN, f"{count:,} lines")
        for names, count in lines.items()
    }
    grid = Grid("log", rows[:MOST_ROWS], columns[:MOST_COLUMNS], cells)
    return heat_chart(
        "logs",
        "Logs that were searched",
        "How many lines of each log each check searched for secrets.",
        checks,
        grid,
        key=((Shade.UNSEEN, "the log was empty"), (Shade.IN, "lines searched")),
        left=counted(max(0, len(rows) - MOST_ROWS), "logs"),
    )


_RANK = (Shade.BAD, Shade.UNSEEN, Shade.IN, Shade.OUT, Shade.GOOD)
