"""The report as one HTML file that needs nothing else: no network, no inline handler, no link that leaves it.

Its content security policy allows its own styles and its one script, by digest, and nothing besides; without the script the
page still shows everything. Everything that comes from a target or a policy is text: each expression of the templates
passes through `safe` and is then escaped, by default and not by habit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape

from upheld.model import Run, Status, Verdict
from upheld.reporting import page, run_json
from upheld.reporting.changes import compare
from upheld.reporting.charts import Chart, charts
from upheld.reporting.crosswalk import crosswalk, title
from upheld.reporting.files import write_atomically
from upheld.reporting.headline import BASES, MEANINGS, WORST_FIRST, checks, headline, notices, several, tone, why
from upheld.reporting.templating import LONGEST, TEMPLATES, environment, own, source_of
from upheld.reporting.text import safe, safe_lines

_BRIEF = 240
"""Characters of a reason that stands in one line of a list."""


def write(run: Run, path: Path, before: Run | None = None) -> None:
    """Write the page of `run` to `path`, whole or not at all; raises OSError as the file system does."""
    write_atomically(path, render(run, before).encode())


def render(run: Run, before: Run | None = None) -> str:
    """The page of `run`, with what changed since `before`; the same runs give the same page."""
    style, unscripted, script = (own(TEMPLATES / name) for name in ("style.css", "unscripted.css", "script.js"))
    results = checks(run)
    sections, pictures = page.sections(run), charts(run)
    return (
        _environment()
        .get_template("report.html")
        .render(
            run=run,
            style=Markup(style),  # noqa: S704  (our own file; `own` refuses what could end the element)
            unscripted=Markup(unscripted),  # noqa: S704  (likewise)
            script=Markup(script),  # noqa: S704  (likewise)
            policy=f"default-src 'none'; style-src {source_of(style)} {source_of(unscripted)}; script-src {source_of(script)}; img-src data:; "
            "base-uri 'none'; form-action 'none'",
            choices=_named(page.choices(run)),
            headline=headline(run),
            notices=notices(run),
            counts=[(status, run.counts()[status]) for status in WORST_FIRST],
            sections=sections,
            anchors={view.result.id: view.anchor for section in sections for view in section.claims},
            placed=_placed(sections),
            attention=page.attention(run),
            changes=compare(before, run) if before else None,
            crosswalk=crosswalk(run),
            charts=pictures,
            drawn=_drawn(pictures),
            not_observed=page.unseen(run, Verdict.INCONCLUSIVE),
            left_out=page.unseen(run, None),
            recipes=page.recipes(run),
            reported=len(results),
            digests=dict(sorted({one.id: one.code_digest for one in results}.items())),
            document_digest=hashlib.sha256(run_json.dumps(run)).hexdigest(),
            meanings=[(status, MEANINGS[status]) for status in WORST_FIRST],
            bases=list(BASES.items()),
            decided={claim.id: claim.status for claim in run.claims},
        )
    )


@cache
def _environment() -> Environment:
    made = environment()
    made.globals.update(Status=Status, Verdict=Verdict, several=several, why=why, inline=page.inline, tone_of=tone)
    made.filters["block"] = _block
    made.filters["short"] = lambda text: safe(text, page.MOST_CHARACTERS)
    made.filters["coded"] = _coded
    made.filters["drawing"] = _drawing
    made.filters["brief"] = lambda text: safe(text, _BRIEF)
    made.filters["framework"] = title
    made.filters["moment"] = _moment
    made.filters["breakable"] = _breakable
    return made


def _drawn(pictures: tuple[Chart, ...]) -> dict[str, list[Chart]]:
    """The charts that draw something of a claim, by the claim."""
    found: dict[str, list[Chart]] = {}
    for chart in pictures:
        for claim in dict.fromkeys(one.claim for one in chart.checks):
            found.setdefault(claim, []).append(chart)
    return found


def _drawing(svg: str) -> Markup:
    """A drawing, which is made element by element of shapes and text alone, and serialised by the library of XML."""
    return Markup(svg)  # noqa: S704  (see upheld.reporting.charts.drawing and upheld.reporting.matrix)


def _placed(sections: tuple[page.Section, ...]) -> set[str]:
    """The names of the findings that the page shows."""
    views = (view for section in sections for claim in section.claims for view in claim.checks)
    return {shown.anchor for view in views for group in view.groups for shown in group.shown}


def _named(offered: page.Choices) -> page.Choices:
    """`offered` with the frameworks' names as people write them."""
    return dataclasses.replace(offered, frameworks=tuple(map(title, offered.frameworks)))


def _block(text: str) -> Markup:
    """Text of several lines for a `pre` element."""
    return escape(safe_lines(text))


def _breakable(text: object) -> Markup:
    """A name that may break after each dot and underscore, so that it fits on a phone."""
    return Markup("<wbr>").join(re.split(r"(?<=[._])", safe(text, LONGEST)))


def _coded(text: str) -> Markup:
    """A check's sentence, with the names that stand in backticks set as code."""
    parts = [escape(safe(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:  # An odd backtick closes nothing.
        return escape(safe(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def _moment(stamp: str) -> str:
    """An RFC 3339 stamp in UTC, to the second, as a person writes it; anything else as it is."""
    if len(stamp) >= 20 and stamp[10] == "T" and stamp.endswith("Z"):
        return f"{stamp[:10]} {stamp[11:19]} UTC"
    return stamp
