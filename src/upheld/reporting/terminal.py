"""The summary of a run in a terminal: what a person can read in five seconds, and then what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from upheld.model import ClaimResult, FindingRecord, Run, Status, Verdict
from upheld.reporting.headline import WORST_FIRST, headline, notices, several, why
from upheld.reporting.marks import STYLES, shape, words

MOST_REFUTED = 20
"""Refuted claims that are shown one by one."""
MOST_REASONS = 10
"""Different reasons that are shown for claims that nothing decided."""
_MOST_IDS = 4
_TEXT = 300


def summary(run: Run, console: Console) -> None:
    """Print the summary of `run`: headline, counts, each refuted claim, what was not decided and why, what is uncovered."""
    view = _Summary(console)
    view.head(run)
    by_status = {status: [claim for claim in run.claims if claim.status is status] for status in Status}
    for claim in by_status[Status.REFUTED][:MOST_REFUTED]:
        view.refuted(claim, run)
    if len(by_status[Status.REFUTED]) > MOST_REFUTED:
        view.line(
            words(console, f"and {several(len(by_status[Status.REFUTED]) - MOST_REFUTED, 'more refuted claim')}"),
            gap=True,
        )
    for status in (Status.INCONCLUSIVE, Status.LAPSED):
        view.undecided(status, by_status[status])
    view.uncovered(by_status[Status.UNCOVERED])
    view.notes(run)


class _Summary:
    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, *parts: Text, indent: int = 0, gap: bool = False) -> None:
        """Print one line; a terminal wraps it under its indent, a file gets it unbroken, so that it can be searched."""
        if gap:
            self._console.print()
        text = Text().join(parts)
        if self._console.is_terminal:
            self._console.print(Padding(text, (0, 0, 0, indent), expand=False), highlight=False)
        else:
            self._console.print(Text(" " * indent) + text, soft_wrap=True, highlight=False)

    def head(self, run: Run) -> None:
        console, said = self._console, headline(run)
        where = f"{run.policy}, audited against {run.target.name} ({run.target.environment})"
        self.line(
            words(console, where, "dim", _TEXT),
            words(console, f", {run.started}, {run.seconds:.1f} s", "dim"),
            gap=True,
        )
        self.line(words(console, f"{shape(said.tone, console)} {said.text}", _emphasis(said.tone)), gap=True)
        counts = run.counts()
        parts: list[Text] = []
        for status in WORST_FIRST:
            style = STYLES[status] if counts[status] else "dim"
            parts += [words(console, f"{shape(status, console)} {status} {counts[status]}", style), Text("   ")]
        self.line(*parts[:-1], indent=2)

    def refuted(self, claim: ClaimResult, run: Run) -> None:
        console = self._console
        self._claim(claim)
        failing = [
            (one, finding) for one in claim.checks for finding in one.findings if finding.verdict is Verdict.FAIL
        ]
        if failing:
            check, finding = failing[0]
            self.line(words(console, f"{check.id}: "), words(console, finding.subject, "bold", _TEXT), indent=2)
            self._finding(finding)
            if len(failing) > 1:
                self.line(words(console, f"and {several(len(failing) - 1, 'more failing finding')}", "dim"), indent=4)
        else:
            self.line(words(console, why(claim), limit=_TEXT), indent=2)
        status_of = {other.id: other.status for other in run.claims}
        for part in claim.decided_by:
            if status_of.get(part) is Status.REFUTED:
                self.line(words(console, f"decided by {part}, which is refuted"), indent=2)
        for waiver in claim.waivers:
            state = "waiver expired on" if waiver.expired else "waived until"
            about = (
                f" for {', '.join(filter(None, (waiver.check, waiver.subject)))}"
                if waiver.check or waiver.subject
                else ""
            )
            text = f"{state} {waiver.expires} by {waiver.approver}{about}: {waiver.reason}"
            self.line(words(console, text, "yellow", _TEXT), indent=2)

    def undecided(self, status: Status, claims: list[ClaimResult]) -> None:
        console = self._console
        if not claims:
            return
        by_reason: dict[str, list[str]] = {}
        for claim in claims:
            by_reason.setdefault(why(claim), []).append(claim.id)
        heading = f"{shape(status, console)} {several(len(claims), 'claim')} {status}"
        self.line(words(console, heading, STYLES[status]), gap=True)
        for reason, ids in list(by_reason.items())[:MOST_REASONS]:
            self.line(words(console, f"{_listed(ids)}: ", "bold"), words(console, reason, limit=_TEXT), indent=2)
        if len(by_reason) > MOST_REASONS:
            self.line(words(console, f"and {len(by_reason) - MOST_REASONS:,} more reasons", "dim"), indent=2)

    def uncovered(self, claims: list[ClaimResult]) -> None:
        console = self._console
        if not claims:
            return
        by_section: dict[str, int] = {}
        for claim in claims:
            by_section[claim.section] = by_section.get(claim.section, 0) + 1
        heading = f"{shape(Status.UNCOVERED, console)} {several(len(claims), 'claim')} not yet covered by any check"
        self.line(words(console, heading, STYLES[Status.UNCOVERED]), gap=True)
        largest = sorted(by_section.items(), key=lambda pair: -pair[1])
        text = _listed([f"{section or 'no section'} {count}" for section, count in largest], 8)
        self.line(words(console, text, "dim"), indent=2)

    def notes(self, run: Run) -> None:
        for index, note in enumerate(notices(run)):
            self.line(words(self._console, f"! {note}", "yellow", 2 * _TEXT), gap=not index)

    def _claim(self, claim: ClaimResult) -> None:
        console = self._console
        basis = f", {claim.basis}" if claim.basis else ""
        self.line(
            words(console, f"{shape(claim.status, console)} {claim.id}", STYLES[claim.status]),
            words(console, f"  {claim.status}, {claim.severity}{basis}", "dim"),
            gap=True,
        )
        quoted = ('"', '"') if console.options.ascii_only else ("“", "”")
        self.line(
            words(console, quoted[0]), words(console, claim.statement, limit=_TEXT), words(console, quoted[1]), indent=2
        )

    def _finding(self, finding: FindingRecord) -> None:
        self.line(
            words(self._console, "expected  ", "dim"), words(self._console, finding.expected, limit=_TEXT), indent=4
        )
        self.line(
            words(self._console, "observed  ", "dim"), words(self._console, finding.observed, "red", _TEXT), indent=4
        )


def _listed(names: Iterable[str], most: int = _MOST_IDS) -> str:
    all_names = list(names)
    more = f" and {len(all_names) - most:,} more" if len(all_names) > most else ""
    return ", ".join(all_names[:most]) + more


def _emphasis(tone: Status) -> str:
    return "bold" if tone is Status.UNCOVERED else STYLES[tone]
