"""The register of vulnerability reports, whose moments depend on the business calendar and so cannot be fixed offsets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from upheld_reference.registers import business_days, sources
from upheld_reference.registers.clock import SOUTH_AFRICA, Clock, moment

Moments = tuple[str, str | None]
"""When a report came in and when it was acknowledged, as RFC 3339; None for not yet."""

_FRIDAY, _SUNDAY = 4, 6


def reports(clock: Clock) -> dict[str, Any]:
    """The register: every report but the last was acknowledged by the end of the second business day after it."""
    entries = []
    for source in sources.load("vulnerability-reports", clock)["reports"]:
        received_at, acknowledged_at = _MOMENTS[source.pop("when")](clock)
        entries.append(
            {
                "id": source.pop("id"),
                "received_at": received_at,
                "acknowledged_at": acknowledged_at,
                "acknowledged_by": None if acknowledged_at is None else "priya@rivetsoftware.dev",
                **source,
            }
        )
    entries.sort(key=lambda entry: dt.datetime.fromisoformat(entry["received_at"]))
    return {"reports": entries}


def _before_holiday(clock: Clock) -> Moments:
    """In the evening before a public holiday on a working day; acknowledged on the second business day after, in its last hours."""
    day = clock.today - dt.timedelta(days=30)
    while business_days.is_business_day(day) or day.weekday() >= 5:
        day -= dt.timedelta(days=1)
    received = business_days.last_before(day)
    return moment(received, "17:40"), moment(business_days.after(received, 2), "21:55")


def _weekday(clock: Clock, at_least_days_ago: int, weekday: int) -> dt.date:
    day = clock.today - dt.timedelta(days=at_least_days_ago)
    return day - dt.timedelta(days=(day.weekday() - weekday) % 7)


def _friday_evening(clock: Clock) -> Moments:
    """On a Friday at 22:10; acknowledged on the second business day, four or more calendar days later."""
    received = _weekday(clock, 60, _FRIDAY)
    return moment(received, "22:10"), moment(business_days.after(received, 2), "16:20")


def _sunday(clock: Clock) -> Moments:
    """On a Sunday; acknowledged on the first business day."""
    received = _weekday(clock, 150, _SUNDAY)
    return moment(received, "11:05"), moment(business_days.after(received, 1), "09:30")


def _other_time_zone(clock: Clock) -> Moments:
    """By somebody in California, whose Tuesday evening was Wednesday in South Africa; acknowledged on that Friday."""
    here = _weekday(clock, 40, 2)
    there = dt.timezone(dt.timedelta(hours=-8))
    received = dt.datetime.combine(here, dt.time(5, 30), SOUTH_AFRICA).astimezone(there)
    return received.isoformat(), moment(business_days.after(here, 2), "10:15")


def _same_day(clock: Clock) -> Moments:
    """On a business day in the morning; acknowledged in the afternoon."""
    received = business_days.last_before(clock.today - dt.timedelta(days=12))
    return moment(received, "09:05"), moment(received, "15:45")


def _unanswered(clock: Clock) -> Moments:
    """Two hours ago, and nobody has answered yet, for which there is time."""
    received = (clock.now - dt.timedelta(hours=2)).astimezone(SOUTH_AFRICA)
    return received.isoformat(timespec="seconds"), None


_MOMENTS: dict[str, Callable[[Clock], Moments]] = {
    "before_holiday": _before_holiday,
    "friday_evening": _friday_evening,
    "sunday": _sunday,
    "other_time_zone": _other_time_zone,
    "same_day": _same_day,
    "unanswered": _unanswered,
}
