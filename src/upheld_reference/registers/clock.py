"""Dates and times of the registers, counted from the moment that the deployment started at."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

SOUTH_AFRICA = dt.timezone(dt.timedelta(hours=2))
"""South African Standard Time, which knows no summer time: a fixed offset needs no time zone database."""


@dataclass(frozen=True)
class Clock:
    """What the registers take for now."""

    now: dt.datetime
    """An aware moment."""

    @property
    def today(self) -> dt.date:
        """The date in South Africa, where the registers are kept."""
        return self.now.astimezone(SOUTH_AFRICA).date()

    def day(self, offset_days: int) -> str:
        """The date that many days after today (negative: before), as YYYY-MM-DD."""
        return (self.today + dt.timedelta(days=offset_days)).isoformat()

    def at(self, offset_days: int, time: str) -> str:
        """The moment with the local time ``time`` (HH:MM) of that day, as RFC 3339 with the offset +02:00."""
        return moment(self.today + dt.timedelta(days=offset_days), time)


def moment(day: dt.date, time: str) -> str:
    """``time`` (HH:MM) of ``day`` in South Africa, as RFC 3339."""
    return dt.datetime.combine(day, dt.time.fromisoformat(time), SOUTH_AFRICA).isoformat()
