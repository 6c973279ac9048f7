"""South Africa's business days: Monday to Friday without the public holidays.

Public Holidays Act 36 of 1994: section 1 and schedule 1 name the days, section 2(1) makes the Monday after a holiday that
falls on a Sunday a holiday too. Days that the President declares for one occasion (section 2A) are known here as far as
they were declared when this was written: whoever reckons with more of them grants more time, never less.
"""

from __future__ import annotations

import datetime as dt

_FIXED = ((1, 1), (3, 21), (4, 27), (5, 1), (6, 16), (8, 9), (9, 24), (12, 16), (12, 25), (12, 26))
_DECLARED = (dt.date(2024, 5, 29), dt.date(2026, 11, 4))  # elections
_SUNDAY = 6


def easter(year: int) -> dt.date:
    """Easter Sunday of the Gregorian calendar (the "anonymous" algorithm, Meeus, Astronomical Algorithms, chapter 8)."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    corrected = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - corrected - of_century % 4) % 7
    late = (golden + 11 * corrected + 22 * weekday) // 451
    month, day = divmod(corrected + weekday - 7 * late + 114, 31)
    return dt.date(year, month, day + 1)


def holidays(year: int) -> frozenset[dt.date]:
    """The public holidays of ``year``, those that Sundays pass on to Mondays included."""
    fixed = {dt.date(year, month, day) for month, day in _FIXED}
    passed_on = {day + dt.timedelta(days=1) for day in fixed if day.weekday() == _SUNDAY}
    good_friday, family_day = easter(year) - dt.timedelta(days=2), easter(year) + dt.timedelta(days=1)
    declared = {day for day in _DECLARED if day.year == year}
    return frozenset(fixed | passed_on | declared | {good_friday, family_day})


def is_business_day(day: dt.date) -> bool:
    """Whether ``day`` is one of Monday to Friday and no public holiday."""
    return day.weekday() < 5 and day not in holidays(day.year)


def after(day: dt.date, count: int) -> dt.date:
    """The ``count``-th business day after ``day``, which itself is not counted, whatever it is.

    The first day out, the last one in: Interpretation Act 33 of 1957, section 4.
    """
    while count:
        day += dt.timedelta(days=1)
        count -= is_business_day(day)
    return day


def last_before(day: dt.date) -> dt.date:
    """The last business day before ``day``."""
    day -= dt.timedelta(days=1)
    while not is_business_day(day):
        day -= dt.timedelta(days=1)
    return day
