"""When the logs that were searched have entries, and where they have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from upheld.model import CheckResult, Plain
from upheld.reporting.charts.drawing import timeline
from upheld.reporting.charts.parts import (
    MOST_LISTED,
    MOST_ROWS,
    Chart,
    Numbers,
    Stretch,
    counted,
    entry,
    items,
    looks,
    moment,
    words,
)
from upheld.reporting.headline import several

_DAY = timedelta(days=1)
_WRITTEN = "%Y-%m-%d %H:%M:%S"


@dataclass
class _Log:
    """What is known of one source from every search of it."""

    first: datetime | None = None
    last: datetime | None = None
    days: dict[date, int] = field(default_factory=dict)

    def add(self, span: Plain) -> None:
        """Take in what one search saw; what several saw is the same lines."""
        first, last = _with_offset(entry(span, "first")), _with_offset(entry(span, "last"))
        self.first = min((at for at in (self.first, first) if at is not None), default=None)
        self.last = max((at for at in (self.last, last) if at is not None), default=None)
        for pair in map(items, items(entry(span, "days"))):
            if len(pair) == 2 and isinstance(lines := pair[1], int) and (day := _day(pair[0])) is not None:
                self.days[day] = max(lines, self.days.get(day, 0))

    def stretches(self) -> Iterator[tuple[datetime, datetime, int, int]]:
        """From when to when it has entries on every day, with how many days and lines that are."""
        zone = (self.first.tzinfo if self.first else None) or UTC
        run: list[date] = []
        for day in sorted(self.days):
            if run and day - run[-1] > _DAY:
                yield self._stretch(run, zone)
                run = []
            run.append(day)
        if run:
            yield self._stretch(run, zone)

    def _stretch(self, days: Sequence[date], zone: tzinfo) -> tuple[datetime, datetime, int, int]:
        start, end = datetime.combine(days[0], time(), zone), datetime.combine(days[-1], time(), zone) + _DAY
        # The first and the last day are not whole ones, where it is known when the log begins and ends.
        if self.first is not None and start < self.first < end:
            start = self.first
        if self.last is not None and start <= self.last < end:
            end = self.last
        return start.astimezone(UTC), end.astimezone(UTC), len(days), sum(self.days[day] for day in days)


def spans(checks: Sequence[CheckResult]) -> Chart | None:
    """A row for each log that was searched to its end, with a bar over each time in which every day has an entry."""
    logs: dict[str, _Log] = {}
    unread: set[str] = set()
    at: list[datetime] = []
    for look in looks(checks, "logs", "search"):
        at += [seen] if (seen := moment(look.at)) else []
        unread |= {words(one, "source") for one in items(entry(look.value, "unread"))}
        for span in items(entry(look.value, "spans")):
            if source := words(span, "source"):
                logs.setdefault(source, _Log()).add(span)
    undated = sorted(source for source, log in logs.items() if not log.days)
    dated = {source: log for source, log in sorted(logs.items()) if log.days}
    if not dated:
        return None
    rows = [(source, *one) for source, log in list(dated.items())[:MOST_ROWS] for one in log.stretches()]
    drawn = rows[:MOST_LISTED]
    title = "Logs over time"
    return Chart(
        name="log-times",
        title=title,
        says="When the logs that were searched have entries: a bar goes on as long as every day has one.",
        checks=tuple(checks),
        drawing=timeline(title, (), {max(at): "the audit"} if at else {}, tuple(_drawn(drawn))),
        numbers=Numbers(
            ("log", "from (UTC)", "to (UTC)", "days", "lines"),
            tuple(
                (source, start.strftime(_WRITTEN), end.strftime(_WRITTEN), f"{days:,}", f"{lines:,}")
                for source, start, end, days, lines in drawn
            ),
        ),
        left=" ".join(filter(None, _left(dated, undated, unread - {""}, len(rows) - len(drawn)))),
    )


def _drawn(rows: Iterable[tuple[str, datetime, datetime, int, int]]) -> Iterator[Stretch]:
    for source, start, end, days, lines in rows:
        span = f"{start.strftime(_WRITTEN)} to {end.strftime(_WRITTEN)} UTC"
        yield Stretch(source, start, end, f"{source}: {span}, {several(lines, 'line')} on {several(days, 'day')}")


def _left(dated: Mapping[str, _Log], undated: Sequence[str], unread: set[str], stretches: int) -> Iterator[str]:
    if undated:
        yield f"In {several(len(undated), 'log')} no line carries a time that was read: {', '.join(undated[:10])}."
    if unread:
        yield f"Not read to the end, so that more may be there: {', '.join(sorted(unread)[:10])}."
    yield counted(max(0, len(dated) - MOST_ROWS), "logs")
    yield counted(stretches, "times")


def _day(value: Plain) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _with_offset(stamp: Plain) -> datetime | None:
    """The moment that a stamp names, in the stamp's own offset; None for anything else."""
    found = moment(stamp)
    return datetime.fromisoformat(stamp) if found is not None and isinstance(stamp, str) else None
