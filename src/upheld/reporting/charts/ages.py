"""How old what is kept is: the ages of the oldest record of each tenant in each store, against the period."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from upheld.model import CheckResult
from upheld.reporting.charts.drawing import histogram
from upheld.reporting.charts.parts import Bar, Chart, Numbers, entry, items, looks, moment, words
from upheld.reporting.headline import several

_STEPS = (1, 2, 5, 10, 15, 30, 60, 90, 180, 365)
_MOST_BARS = 24
_MOST_DAYS = 36_500


def ages(checks: Sequence[CheckResult]) -> Chart | None:
    """The histogram of those ages in days, from what was recorded with the clock of the check."""
    found: list[float] = []
    strange = 0
    for check in checks:
        now = next((at for one in looks((check,), "clock", "now") if (at := moment(one.value))), None)
        if now is None:
            continue
        for look in looks((check,), "stores", "ages"):
            for group in items(look.value):
                at = moment(entry(group, "oldest"))
                if at is not None and 0 <= (days := _days(now, at)) <= _MOST_DAYS:
                    found.append(days)
                elif words(group, "tenant"):
                    strange += 1
    if not found:
        return None
    periods = sorted(
        {
            float(period)
            for one in looks(checks, "stores", "periods")
            for pair in map(items, items(entry(one.value, "days")))
            if len(pair) == 2 and isinstance(period := pair[1], int) and 0 < period <= _MOST_DAYS
        }
    )[:3]
    high = max(found)
    step = next((one for one in _STEPS if high / one <= _MOST_BARS), math.ceil(high / _MOST_BARS))
    counts = Counter(int(age // step) for age in found)
    bars = [Bar(number * step, (number + 1) * step, counts[number]) for number in range(max(counts) + 1)]
    title = "Ages of the oldest records"
    return Chart(
        name="ages",
        title=title,
        says=f"How old the oldest record of each tenant in each store was, in days: {several(len(found), 'group')} of records"
        + (f"; the period is {' or '.join(f'{one:g}' for one in periods)} days." if periods else "."),
        checks=tuple(checks),
        drawing=histogram(title, bars, "days", {one: f"period: {one:g}" for one in periods}),
        numbers=Numbers(
            ("age in days", "groups of records"),
            tuple((f"{bar.low:g} to {bar.high:g}", f"{bar.count:,}") for bar in bars if bar.count),
        ),
        left=f"{several(strange, 'group')} without a date that can be drawn." if strange else "",
    )


def _days(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds() / 86_400
