"""Progress counts what was reported, in a terminal and without one."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from upheld.model import CheckResult, Verdict
from upheld.reporting.progress import MOST_LINES, Progress

from . import sample


def console(*, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=200, no_color=True, _environ={}, legacy_windows=False
    )


def text(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def result(number: int, verdict: Verdict = Verdict.PASS, **changes: object) -> CheckResult:
    return replace(sample.check(verdict), key=f"k{number}", **changes)  # type: ignore[arg-type]


def test_without_a_terminal_each_result_is_one_plain_line() -> None:
    where = console()
    progress = Progress(where)
    progress.start(2)
    progress.update(result(1))
    progress.update(result(2, Verdict.FAIL, reason="weak"))
    progress.stop()
    lines = text(where).splitlines()
    assert lines == [
        "2 checks planned",
        "[1/2] ✓ pass  transit-tls12 tls.refuses_old_versions  1 subject, 0.4 s",
        "[2/2] ✗ fail  transit-tls12 tls.refuses_old_versions  1 subject, 0.4 s  weak",
    ]


def test_missing_results_are_said_and_repeated_ones_count_once() -> None:
    where = console()
    with Progress(where) as progress:
        progress.start(3)
        progress.update(result(1))
        progress.update(result(1))
    progress.stop()
    assert text(where).splitlines()[-1] == "! 2 planned checks have given no result"
    assert text(where).count("no result") == 1


def test_a_large_plan_shows_a_tenth_of_its_passes_and_everything_else() -> None:
    where = console()
    progress = Progress(where)
    progress.start(MOST_LINES * 5)
    for number in range(MOST_LINES * 5):
        progress.update(result(number, Verdict.INCONCLUSIVE if number == 77 else Verdict.PASS))
    progress.stop()
    lines = text(where).splitlines()
    assert len(lines) == 1 + 10 + 1
    assert any("? inconclusive" in line for line in lines)


@pytest.mark.parametrize("hostile", sample.HOSTILE.values(), ids=sample.HOSTILE)
def test_a_target_cannot_write_to_the_terminal_through_progress(hostile: str) -> None:
    where = console()
    progress = Progress(where)
    progress.start(1)
    progress.update(result(1, Verdict.FAIL, reason=hostile, claim=hostile, id=hostile))
    progress.stop()
    assert len(text(where).splitlines()) == 2
    assert not set(text(where)) & {"\x1b", "\x00", "\x07", "\x9b", "\u202e", "\u200b", "\ud800"}


def test_in_a_terminal_a_live_bar_counts_and_failures_stay_above_it() -> None:
    where = console(terminal=True)
    with Progress(where) as progress:
        progress.start(2)
        progress.update(result(1, Verdict.FAIL, reason="[red]not markup[/red]"))
        progress.update(result(2))
    assert "✗ fail" in text(where)
    assert "[red]not markup[/red]" in text(where)
    assert "2/2" in text(where)


def test_an_empty_plan_and_a_stop_before_the_start_are_no_faults() -> None:
    where = console()
    Progress(where).stop()
    progress = Progress(where)
    progress.start(0)
    progress.stop()
    assert text(where) == "0 checks planned\n"
