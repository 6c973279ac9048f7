"""Quantities of several units on one scale, as spans: a month has 28 to 31 days, and business days may have days off between them."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

DAYS_OFF = 14
"""Days in a row on which nobody works, at the most that is reckoned with."""

_SECONDS: dict[str, tuple[float, float]] = {
    "seconds": (1, 1),
    "minutes": (60, 60),
    "hours": (3600, 3600),
    "days": (86400, 86400),
    "weeks": (7 * 86400, 7 * 86400),
    "months": (28 * 86400, 31 * 86400),
    "quarters": (89 * 86400, 92 * 86400),
    "years": (365 * 86400, 366 * 86400),
}
Dimension = Literal["time", "TLS", "bits", "requests", "attempts", "approvals", ""]
_COUNTS: dict[str, Dimension] = {
    "TLS": "TLS",
    "bits": "bits",
    "requests": "requests",
    "attempts": "attempts",
    "tries": "attempts",
    "approvals": "approvals",
    "approvers": "approvals",
    "reviewers": "approvals",
}


class Span(NamedTuple):
    """The least and the most that something can be, on the scale of its dimension (time in seconds)."""

    low: float
    high: float


def dimension(unit: str) -> Dimension:
    """What is measured in that unit; empty for what nothing here measures."""
    if unit.removeprefix("business ") in _SECONDS:
        return "time"
    return _COUNTS.get(unit, "")


def span(value: object, unit: str) -> Span | None:
    """The value of a parameter, or the number of a quantity, on its scale; None for what is no number.

    Business days are at least as many days, and at most as many with `DAYS_OFF` more.
    """
    if isinstance(value, str):
        found = re.search(r"\d+(?:\.\d+)?", value)
        number = float(found.group()) if found else None
    else:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if number is None:
        return None
    seconds = _SECONDS.get(unit.removeprefix("business "))
    if seconds is None:
        return Span(number, number)
    low, high = number * seconds[0], number * seconds[1]
    return Span(low, high + DAYS_OFF * 86400) if unit.startswith("business ") else Span(low, high)


def shown(value: object) -> str:
    """A parameter's value as a policy has it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(str(one) for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else "nothing" if value is None else str(value)
