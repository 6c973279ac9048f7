"""Whether incidents were told of, reported, and learnt from, by the register of incidents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from upheld import RECORDED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.registers import Entry, Registers, zone_of

from ._shared import document_of, hours, state

Hours = Annotated[float, Field(gt=0, le=24 * 366)]
Judged = Iterator[Finding | NotObserved | LeftOut]

_PLACEHOLDERS = frozenset({"", "-", "n/a", "na", "none", "tbd", "tba", "todo", "unknown", "pending", "see above"})


@check(basis=RECORDED)
def customers_are_told_in_time(registers: Registers, clock: Clock, *, within_hours: Hours = 72) -> Judged:
    """Each incident that affected customers was told to them within the limit after it was detected.

    Decides: whether the first notice of each incident with `affects_customers` was sent within `within_hours` of `detected_at`, and its
    document is at hand.

    How: reads the register; one that is not told yet is judged by the auditor's clock, and refutes only once the limit is over.

    Refuted by: a notice that is late, is dated before the incident or in the future; none, and the limit is over; a notice whose
    document is missing or was changed.

    Cannot see: incidents that nobody recorded, and whether a notice arrived.

    References: POPIA s22(1) and s22(2) (as soon as reasonably possible), GDPR Art. 34(1), ISO/IEC 27001:2022 A.5.26.
    """

    def judge(incident: Entry, now: datetime) -> Judged:
        if not incident.flag("affects_customers"):
            yield LeftOut(incident, "it affected no customer")
            return
        notices = incident.parts("notices", "notice")
        sent = [(one.moment("sent_at"), one) for one in notices]
        dated = sorted(((at, one) for at, one in sent if at is not None), key=lambda pair: pair[0])
        first = dated[0][0] if dated else None
        yield _in_time(incident, "told to customers", first, timedelta(hours=within_hours), now)
        for notice in notices:
            if notice.text("document") or notice.text("sha256"):
                yield document_of(registers, notice, "the notice")

    yield from _each(registers, clock, judge)


@check(basis=RECORDED)
def notices_say_what_they_must(
    registers: Registers,
    clock: Clock,
    *,
    parts: tuple[str, ...] = ("nature", "data_affected", "steps_taken"),
    minimum_characters: int = 15,
) -> Judged:
    """Each notice of an incident has every part that it must have, in words.

    Decides: whether each notice in the register has each of `parts`, with at least `minimum_characters` and no mere placeholder.
    How: reads the register of incidents.
    Refuted by: a part that is missing, empty, shorter, or a placeholder such as "tbd".
    Cannot see: whether what a part says is true or enough.
    References: POPIA s22(5), GDPR Art. 34(2) with Art. 33(3).
    """

    def judge(incident: Entry, _now: datetime) -> Judged:
        notices = incident.parts("notices", "notice")
        if not notices:
            yield LeftOut(incident, "it has no notice; whether it needs one is judged elsewhere")
        for notice in notices:
            said = {part: notice.text(part) for part in parts}
            poor = [
                part.replace("_", " ")
                for part, text in said.items()
                if len(text) < minimum_characters or text.casefold().rstrip(".") in _PLACEHOLDERS
            ]
            observed = f"says nothing of: {', '.join(poor)}" if poor else f"all {len(parts)} parts"
            yield Finding(notice, not poor, f"says {', '.join(parts).replace('_', ' ')}", observed)

    yield from _each(registers, clock, judge)


@check(basis=RECORDED)
def reportable_incidents_are_reported(registers: Registers, clock: Clock, *, within_hours: Hours = 72) -> Judged:
    """Each reportable incident was reported to the regulator within the limit and has the regulator's reference.

    Decides: whether each incident that is `reportable` has a `regulator_report` with a `reference` and a `reported_at` within `within_hours` of
    `detected_at`, whose document is at hand; and whether one that is not says why (`reportable_because`).

    How: reads the register; an incident that is not reported yet refutes once the limit is over by the auditor's clock.

    Refuted by: no report after the limit, no reference, a report that is late or dated in the future, a document that is missing or changed.

    Cannot see: whether an incident was rightly held not to be reportable; that nobody gave a reason is shown as not observed.

    References: POPIA s22(1), GDPR Art. 33(1), ISO/IEC 27001:2022 A.5.5.
    """

    def judge(incident: Entry, now: datetime) -> Judged:
        if not incident.flag("reportable"):
            if incident.text("reportable_because"):
                yield LeftOut(incident, f"not reportable: {incident.text('reportable_because')}")
            else:
                yield NotObserved(incident, "it is held not to be reportable, and nobody says why")
            return
        report = incident.part("regulator_report")
        at = report.moment("reported_at") if report else None
        timely = _in_time(incident, "reported to the regulator", at, timedelta(hours=within_hours), now)
        if isinstance(timely, Finding) and report is not None and at is not None and not report.text("reference"):
            timely = Finding(incident, False, timely.expected, "the report has no reference of the regulator")
        yield timely
        if report is not None and (report.text("document") or report.text("sha256")):
            yield document_of(registers, report, "the report")

    yield from _each(registers, clock, judge)


@check(basis=RECORDED)
def closed_incidents_are_reviewed(
    registers: Registers, clock: Clock, *, within_days: Annotated[int, Field(gt=0, le=366)] = 30, time_zone: str = "UTC"
) -> Judged:
    """Each closed incident was reviewed within the limit, with actions that have an owner and are done or not overdue.

    Decides: whether each incident with `closed_at` has a `review` held within `within_days` of that, with at least one action; whether
    each action has an owner and a day, and is closed or not overdue today in `time_zone`; and whether the review's document is at hand.

    How: reads the register; a review that is still to come refutes once the limit is over by the auditor's clock.

    Refuted by: no review after the limit, one that was late or is dated in the future, a review without actions, an action
    without owner or day, an overdue one, a document that is missing or changed.

    Cannot see: whether the actions prevent anything.

    References: ISO/IEC 27001:2022 A.5.27, SOC 2 CC7.5.
    """
    zone = zone_of(time_zone)

    def judge(incident: Entry, now: datetime) -> Judged:
        today = now.astimezone(zone).date()
        closed = incident.day("closed_at", zone)
        if closed is None:
            yield LeftOut(incident, "it is not closed")
            return
        expected = f"reviewed within {within_days} days after {closed}"
        review = incident.part("review")
        held = review.day("held_on", zone) if review else None
        if review is None or held is None or held > today:
            if (today - closed).days <= within_days and held is None:
                yield LeftOut(incident, f"its review is due within {within_days} days after {closed}")
            else:
                yield Finding(incident, False, expected, f"no review by {today}")
            return
        yield Finding(incident, (held - closed).days <= within_days, expected, f"reviewed on {held}")
        if review.text("document") or review.text("sha256"):
            yield document_of(registers, review, "the review")
        actions = review.parts("actions", "action")
        if not actions:
            yield Finding(review, False, "the review has actions", "no action")
        for action in actions:
            due, done = action.day("due_on", zone), action.day("closed_on", zone)
            flaw = ""
            if not action.text("owner"):
                flaw = "it has no owner"
            elif done is not None and done > today:
                flaw = f"it is said to be closed on {done}, which is still to come"
            elif done is None and due is None:
                flaw = "it is open and has no day on which it is due"
            elif done is None and due is not None and due < today:
                flaw = f"it is open and was due on {due}"
            observed = flaw or (f"closed on {done}" if done else f"open, due on {due}")
            yield Finding(action, not flaw, "it has an owner and is closed or not overdue", observed)

    yield from _each(registers, clock, judge)


def _each(registers: Registers, clock: Clock, judge: Callable[[Entry, datetime], Judged]) -> Judged:
    """Judge every incident; what cannot be read of one leaves the others."""
    now = clock.now()
    book = registers.read("incidents")
    yield from state(book, now)
    for incident in book.entries:
        try:
            yield from judge(incident, now)
        except Unobservable as unobservable:
            yield NotObserved(incident, unobservable.reason)


def _in_time(
    incident: Entry, what: str, at: datetime | None, limit: timedelta, now: datetime
) -> Finding | NotObserved | LeftOut:
    detected = incident.moment("detected_at")
    if detected is None:
        return NotObserved(incident, "the register does not say when it was detected")
    expected = f"{what} within {hours(limit)} after it was detected"
    if at is None:
        if now - detected <= limit:
            return LeftOut(incident, f"it must be {what} only by {(detected + limit).isoformat()}")
        return Finding(incident, False, expected, f"not {what}, {hours(now - detected)} after it was detected")
    if at > now:
        return Finding(incident, False, expected, f"the date {at.isoformat()} is still to come")
    if at < detected:
        return Finding(incident, False, expected, f"the date {at.isoformat()} is before it was detected")
    return Finding(incident, at - detected <= limit, expected, f"{hours(at - detected)} after it was detected")
