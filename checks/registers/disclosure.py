"""Whether those who reported a vulnerability were answered in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from typing import Annotated

from pydantic import Field

from upheld import RECORDED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.calendar import Calendar
from upheld.probes.clock import Clock
from upheld.probes.registers import Entry, Registers, zone_of

from ._shared import state


@check(basis=RECORDED)
def reports_are_acknowledged_in_time(
    registers: Registers,
    business: Calendar,
    clock: Clock,
    *,
    business_days: Annotated[int, Field(ge=1, le=60)] = 2,
    calendar: str,
    time_zone: str,
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Each report of a vulnerability was acknowledged within the promised business days.

    Decides: whether each entry of the register was acknowledged by the end of the `business_days`-th business day after the day on which it
    came in, by the public holidays of `calendar` (an ISO 3166-1 code, with a subdivision as in `DE-BY`) and the days of `time_zone`.

    How: the day of arrival does not count, the last day counts to its end. A report that is not acknowledged yet is judged by
    the auditor's clock and refutes only once its last day is over.

    Refuted by: an acknowledgement after that day, one dated before the report or in the future; none, and the day is over.

    Cannot see: reports that nobody recorded, and holidays that were declared after the library's release (more holidays mean more time).

    References: ISO/IEC 29147:2018 §7.3; for the way of counting, Interpretation Act 33 of 1957 s4 and Regulation (EEC) No 1182/71 Art. 3.
    """
    zone = zone_of(time_zone)
    now = clock.now()
    book = registers.read("vulnerability_reports")
    yield from state(book, now)
    for report in book.entries:
        try:
            yield _judged(report, business, now, zone, business_days, calendar)
        except Unobservable as unobservable:
            yield NotObserved(report, unobservable.reason)


def _judged(
    report: Entry, business: Calendar, now: datetime, zone: tzinfo, business_days: int, calendar: str
) -> Finding | NotObserved | LeftOut:
    received, acknowledged = report.day("received_at", zone), report.day("acknowledged_at", zone)
    if received is None:
        return NotObserved(report, "the register does not say when it came in")
    today = now.astimezone(zone).date()
    if received > today:
        return NotObserved(report, f"it is said to come in on {received}, which is still to come")
    deadline = business.deadline(received, business_days, calendar)
    between = "".join(f", with {name} on {day}" for day, name in deadline.holidays)
    expected = f"acknowledged by {deadline.last_day}, {business_days} business days after {received}{between}"
    if acknowledged is None:
        if today <= deadline.last_day:
            return LeftOut(report, f"it must be acknowledged only by {deadline.last_day}")
        return Finding(report, False, expected, f"not acknowledged by {today}")
    if flaw := _impossible(received, acknowledged, today):
        return Finding(report, False, expected, flaw)
    return Finding(report, acknowledged <= deadline.last_day, expected, f"acknowledged on {acknowledged}")


def _impossible(received: date, acknowledged: date, today: date) -> str:
    if acknowledged < received:
        return f"acknowledged on {acknowledged}, before it came in"
    return f"acknowledged on {acknowledged}, which is still to come" if acknowledged > today else ""
