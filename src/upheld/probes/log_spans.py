"""From when until when a log has entries, and on which days: counted beside a search, line by line, in constant memory.

A day is the one that the log itself writes. Where the time stands in one line it mostly stands in the next, so that only
the few different beginnings of an hour are read, and not each line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from upheld.probes.log_answers import LogSpan
from upheld.probes.log_files import TIME, time_of

DAYS_KEPT = 400
"""Days of one source that are counted one by one, the newest; lines of earlier ones are counted together."""
_BEGINNING = 300
"""Bytes of a line in which its time is sought."""
_HOUR = len("2026-11-26T15:")
_READ_ALONE = 2_000
"""Lines of one chunk that are read one by one, where the time stands elsewhere in each or nowhere; they lie evenly in it."""
_TRIED = 100
_MOST_LINES = 100_000
"""More lines than this in one chunk are too short for a time."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WRITTEN = re.compile(rb"(\d{4})-(\d\d)-(\d\d)[T ]\d\d:")
_SIGNS = re.compile(rb"[^0-9]{1,8}$")
_COMMON = re.compile(rb"(\d\d)/(\w{3})/(\d{4}):\d\d")


class Reading:
    """The times in one log while it is read."""

    def __init__(self, zone: tzinfo | bool) -> None:
        """`zone` is that of times that say none: True for this machine's, False where it is not known."""
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.days: Counter[str] = Counter()
        self.earlier = 0
        self.unread = 0
        self._zone = zone
        self._latest = datetime.now(UTC) + timedelta(days=2)
        self._latest_day = self._latest.date().isoformat()
        self._place = 0
        self._before = b""

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks as they are, with the times of their lines taken down."""
        begun = b""
        for chunk in chunks:
            lines = (begun + chunk).split(b"\n")
            begun = lines.pop()[
                :_BEGINNING
            ]  # Its rest comes with the next chunk, and the time stands at its beginning.
            self._take(lines)
            yield chunk
        if begun:
            self._take([begun])

    def _take(self, lines: list[bytes]) -> None:
        if len(lines) > _MOST_LINES:
            self.unread += len(lines)
            return
        if not self.days:
            self._learn(lines[:_TRIED])
        place, before = self._place, self._before
        hours = [line[place : place + _HOUR] for line in lines]
        known = self._count(hours)
        others = [number for number, hour in enumerate(hours) if hour not in known]
        if others and before:
            # Behind something that is longer in one line than in another, and always ends alike: `[`, `"time":"`.
            size = len(before)
            places = [lines[number].find(before, 0, _BEGINNING) + size for number in others]
            for number, at in zip(others, places, strict=True):
                hours[number] = lines[number][at : at + _HOUR]
            known |= self._count([hours[number] for number in others])
            others = [number for number in others if hours[number] not in known]
        found = self._alone(lines, others)
        self.unread += len(others) - len(found)
        self._ends(lines, hours, known, found)
        if len(self.days) > 2 * DAYS_KEPT:
            self.forget()

    def _count(self, hours: Sequence[bytes]) -> set[bytes]:
        """Count the lines of each day; gives those of `hours` that are the beginning of a time."""
        known = set()
        for hour, count in Counter(hours).items():
            if day := self._day(hour):
                known.add(hour)
                self.days[day] += count
        return known

    def _learn(self, lines: Sequence[bytes]) -> None:
        """Where the time stands in the first line that has one, and behind what."""
        for line in lines:
            if match := TIME.search(line[:_BEGINNING]):
                self._place = match.start() + match[0].startswith(b"[")
                ends = _SIGNS.search(line[: self._place])
                self._before = ends[0] if ends else b""
                return

    def _alone(self, lines: Sequence[bytes], numbers: Sequence[int]) -> list[int]:
        """The numbers of those lines that have a time of their own anywhere; of very many, some are read."""
        found = []
        for number in numbers[:: len(numbers) // _READ_ALONE + 1]:
            match = TIME.search(lines[number][:_BEGINNING])
            if match and (day := self._day(match[0].lstrip(b"[")[:_HOUR])):
                self.days[day] += 1
                found.append(number)
        return found

    def _ends(self, lines: Sequence[bytes], hours: Sequence[bytes], known: set[bytes], found: Sequence[int]) -> None:
        """Take down the first and the last time of these lines."""
        if not known and not found:
            return
        if self.first is None:
            numbers = [next((number for number, hour in enumerate(hours) if hour in known), len(lines)), *found[:1]]
            self.first = self._time(lines[min(numbers)])
        numbers = [
            next((number for number in range(len(lines) - 1, -1, -1) if hours[number] in known), -1),
            *found[-1:],
        ]
        self.last = self._time(lines[max(numbers)]) or self.last

    def _time(self, line: bytes) -> datetime | None:
        at = time_of(line, self._zone)
        return at if at is not None and at < self._latest else None

    def _day(self, hour: bytes) -> str:
        day = _day_of(hour)
        return day if day <= self._latest_day else ""

    def forget(self) -> None:
        """Count the lines of all days but the newest together."""
        for day in sorted(self.days)[:-DAYS_KEPT]:
            self.earlier += self.days.pop(day)


def span_of(source: str, readings: Iterable[Reading]) -> LogSpan:
    """What the logs of one source, each read to its end, come to."""
    whole = Reading(zone=False)
    for one in readings:
        whole.days += one.days
        whole.earlier += one.earlier
        whole.unread += one.unread
        whole.first = min((at for at in (whole.first, one.first) if at is not None), default=None)
        whole.last = max((at for at in (whole.last, one.last) if at is not None), default=None)
        whole.forget()
    return LogSpan(source, whole.first, whole.last, tuple(sorted(whole.days.items())), whole.earlier, whole.unread)


@lru_cache(maxsize=4096)
def _day_of(hour: bytes) -> str:
    """The day with which a time begins; empty for anything else."""
    if match := _WRITTEN.match(hour):
        year, month, day = (int(one) for one in match.groups())
    elif match := _COMMON.match(hour):
        name = match[2].decode("ascii", "replace")
        if name not in _MONTHS:
            return ""
        year, month, day = int(match[3]), _MONTHS.index(name) + 1, int(match[1])
    else:
        return ""
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""
