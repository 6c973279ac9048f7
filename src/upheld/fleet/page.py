"""The report of a fleet as one HTML file that needs nothing else.

It answers three questions before anything else: which targets are worst, which promise is broken most often, and which target is out of line.
Below stand the heat map of targets and claims, and the same defect over many targets as one. It links to the targets' own reports beside it
and loads nothing. What comes from targets, policies and the fleet's file is text, as in every other page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from upheld import __version__
from upheld.fleet import saying
from upheld.fleet.summary import NEARLY_ALL, WORST_FIRST, Group, Line, Occurrence, PolicyPart, Summary, outliers
from upheld.model import Status
from upheld.reporting.headline import several
from upheld.reporting.page import anchor_text
from upheld.reporting.templating import TEMPLATES, environment, own, source_of
from upheld.reporting.text import safe, unused

MOST_GROUPS = 200
"""Entries of the list of defects; all defects stand in the table of defects."""
MOST_TOGETHER = 40
"""Defects that one entry spells out."""
MOST_LINKS = 20_000
"""Links from defects to targets' reports that the page holds; further targets are named without one."""
MOST_NAMES = 200_000
"""Names of targets in the list of defects: more than a browser cares to carry stand in the table of defects alone."""
MOST_ROWS = 2_000
"""Targets of one policy that the map shows, the worst of them; all targets stand in the table."""
MOST_LISTED = 200
"""Entries of any other list."""
_TOP = 5
_BRIEF = 300
_TEMPLATES = Path(__file__).parent / "templates"
LETTERS: dict[Status | None, str] = {
    Status.REFUTED: "R",
    None: "X",
    Status.INCONCLUSIVE: "I",
    Status.LAPSED: "L",
    Status.UNCOVERED: "N",
    Status.ATTESTED: "A",
    Status.UPHELD: "U",
}
"""The classes of the heat map's cells."""
_CELLS = {
    one: Markup('<td role="cell" class="{}">{}</td>').format(letter, saying.word(one))
    for one, letter in LETTERS.items()
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of counts side by side: for each its tone, where it begins, and how much it is."""

    whole: int
    parts: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """The defects of one claim and check that exactly the same targets have, side by side; each is told, and none stands for another."""

    groups: tuple[Group, ...]
    count: int
    """How many targets there are."""
    on: tuple[tuple[Occurrence, str], ...]
    """The targets that are named, which are all where the page can carry it, each with the address of its report where it is linked to."""
    waived: int

    @property
    def first(self) -> Group:
        """The first of its defects."""
        return self.groups[0]


def render(summary: Summary) -> str:
    """The page of a fleet; the same summary gives the same page."""
    style, script = own(TEMPLATES / "style.css", _TEMPLATES / "fleet.css"), own(_TEMPLATES / "fleet.js")
    text, worst = saying.headline(summary)
    lines = summary.lines
    anchors = _anchors(summary)
    listed = entries(summary.groups)
    return (
        _environment()
        .get_template("fleet.html")
        .render(
            style=Markup(style),  # noqa: S704  (our own files; `own` refuses what could end the element)
            script=Markup(script),  # noqa: S704  (likewise)
            policy=f"default-src 'none'; style-src {source_of(style)}; script-src {source_of(script)}; img-src data:; "
            "base-uri 'none'; form-action 'none'",
            version=__version__,
            run=summary.run,
            text=text,
            worst=worst,
            notices=saying.notices(summary),
            standings=saying.standings(summary),
            whole=bar(dict(saying.standings(summary))),
            parts=summary.policies,
            lines=lines,
            anchors=anchors,
            top=_TOP,
            worst_targets=[line for line in lines if line.score or not line.ran],
            broken=sorted(
                ((part, claim) for part in summary.policies for claim in part.claims if claim.refuted),
                key=lambda one: -one[1].refuted,
            ),
            out_of_line=list(outliers(lines)),
            blind=[line for line in lines if any(one.status is not Status.REFUTED for one in line.departures)],
            entries=listed[:MOST_GROUPS],
            more_defects=sum(len(one.groups) for one in listed[MOST_GROUPS:]),
            most_rows=MOST_ROWS,
            most_listed=MOST_LISTED,
            unseen=summary.unseen,
            means=saying.MEANS,
            worst_status=Status.REFUTED,
            nearly_all=f"{NEARLY_ALL:.0%}",
        )
    )


@cache
def _environment() -> Environment:
    made = environment(_TEMPLATES)
    made.globals.update(
        several=several,
        word=saying.word,
        tone=saying.tone,
        report_of=report_of,
        place_of=place_of,
        bar=bar,
        cells=_cells,
    )
    made.globals.update(
        tally=saying.tally,
        departure=saying.departure,
        note_of=saying.occurrence,
        gravity=saying.gravity,
        most_together=MOST_TOGETHER,
        letter=LETTERS.__getitem__,
    )
    made.globals.update(counts_of=lambda line: Counter(line.statuses.values()))
    made.filters["moment"] = saying.moment
    made.filters["brief"] = lambda text: safe(text, _BRIEF)
    return made


def report_of(line: Line | Occurrence, fragment: str = "") -> str:
    """The address of a target's own report, relative to the page; empty where it has none, or one that leads elsewhere."""
    place = PurePosixPath(line.folder)
    parts = place.parts
    if not parts or ".." in parts or place.is_absolute():
        return ""
    address = "/".join(quote(one.encode("utf-8", "surrogatepass"), safe="") for one in (*parts, "report.html"))
    return f"{address}#{quote(fragment)}" if fragment else address


def place_of(claim: str) -> str:
    """Where a target's own report tells of a claim, as `upheld.reporting.page` names places."""
    return anchor_text(f"claim-{claim}")


def _cells(line: Line, part: PolicyPart) -> Markup:
    return Markup("").join(_CELLS[line.statuses[claim.id]] for claim in part.claims)


def bar(counts: Mapping[Status | None, int], *, good: bool = True) -> Bar:
    """A bar of so many of each status, the worst first; without `good` what holds is left blank."""
    found: list[tuple[str, int, int]] = []
    start = 0
    for one in WORST_FIRST:
        if counts.get(one, 0) and (good or one not in {Status.UPHELD, Status.ATTESTED}):
            found.append((saying.tone(one), start, counts[one]))
            start += counts[one]
    return Bar(max(1, sum(counts.values())), tuple(found))


def _anchors(summary: Summary) -> dict[tuple[str, str], str]:
    """A name for each claim of each policy, by which the page links to it."""
    taken: set[str] = set()
    return {
        (part.name, claim.id): unused(f"claim-{number}-{place}", taken)
        for number, part in enumerate(summary.policies, 1)
        for place, claim in enumerate(part.claims, 1)
    }


def entries(groups: Sequence[Group]) -> tuple[Entry, ...]:
    """The defects as the page lists them, in their order; links to reports while there are not too many."""
    together: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        key = (group.policy, group.claim, group.check, *(one.target for one in group.on))
        together.setdefault(key, []).append(group)
    links, names = MOST_LINKS, MOST_NAMES
    made: list[Entry] = []
    for same in together.values():
        count = len(same[0].on)
        on = [_together([group.on[number] for group in same]) for number in range(min(count, max(0, names)))]
        names -= len(on)
        addresses = [
            report_of(one, f"finding-{one.fingerprint}" if one.fingerprint else "") for one in on[: max(0, links)]
        ]
        links -= len(addresses)
        shown = tuple(zip(on, [*addresses, *[""] * (len(on) - len(addresses))], strict=True))
        waived = sum(
            all(one.waived == one.findings for one in each) for each in zip(*(group.on for group in same), strict=True)
        )
        made.append(Entry(tuple(same), count, shown, waived))
    return tuple(made)


def _together(found: Sequence[Occurrence]) -> Occurrence:
    """What stands beside one target's name for the several defects of an entry."""
    return replace(found[0], findings=sum(one.findings for one in found), waived=sum(one.waived for one in found))
