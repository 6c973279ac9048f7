"""The business calendar: which day is the last one of a period of business days in a country."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look

_WEEKDAYS = 5


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day of a period, and the public holidays on weekdays that lie in it."""

    last_day: date
    holidays: tuple[tuple[date, str], ...]


class Calendar(Probe):
    """Business days, Monday to Friday without a country's public holidays, by the library `holidays`."""

    name = "calendar"
    detached = True

    @look
    def deadline(self, after: date, business_days: int, country: str) -> Deadline:
        """The so-manieth business day after a day, which itself does not count whatever it is.

        `country` is an ISO 3166-1 code, `ZA`, or with a subdivision `DE-BY`. Raises Unobservable without the library or for a country
        that it does not know.
        """
        try:
            import holidays  # noqa: PLC0415  (slow, and an extra)
        except ImportError:
            raise Unobservable("business calendars are not at hand: install upheld[registers]") from None
        code, _, subdivision = country.partition("-")
        try:
            known = holidays.country_holidays(code, subdiv=subdivision or None)
        except NotImplementedError:
            raise Unobservable(f"the business calendar of {country!r} is not known") from None
        day, left, met = after, business_days, []
        while left:
            day += timedelta(days=1)
            if day.weekday() < _WEEKDAYS:
                name = known.get(day)
                if name is None:
                    left -= 1
                else:
                    met.append((day, str(name)))
        return Deadline(day, tuple(met))
