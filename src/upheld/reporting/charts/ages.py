"""How old what is kept is, against the period: every record by its age, or the oldest of each tenant where no more is known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from upheld.model import CheckResult, Plain
from upheld.reporting.charts.drawing import histogram
from upheld.reporting.charts.parts import MOST_COLUMNS, Bar, Chart, Numbers, entry, items, looks, moment, words
from upheld.reporting.headline import several

_STEPS = (1, 2, 5, 10, 15, 30, 60, 90, 180, 365)
_MOST_BARS = 24
_MOST_DAYS = 36_500
_MOST_COUNTS = 36


def ages(checks: Sequence[CheckResult]) -> Chart | None:
    """The histogram of the ages of records in days; where a run did not count them, of the oldest record of each tenant."""
    return _records(checks) or _oldest(checks)


def _records(checks: Sequence[CheckResult]) -> Chart | None:
    """Every record that was counted by its age, over all stores."""
    spreads: list[tuple[str, int, list[int]]] = []
    undated = uncounted = 0
    for store, group in _groups(checks):
        spread = _spread(group)
        if spread is not None:
            spreads.append((store, *spread))
        elif isinstance(entry(group, "records"), int) and entry(group, "oldest") is not None:
            uncounted += 1
        without = entry(group, "undated")
        undated += without if isinstance(without, int) and without > 0 else 0
    if not spreads:
        return None
    step = max(one for _, one, _ in spreads)
    counts: Counter[tuple[str, int]] = Counter()
    for store, own, row in spreads:
        for place, count in enumerate(row):
            counts[store, place * own // step] += count
    counts = +counts
    if not counts:
        return None
    stores = tuple(sorted({store for store, _ in counts}))
    places = range(max(place for _, place in counts) + 1)
    bars = [Bar(at * step, (at + 1) * step, sum(counts[store, at] for store in stores)) for at in places]
    periods = _periods(checks)
    title = "Ages of records"
    shown = stores if 1 < len(stores) < MOST_COLUMNS else ()
    total = sum(bar.count for bar in bars)
    return Chart(
        name="ages",
        title=title,
        says=f"How old the records in {several(len(stores), 'store')} were, in days: {several(total, 'record')}"
        + _against(periods),
        checks=tuple(checks),
        drawing=histogram(title, bars, "days", {one: f"period: {one:g}" for one in periods}),
        numbers=Numbers(
            ("age in days", "records", *shown),
            tuple(
                (_called(bar, step), f"{bar.count:,}", *(f"{counts[store, at]:,}" for store in shown))
                for at, bar in enumerate(bars)
                if bar.count
            ),
        ),
        left=" ".join(
            [
                *([f"Of {several(uncounted, 'group')} of records only the oldest is known."] if uncounted else []),
                *([f"{several(undated, 'record')} without a date."] if undated else []),
            ]
        ),
    )


def _oldest(checks: Sequence[CheckResult]) -> Chart | None:
    """The oldest record of each tenant in each store, against the clock of the check."""
    found: list[float] = []
    strange = 0
    for check in checks:
        now = next((at for one in looks((check,), "clock", "now") if (at := moment(one.value))), None)
        if now is None:
            continue
        for _, group in _groups((check,)):
            at = moment(entry(group, "oldest"))
            if at is not None and 0 <= (days := _days(now, at)) <= _MOST_DAYS:
                found.append(days)
            elif words(group, "tenant"):
                strange += 1
    if not found:
        return None
    periods = _periods(checks)
    high = max(found)
    step = next((one for one in _STEPS if high / one <= _MOST_BARS), math.ceil(high / _MOST_BARS))
    counts = Counter(int(age // step) for age in found)
    bars = [Bar(number * step, (number + 1) * step, counts[number]) for number in range(max(counts) + 1)]
    title = "Ages of the oldest records"
    return Chart(
        name="ages",
        title=title,
        says=f"How old the oldest record of each tenant in each store was, in days: {several(len(found), 'group')} of records"
        + _against(periods),
        checks=tuple(checks),
        drawing=histogram(title, bars, "days", {one: f"period: {one:g}" for one in periods}),
        numbers=Numbers(
            ("age in days", "groups of records"),
            tuple((f"{bar.low:g} to {bar.high:g}", f"{bar.count:,}") for bar in bars if bar.count),
        ),
        left=f"{several(strange, 'group')} without a date that can be drawn." if strange else "",
    )


def _groups(checks: Sequence[CheckResult]) -> Iterator[tuple[str, Plain]]:
    """What was recorded of each tenant's records, with the store; of a store that several checks looked at, the first look."""
    seen: set[str] = set()
    for look in looks(checks, "stores", "ages"):
        store = words(look.arguments, "store")
        if store in seen:
            continue
        seen.add(store)
        yield from ((store, group) for group in items(look.value))


def _spread(group: Plain) -> tuple[int, list[int]] | None:
    """The step in days and the counts of one tenant's records; None where there are none that can be drawn."""
    spread = entry(group, "spread")
    step, counts = entry(spread, "step_days"), [one for one in items(entry(spread, "counts")) if isinstance(one, int)]
    if (
        not isinstance(step, int)
        or not 0 < step <= _MOST_DAYS
        or not 0 < len(counts) <= _MOST_COUNTS
        or min(counts) < 0
    ):
        return None
    return step, counts


def _periods(checks: Sequence[CheckResult]) -> list[float]:
    """The periods that tenants have, three at the most."""
    return sorted(
        {
            float(period)
            for one in looks(checks, "stores", "periods")
            for pair in map(items, items(entry(one.value, "days")))
            if len(pair) == 2 and isinstance(period := pair[1], int) and 0 < period <= _MOST_DAYS
        }
    )[:3]


def _against(periods: Sequence[float]) -> str:
    return f"; the period is {' or '.join(f'{one:g}' for one in periods)} days." if periods else "."


def _called(bar: Bar, step: int) -> str:
    last = round(bar.low / step) == _MOST_COUNTS - 1
    return f"{bar.low:g} or more" if last else f"{bar.low:g} to {bar.high:g}"


def _days(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds() / 86_400
