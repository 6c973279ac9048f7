"""Periods and moments as people type them and records spell them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from upheld.errors import InputError, Mistake

_PERIOD = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def period(said: str, option: str) -> timedelta:
    """`90d`, `6h`, `30m`, `45s` or `2w` as a time span longer than nothing; raises InputError, naming the option, for all else."""
    found = _PERIOD.fullmatch(said.strip())
    if found is None or int(found[1]) == 0:
        raise InputError([Mistake(option, 0, 0, "is no period", repr(said), "a number and a unit: 30m, 6h, 90d, 2w")])
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment(stamp: str) -> datetime:
    """The moment that a record's RFC 3339 stamp names, in UTC; raises ValueError for what is none."""
    found = datetime.fromisoformat(stamp)
    if found.tzinfo is None:
        raise ValueError(f"{stamp} has no zone")
    return found.astimezone(UTC)


def day(stamp: str) -> date:
    """The day (UTC) of a record's stamp, which is in UTC."""
    return date.fromisoformat(stamp[:10])


def spoken(stamp: str) -> str:
    """A record's stamp to the minute, as tables show it; a dash where there is none."""
    return f"{stamp[:10]} {stamp[11:16]}" if stamp else "—"
