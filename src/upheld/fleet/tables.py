"""A fleet's report for those who do not open pages: Markdown for a job's summary, and CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from upheld.answering.questionnaires import harmless
from upheld.exporting import writing
from upheld.fleet import saying
from upheld.fleet.summary import Line, Summary, outliers
from upheld.model import Status
from upheld.reporting.headline import several
from upheld.reporting.text import safe

_MOST = 50
"""Lines of one kind that the Markdown shows; the others are counted."""
_NAMES = 500
"""Targets that one line of the Markdown names; a job's summary takes 1 MiB."""
_TEXT = 300


def markdown(summary: Summary) -> str:
    """The fleet in words; nothing that a target sent acts in it."""
    text, worst = saying.headline(summary)
    sign = {Status.REFUTED: "❌", Status.UPHELD: "✅", Status.ATTESTED: "✅"}.get(worst, "❓") if worst else "❓"
    parts = [
        f"## {sign} {_plain(text)}",
        "",
        f"Fleet {_plain(summary.run.fleet)}, {saying.moment(summary.run.started)}.",
        "",
    ]
    parts += [f"- {_plain(one)}" for one in saying.notices(summary)]
    parts += [*_section("Worst targets", "| target | worst | what |\n|---|---|---|", _worst(summary), "target")]
    parts += [
        *_section("Broken most often", "| claim | refuted on | severity |\n|---|---|---|", _broken(summary), "claim")
    ]
    parts += [*_section("Out of line", "", _apart(summary), "target")]
    parts += [*_section("The same defect on many targets", "", _groups(summary), "defect")]
    parts += [*_section("What was not observed, and why", "", _unseen(summary), "reason")]
    return "\n".join(parts) + "\n"


def _section(title: str, head: str, rows: Iterator[str], noun: str) -> Iterator[str]:
    made = list(rows)
    if made:
        yield from ("", f"### {title}", "")
        yield from [head] if head else []
        yield from made[:_MOST]
        if len(made) > _MOST:
            yield from ("", f"And {several(len(made) - _MOST, f'more {noun}')}.")


def _worst(summary: Summary) -> Iterator[str]:
    for line in summary.lines:
        if line.worst is not Status.UPHELD:
            yield f"| {_plain(line.name)} | {saying.word(line.worst)} | {_plain(saying.tally(line))} |"


def _broken(summary: Summary) -> Iterator[str]:
    found = [(part, claim) for part in summary.policies for claim in part.claims if claim.refuted]
    for part, claim in sorted(found, key=lambda one: -one[1].refuted):
        of = f"{claim.refuted} of {several(len(part.lines), 'target')}"
        yield f"| {_plain(claim.id)}: {_plain(claim.statement)} | {of} | {claim.severity.value} |"


def _apart(summary: Summary) -> Iterator[str]:
    for line in outliers(summary.lines):
        refuted = [one for one in line.departures if one.status is Status.REFUTED]
        yield f"- {_plain(line.name)}: {_plain('; '.join(map(saying.departure, refuted)))}"


def _groups(summary: Summary) -> Iterator[str]:
    for group in summary.groups:
        names = _names([one.target for one in group.on])
        what = f"{_plain(group.subject or group.title)}: {_plain(group.observed)}"
        yield (
            f"- **{several(len(group.on), 'target')}**, {group.severity.value}, {_plain(group.claim)} ({_plain(group.check)}): {what}  \n  {names}"
        )


def _unseen(summary: Summary) -> Iterator[str]:
    for one in summary.unseen:
        about = several(len(one.claims), "claim") if one.claims else "all claims"
        names = _names(one.targets)
        yield f"- {several(len(one.targets), 'target')}, {about}: {_plain(one.reason)}  \n  {names}"


def _names(targets: Sequence[str]) -> str:
    more = f" and {several(len(targets) - _NAMES, 'more target')}" if len(targets) > _NAMES else ""
    return ", ".join(map(_plain, targets[:_NAMES])) + more


def _plain(text: str) -> str:
    return writing.markdown(text, _TEXT)


def targets(summary: Summary) -> str:
    """Targets × claims: a row for each target, the worst first, and a column for each claim; empty where a policy lacks the claim."""
    claims = list(dict.fromkeys(claim.id for part in summary.policies for claim in part.claims))
    head = ["target", "policy", "worst", "refuted", "not observed", "out of line", "reason", "report", *claims]
    return _csv(head, ([*_row(line), *(_status(line, claim) for claim in claims)] for line in summary.lines))


def _row(line: Line) -> tuple[str, ...]:
    unlike = [one.claim for one in line.departures if one.status is Status.REFUTED]
    unseen = str(line.count(None)) if line.ran else "all"
    folder = f"{line.folder}/report.html" if line.folder else ""
    refuted = str(line.count(Status.REFUTED)) if line.ran else ""
    return (line.name, line.policy, saying.word(line.worst), refuted, unseen, " ".join(unlike), line.reason, folder)


def _status(line: Line, claim: str) -> str:
    return saying.word(line.statuses[claim]) if claim in line.statuses else ""


def defects(summary: Summary) -> str:
    """Every defect on every target that has it: a row for each of the two."""
    head = ["targets", "severity", "claim", "check", "subject", "observed", "target", "findings", "waived", "subject there", "observed there"]  # fmt: skip
    rows = (
        (
            str(len(group.on)),
            group.severity.value,
            group.claim,
            group.check,
            group.subject,
            group.observed,
            one.target,
            str(one.findings),
            str(one.waived),
            one.subject,
            one.observed,
        )
        for group in summary.groups
        for one in group.on
    )
    return _csv(head, rows)


def _csv(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    for row in (head, *rows):
        writer.writerow([harmless(safe(one)) for one in row])
    return out.getvalue()
