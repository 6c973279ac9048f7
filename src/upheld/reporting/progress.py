"""Progress while a run goes on: a live bar in a terminal, plain lines where there is none."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from upheld.model import CheckResult, Verdict
from upheld.reporting.headline import several, tone
from upheld.reporting.marks import STYLES, shape, words

MOST_LINES = 200
"""Plans larger than this show a plain line only for each tenth of them, and for each check that did not pass."""
_TEXT = 200


class Progress:
    """Shows each check's result as it comes in. Results are counted by their key, so a repeated one counts once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Bar | None = None
        self._planned = 0
        self._done: dict[str, Verdict] = {}
        self._shown = 0
        self._running = False

    def __enter__(self) -> Self:
        """Itself; `start` is called when the plan is known."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever happened."""
        self.stop()

    def start(self, planned: int) -> None:
        """Begin, with the number of planned checks."""
        self._planned, self._running = planned, True
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            self._say(words(self._console, f"{several(planned, 'check')} planned"))
            return
        self._bar = Bar(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._bar.add_task("starting", total=planned)
        self._bar.start()

    def update(self, result: CheckResult) -> None:
        """Show one check's result."""
        self._done[result.key] = result.verdict
        passed = result.verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE}
        if self._bar is not None:
            if not passed:
                self._say(self._line(result))
            name = words(self._console, f"{result.claim} {result.id}", limit=_TEXT).plain
            self._bar.update(self._bar.task_ids[0], completed=len(self._done), description=name)
        elif not passed or self._planned <= MOST_LINES or len(self._done) * 10 // self._planned > self._shown:
            self._shown = len(self._done) * 10 // max(self._planned, 1)
            self._say(self._line(result))

    def stop(self) -> None:
        """End, and say so when results are missing. Calling it again does nothing."""
        if not self._running:
            return
        self._running = False
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        missing = self._planned - len(self._done)
        if missing > 0:
            verb = "has" if missing == 1 else "have"
            self._say(words(self._console, f"! {several(missing, 'planned check')} {verb} given no result", "yellow"))

    def _line(self, result: CheckResult) -> Text:
        console, looks = self._console, tone(result)
        width = len(str(self._planned))
        text = words(console, f"[{len(self._done):>{width}}/{self._planned}] ", "dim")
        text += words(console, f"{shape(looks, console)} {result.verdict}", STYLES[looks])
        text += words(console, f"  {result.claim} {result.id}")
        text += words(console, f"  {several(result.population.probed, 'subject')}, {_seconds(result.seconds)}", "dim")
        if result.reason:
            text += words(console, f"  {result.reason}", limit=_TEXT)
        return text

    def _say(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if math.isfinite(seconds) else "unknown time"
