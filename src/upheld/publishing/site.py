"""The site: an overview of targets, for each the claims by days as a heat map, and a page for each day with its runs.

It holds claims, their published sentences, statuses and times, and nothing of what a run found, so that it can be published anywhere. Reports,
which hold everything, are copied beside it only where that is asked for. It is built apart and put in place whole.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from upheld import __version__
from upheld.errors import InputError, Mistake
from upheld.ledger import Ledger, Row
from upheld.ledger.history import UNSEEN, Coverage, claims_of, coverage, refuted
from upheld.ledger.rows import LETTERS, STATUSES
from upheld.ledger.times import day, spoken
from upheld.model import Status, timestamp
from upheld.publishing.badge import badge
from upheld.publishing.standing import Standing, standing
from upheld.reporting.files import write_atomically
from upheld.reporting.headline import WORST_FIRST, several
from upheld.reporting.templating import TEMPLATES, environment, own, source_of
from upheld.schedule.watching import missed

OLDEST = timedelta(hours=48)
"""How old a run may be before its target is not observed since, unless somebody says otherwise."""
MARK = ".upheld-site"
"""The file by which a folder is known as a site that may be replaced."""
_TEMPLATES = Path(__file__).parent / "templates"
_SIGNS = {"U": "✓", "A": "◆", "N": "○", "L": "◷", "I": "?", "R": "✗", UNSEEN: "·"}
_WORDS = {**{letter: status.value for letter, status in STATUSES.items()}, UNSEEN: "not observed"}
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One claim: what may be said of it now, since when it is refuted, and how it stood on each day."""

    id: str
    statement: str
    status: Status | None
    refuted_since: str
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of a day: when, whether it came to its end, what each claim came to, and its report where it was copied."""

    row: Row
    time: str
    report: str


@dataclass(frozen=True, slots=True)
class TargetPage:
    """One target: what may be said of it, its claims, and its days, of which each with a run has a page."""

    key: str
    name: str
    policy: str
    standing: Standing
    days: tuple[date, ...]
    claims: tuple[ClaimLine, ...]
    runs: dict[date, tuple[RunLine, ...]]
    missed: int

    @property
    def counts(self) -> tuple[tuple[Status, int], ...]:
        """How many claims may be said to have come to each status, the worst first."""
        known = list(self.standing.claims.values())
        return tuple((one, known.count(one)) for one in WORST_FIRST)


def build(
    ledger: Ledger,
    chosen: Sequence[Sequence[Row]],
    out: Path,
    now: datetime,
    days: int,
    oldest: timedelta,
    *,
    reports: bool,
) -> int:
    """Write the site of these series (the rows of each) to `out`, whole or not at all; gives how many pages it has.

    Raises InputError where `out` is a folder with something else in it, LedgerFault and OSError as these do.
    """
    _may_replace(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        pages = [_page(ledger, rows, now, days, oldest, beside if reports else None) for rows in chosen]
        files = {"index.html": _rendered("overview.html", pages=pages, now=timestamp(now), root="")}
        for page in pages:
            files[f"{page.key}/index.html"] = _rendered("target.html", page=page, now=timestamp(now), root="../")
            for at, runs in page.runs.items():
                files[f"{page.key}/{at}.html"] = _rendered(
                    "day.html", page=page, day=at, runs=runs, now=timestamp(now), root="../"
                )
            write_atomically(beside / page.key / "badge.svg", badge(page.standing))
        for name, text in files.items():
            write_atomically(beside / name, text.encode())
        write_atomically(beside / MARK, b"made by upheld site; replaced as a whole\n")
        beside.chmod(0o755)
        _put(beside, out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return len(files)


def published(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each series but those of targets with seeded defects, which are nobody's deployment."""
    keys = dict.fromkeys(row.series for row in rows if not row.sabotages)
    return [[row for row in rows if row.series == key] for key in keys]


def _may_replace(out: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))):
        expected = "a new or empty folder, or a site that upheld made"
        raise InputError([Mistake("--out", 0, 0, "holds something else, which would be lost", str(out), expected)])


def _put(made: Path, out: Path) -> None:
    """Put a folder in the place of another, which is gone only once the new one stands."""
    if not out.exists():
        made.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old / "site")
    made.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _page(
    ledger: Ledger, rows: Sequence[Row], now: datetime, days: int, oldest: timedelta, copied: Path | None
) -> TargetPage:
    last = now.date()
    first = last - timedelta(days=days - 1)
    now_is = standing(ledger, rows, now, oldest)
    inside = [row for row in rows if first <= day(row.started) <= last]
    wanted = list(dict.fromkeys([*now_is.claims, *claims_of(inside)]))
    covered = coverage(rows, wanted, first, last)
    newest = next((row for row in reversed(rows) if row.ended), None)
    statements = {one.id: one.statement for one in ledger.record(newest.seq).claims} if newest else {}
    lines = []
    for claim in wanted:
        since = refuted(rows, claim)
        lines.append(
            ClaimLine(
                claim, statements.get(claim, ""), now_is.claims.get(claim), spoken(since.since.started) if since else "", covered[claim]
            )
        )  # fmt: skip
    by_day: dict[date, list[RunLine]] = {}
    key = rows[-1].series
    for row in inside:
        report = _copied(ledger, row, copied / key) if copied else ""
        by_day.setdefault(day(row.started), []).append(RunLine(row, row.started[11:16], report))
    return TargetPage(
        key=key,
        name=rows[-1].name,
        policy=rows[-1].policy,
        standing=now_is,
        days=tuple(first + timedelta(days=number) for number in range(days)),
        claims=tuple(lines),
        runs={at: tuple(one) for at, one in by_day.items()},
        missed=sum(count for begun, _, count, _ in missed(ledger, key) if begun >= first.isoformat()),
    )


def _copied(ledger: Ledger, row: Row, folder: Path) -> str:
    """Copy the report of a run where its folder still is that run's; gives the address, empty where it is not."""
    kept = Path(ledger.record(row.seq).folder)
    try:
        with (kept / "run.json").open("rb") as stream:
            if f'"id": "{row.run}"'.encode() not in stream.read(_HEAD):
                return ""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept / "report.html", folder / f"report-{row.seq}.html")
    except OSError:  # It is on another machine, or was thrown away.
        return ""
    return f"report-{row.seq}.html"


def _rendered(name: str, **values: object) -> str:
    style = own(TEMPLATES / "style.css", _TEMPLATES / "site.css")
    return (
        _environment()
        .get_template(name)
        .render(
            style=Markup(style),  # noqa: S704  (our own files; `own` refuses what could end the element)
            policy=f"default-src 'none'; style-src {source_of(style)}; img-src 'self' data:; base-uri 'none'; form-action 'none'",
            version=__version__,
            signs=_SIGNS,
            words=_WORDS,
            **values,
        )
    )


def _letter(row: Row, claim: str) -> str:
    status = row.status(claim)
    return LETTERS[status] if status else UNSEEN


@cache
def _environment() -> Environment:
    made = environment(_TEMPLATES)
    made.globals.update(several=several, letter_of=_letter)
    made.filters["spoken"] = spoken
    return made
