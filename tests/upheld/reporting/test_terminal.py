"""The summary in a terminal: what it says, that it never rises, and that a target cannot write to the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from upheld.model import Run, Status, Verdict, Waiver
from upheld.reporting.terminal import MOST_REASONS, MOST_REFUTED, summary
from upheld.reporting.text import safe

from . import sample

SNAPSHOT = Path(__file__).with_name("summary.txt")


def printed(run: Run, *, terminal: bool = False, encoding: str = "utf-8", color: bool = True, width: int = 100) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    options = {"_environ": {}, "width": width, "no_color": not color, "color_system": "truecolor" if terminal else None}
    summary(run, Console(file=file, force_terminal=terminal, legacy_windows=False, **options))  # type: ignore[arg-type]
    file.flush()
    return raw.getvalue().decode(encoding)


def test_the_summary_reads_as_reviewed() -> None:
    assert printed(sample.full()) == SNAPSHOT.read_text(encoding="utf-8")


@pytest.mark.parametrize("status", Status)
def test_each_status_is_counted_by_name(status: Status) -> None:
    text = printed(sample.run(sample.claim(status)))
    for other in Status:
        assert f"{other} {int(other is status)}" in text


@pytest.mark.parametrize("text", sample.HOSTILE.values(), ids=sample.HOSTILE)
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "file"])
def test_what_a_target_sends_cannot_steer_the_terminal(text: str, terminal: bool) -> None:
    out = printed(sample.hostile(text), terminal=terminal, color=False, width=4_000)
    body = out.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "") if terminal else out
    assert "\x1b" not in body
    assert not set(body) & {
        *map(chr, range(10)),
        *map(chr, range(11, 32)),
        "\x7f",
        "\x9b",
        "\u202e",
        "\u200b",
        "\u2066",
    }
    assert safe(text) in body
    assert len(out.splitlines()) == len(
        printed(sample.hostile("harmless"), terminal=terminal, width=4_000).splitlines()
    )


def test_a_terminal_that_knows_only_ascii_still_gets_everything() -> None:
    out = printed(sample.run(sample.claim(Status.REFUTED, statement="Zürich ✓")), encoding="ascii")
    assert r"Z\xfcrich \u2713" in out
    assert "x 1 of 1 decided claim refuted" in out


def test_without_colour_there_is_no_colour() -> None:
    assert "\x1b[" not in printed(sample.full())
    assert "\x1b[1;31m" in printed(sample.full(), terminal=True)
    assert "31m" not in printed(sample.full(), terminal=True, color=False)


def test_the_first_failing_finding_is_shown_with_what_was_expected() -> None:
    check = sample.check(
        Verdict.FAIL,
        sample.finding(Verdict.PASS, "good"),
        sample.finding(Verdict.FAIL, "first bad", expected="one", observed="two"),
        sample.finding(Verdict.FAIL, "second bad"),
    )
    out = printed(sample.run(sample.claim(Status.REFUTED, check)))
    assert (
        "tls.refuses_old_versions: first bad\n    expected  one\n    observed  two\n    and 1 more failing finding\n"
        in out
    )
    assert "“All API and web traffic: TLS 1.2+”" in out


def test_a_claim_that_others_refute_names_them() -> None:
    part = sample.claim(Status.REFUTED, id="part")
    whole = sample.claim(
        Status.REFUTED, checks=(), id="whole", decided_by=("part", "other"), reason="decided by part, which is refuted"
    )
    assert "decided by part, which is refuted" in printed(sample.run(part, whole))


def test_a_waiver_stands_beside_the_claim_and_changes_nothing() -> None:
    waivers = (
        Waiver("c", "soon", "A. Person", "2026-04-30"),
        Waiver("c", "late", "B. Person", "2026-01-31", expired=True),
    )
    out = printed(sample.run(sample.claim(Status.REFUTED, waivers=waivers)))
    assert "1 of 1 decided claim refuted" in out
    assert "waived until 2026-04-30 by A. Person: soon" in out
    assert "waiver expired on 2026-01-31 by B. Person: late" in out


def test_what_was_not_decided_is_grouped_by_reason() -> None:
    claims = [
        sample.claim(Status.INCONCLUSIVE, id=f"c{n}", reason="the target describes no database") for n in range(7)
    ]
    out = printed(sample.run(*claims))
    assert "7 claims inconclusive" in out
    assert "c0, c1, c2, c3 and 3 more: the target describes no database" in out


def test_a_summary_of_thousands_stays_short_and_counts_the_rest() -> None:
    claims = [sample.claim(Status.REFUTED, id=f"r{n}") for n in range(MOST_REFUTED + 480)]
    claims += [sample.claim(Status.INCONCLUSIVE, id=f"i{n}", reason=f"reason {n}") for n in range(MOST_REASONS + 990)]
    claims += [sample.claim(Status.UNCOVERED, id=f"u{n}", section=f"section {n}") for n in range(3_000)]
    out = printed(sample.run(*claims))
    assert len(out.splitlines()) < 200
    for words in (
        "and 480 more refuted claims",
        "and 990 more reasons",
        "3,000 claims not yet covered",
        "and 2,992 more",
    ):
        assert words in out


def test_long_text_wraps_under_its_indent_in_a_terminal_and_stays_whole_in_a_file() -> None:
    run = sample.run(sample.claim(Status.REFUTED, statement="word " * 50))
    assert "word " * 50 in printed(run, width=40)
    lines = [line for line in printed(run, terminal=True, color=False, width=40).splitlines() if "word" in line]
    assert len(lines) > 5
    assert all(line.startswith("  ") and len(line) <= 40 for line in lines)
