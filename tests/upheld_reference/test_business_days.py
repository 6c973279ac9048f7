"""South Africa's business days, with the library `holidays` as the witness."""

from __future__ import annotations

import datetime as dt

import holidays as witness
import pytest

from upheld_reference.registers import business_days

YEARS = range(1995, 2100)
_DECLARED = """
    1999-06-02 1999-12-31 2000-01-02 2000-01-03 2004-04-14 2006-03-01 2008-05-02 2009-04-22 2011-05-18 2011-12-27 2014-05-07
    2016-08-03 2016-12-27 2019-05-08 2021-11-01 2022-12-27 2023-12-15
"""
DECLARED_BEFORE = {dt.date.fromisoformat(day) for day in _DECLARED.split()}
"""Days declared for one occasion, which the platform needs no more: they are past."""


def known_to_the_witness(year: int) -> set[dt.date]:
    return set(witness.country_holidays("ZA", years=year))


def test_the_holidays_are_those_of_the_witness() -> None:
    for year in YEARS:
        ours, theirs = business_days.holidays(year), known_to_the_witness(year)
        assert ours <= theirs, year
        assert {day for day in theirs - ours if day.year < 2024} <= DECLARED_BEFORE, year
        if 2024 <= year <= 2026:  # later ones may be declared any day, and the witness then knows them first
            assert ours == theirs


@pytest.mark.parametrize(
    ("year", "sunday"),
    [(1995, "04-16"), (2000, "04-23"), (2008, "03-23"), (2011, "04-24"), (2024, "03-31"), (2038, "04-25")],
)
def test_easter(year: int, sunday: str) -> None:
    assert business_days.easter(year) == dt.date.fromisoformat(f"{year}-{sunday}")


def test_a_holiday_on_a_sunday_passes_on_to_the_monday() -> None:
    assert dt.date(2027, 3, 21).weekday() == 6
    assert not business_days.is_business_day(dt.date(2027, 3, 22))
    assert business_days.is_business_day(dt.date(2026, 12, 28))  # Saturday the 26th passes nothing on


def test_counting_agrees_with_the_witness_over_year_ends_and_easter() -> None:
    for year in (2024, 2025, 2026):
        calendar = witness.country_holidays("ZA", years=[year, year + 1])
        for offset in range(365):
            start = dt.date(year, 1, 1) + dt.timedelta(days=offset)
            for count in (1, 2, 3):
                day, left = start, count
                while left:
                    day += dt.timedelta(days=1)
                    left -= day.weekday() < 5 and day not in calendar
                if day.year <= 2026:
                    assert business_days.after(start, count) == day, start


@pytest.mark.parametrize(
    ("start", "second"),
    [
        ("2026-11-20", "2026-11-24"),  # a Friday
        ("2026-11-21", "2026-11-24"),  # the Saturday after it
        ("2026-12-23", "2026-12-28"),  # before Christmas: Thursday, then Friday and Saturday are holidays
        ("2026-12-31", "2027-01-05"),  # New Year on a Friday
        ("2026-04-02", "2026-04-08"),  # before Easter: Good Friday, Family Day on Monday
    ],
)
def test_the_second_business_day(start: str, second: str) -> None:
    assert business_days.after(dt.date.fromisoformat(start), 2) == dt.date.fromisoformat(second)


def test_the_last_business_day_before() -> None:
    assert business_days.last_before(dt.date(2026, 4, 7)) == dt.date(2026, 4, 2)
