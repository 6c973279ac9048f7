"""When a log has entries is counted by the days that it writes, in whatever way it writes them, while it is searched."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from upheld.probes.base import Session
from upheld.probes.log_spans import DAYS_KEPT, Reading, span_of
from upheld.probes.logs import Logs, LogSpan
from upheld.replaying import decode

DAY = timedelta(days=1)
SINCE = datetime(2026, 3, 1, 6, tzinfo=UTC)
FORMATS: dict[str, Callable[[datetime, int], str]] = {
    "at the beginning": lambda at, n: f"{at.isoformat()} INFO {'x' * (n % 40)}",
    "in JSON": lambda at, n: f'{{"level":"info","n":{10 ** (n % 9)},"time":"{at:%Y-%m-%dT%H:%M:%S.123Z}","m":"x"}}',
    "of a web server": lambda at, n: f'{n % 256}.1.1.{n % 7} - - [{at:%d/%b/%Y:%H:%M:%S +0000}] "GET / HTTP/1.1" 200',
    "here and there": lambda at, n: f"{'word ' * (n % 5)}{at:%Y-%m-%d %H:%M:%S,000Z} then",
}


def read(text: bytes, size: int = 1 << 20, zone: Any = True) -> LogSpan:
    reading = Reading(zone)
    assert b"".join(reading.over(text[at : at + size] for at in range(0, len(text), size))) == text
    return span_of("app", [reading])


def text_of(written: Callable[[datetime, int], str], moments: Iterable[datetime]) -> bytes:
    return "".join(f"{written(at, number)}\n" for number, at in enumerate(moments)).encode()


@pytest.mark.parametrize("size", [1 << 20, 701])
@pytest.mark.parametrize("written", FORMATS.values(), ids=FORMATS)
def test_every_line_counts_on_its_day(written: Callable[[datetime, int], str], size: int) -> None:
    moments = [SINCE + n * timedelta(minutes=20) for n in range(500) if n // 72 != 3]
    found = read(text_of(written, moments), size)
    days = [f"{at:%Y-%m-%d}" for at in moments]
    assert found.days == tuple((day, days.count(day)) for day in sorted(set(days)))
    assert found.first is not None
    assert found.last is not None
    assert (found.first.replace(microsecond=0), found.last.replace(microsecond=0)) == (moments[0], moments[-1])
    assert (found.earlier, found.unread) == (0, 0)


def test_a_day_is_the_one_that_the_log_writes_and_a_time_keeps_its_offset() -> None:
    found = read(b"2026-03-01T23:30:00-05:00 a\n2026-03-02T00:30:00-05:00 b")
    assert found.days == (("2026-03-01", 1), ("2026-03-02", 1))
    assert found.first == datetime(2026, 3, 1, 23, 30, tzinfo=timezone(-5 * timedelta(hours=1)))
    assert str(found.first).endswith("-05:00")


def test_where_the_zone_is_not_known_the_days_still_are() -> None:
    found = read(b"2026-03-01 23:30:00 a\n", zone=False)
    assert (found.first, found.last, found.days) == (None, None, (("2026-03-01", 1),))


def test_lines_without_a_time_and_of_the_future_are_of_no_day() -> None:
    trace = (
        b"Traceback:\n  File x, line 2026-13-45T99:00:00\n9999-12-31T00:00:00Z\n\n2026-03-01T00:00:00Z end\n\xff\xfe"
    )
    found = read(trace)
    assert (found.days, found.unread) == ((("2026-03-01", 1),), 5)
    assert found.first == found.last == datetime(2026, 3, 1, tzinfo=UTC)
    assert read(b"x" * 5_000_000, 1 << 20).unread == 1
    assert read(b"\n" * 300_000).unread == 300_000


def test_of_very_many_days_the_newest_are_kept() -> None:
    found = read(text_of(FORMATS["at the beginning"], (SINCE - n * DAY for n in range(3 * DAYS_KEPT))))
    assert len(found.days) == DAYS_KEPT
    assert found.days[-1][0] == "2026-03-01"
    assert found.earlier == 2 * DAYS_KEPT


def test_a_search_records_it_of_all_files_of_a_source_that_were_read_to_their_end(
    session_of: Callable[..., Session], tmp_path: Path
) -> None:
    (tmp_path / "app.log").write_text("2026-03-05T00:00:00Z five\n")
    (tmp_path / "app.log.1").write_text("2026-03-02T00:00:00Z two\n2026-03-02T01:00:00Z two\n")
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(b"2026-03-01T00:00:00Z one\n"))
    (tmp_path / "app.log.3.gz").write_bytes(gzip.compress(b"2026-02-01T00:00:00Z none\n" * 9000)[:-9])
    (tmp_path / "empty.log").write_text("")
    described = [{"name": name, "path": f"{name}.log", "time_zone": "Nowhere/City"} for name in ("app", "empty")]
    probe = session_of(logs=described).probe(Logs)
    assert isinstance(probe, Logs)
    probe.session.redactor.add("canary-Zk93mQpX7vTb2LwRy", "canary")
    with probe.session.recording("t") as recorder:
        (span,) = probe.search(("[redacted:canary]",)).spans
    assert span.days == (("2026-03-01", 1), ("2026-03-02", 2), ("2026-03-05", 1))
    assert (span.source, span.first, span.last) == (
        "app",
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 5, tzinfo=UTC),
    )
    (observation,) = recorder.observations
    assert isinstance(observation.value, dict)
    again: Any = decode(Logs, "search", observation.value)
    assert again.spans == (span,)
    earlier = {name: value for name, value in observation.value.items() if name != "spans"}
    assert decode(Logs, "search", earlier) is not None  # What an earlier version recorded is still judged.
