"""Whether internal access is reviewed, every account was reviewed, and what ended is off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, tzinfo
from typing import Annotated

from pydantic import Field

from upheld import RECORDED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.registers import Entry, Register, Registers, SystemAccount, zone_of

from ._shared import document_of, state

Days = Annotated[int, Field(ge=0, le=366)]

_NO_SYSTEM = (
    "the target declares no system whose accounts can be looked at (registers.accounts, registers.database_roles)"
)


@check(basis=RECORDED)
def access_reviews_are_held(
    registers: Registers,
    clock: Clock,
    *,
    interval_days: Annotated[int, Field(ge=1, le=732)] = 92,
    time_zone: str = "UTC",
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Access reviews are held at least once in each interval, the last one no longer ago than that, and nobody reviews themselves.

    Decides: whether no two reviews in the register are further apart than `interval_days`, whether the last one is not older than that
    today in `time_zone`, whether each has its document, and whether no account was decided about by who holds it.

    How: reads the register of access reviews.

    Refuted by: a gap that is too long; a last review that is too long ago; a review dated in the future; an account whose `decided_by` is its
    `holder`; a document that is missing or changed.

    Cannot see: with how much care a review was held.

    References: ISO/IEC 27001:2022 A.5.18, SOC 2 CC6.2 and CC6.3.
    """
    zone = zone_of(time_zone)
    now = clock.now()
    today = now.astimezone(zone).date()
    book = registers.read("access_reviews")
    yield from state(book, now)
    reviews = _by_day(book, zone)
    expected = f"the next review within {interval_days} days"
    followers = [*((day, str(review)) for day, review in reviews[1:]), (today, "today")]
    for (day, review), (next_day, following) in zip(reviews, followers, strict=True):
        gap = (next_day - day).days
        flaw = f"{day} is still to come" if day > today else ""
        observed = flaw or f"{gap} days until {following}"
        yield Finding(review, not flaw and gap <= interval_days, expected, observed, seen=(book,))
        try:
            own = [one for one in review.parts("accounts", "account") if _own(one)]
        except Unobservable as unobservable:
            yield NotObserved(f"decisions of {review}", unobservable.reason)
            continue
        shown = ", ".join(f"{one.text('system')} {one.text('account')}" for one in own[:3])
        observed = f"decided by their own holder: {shown}" if own else "none"
        yield Finding(
            f"decisions of {review}", not own, "nobody decides about their own account", observed, seen=(book,)
        )
        if review.text("document") or review.text("sha256"):
            yield document_of(registers, review, "the review")


@check(basis=RECORDED)
def last_review_covers_every_account(
    registers: Registers, clock: Clock, *, time_zone: str = "UTC"
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every account that is on, in the systems themselves and in the register of staff, was in the last access review.

    Decides: whether the last review forgot an account.

    How: the accounts that the declared systems show now (tables and roles of the database) and those in the register of staff are compared with
    the accounts of the last review. One that came after it waits for the next; one that is off is left out.

    Refuted by: an account that is on, was there at the last review, and is not in it; one that the review said to remove and that is on.

    Cannot see: systems that the target does not declare and the register of staff does not name.

    References: ISO/IEC 27001:2022 A.5.18, SOC 2 CC6.2 and CC6.3.
    """
    zone = zone_of(time_zone)
    book = registers.read("access_reviews")
    yield from state(book, clock.now())
    held, last = _by_day(book, zone)[-1]
    reviewed = {
        (one.text("system"), one.text("account").casefold()): one.text("decision").casefold()
        for one in last.parts("accounts", "account")
    }
    expected = f"it was in the review of {held} and is to be kept"
    seen: set[tuple[str, str]] = set()
    systems = registers.systems()
    if not systems:
        yield NotObserved("systems", _NO_SYSTEM, expected)
    for system in systems:
        try:
            accounts = registers.accounts(system)
        except Unobservable as unobservable:
            yield NotObserved(system, unobservable.reason, expected)
            continue
        for account in accounts:
            seen.add((system, account.account.casefold()))
            yield _covered(
                system, account, account.since.astimezone(zone).date() if account.since else None, reviewed, held
            )
    staff = registers.read("staff")
    yield from state(staff, clock.now())
    for person in staff.entries:
        try:
            for one in person.parts("accounts", "account"):
                system, name = one.text("system"), one.text("account")
                if (system, name.casefold()) not in seen:
                    account = SystemAccount(name, None, off=one.day("off_on", zone) is not None)
                    yield _covered(system, account, one.day("since", zone), reviewed, held)
        except Unobservable as unobservable:
            yield NotObserved(person, unobservable.reason)


@check(basis=RECORDED)
def ended_access_is_off(
    registers: Registers,
    clock: Clock,
    *,
    off_within_days: Days = 1,
    role_change_within_days: Days = 1,
    time_zone: str = "UTC",
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Who left has no account any more, and what somebody may no longer do was taken away, each within the limit.

    Decides: whether each account of a person with `left_on` in the register of staff was off within `off_within_days`, there and in the
    declared systems; and whether each entry of `role_changes` was carried out within `role_change_within_days`.

    How: reads the register of staff and compares it with the accounts that the declared systems show now. Days are those of `time_zone`; what is
    not done yet refutes once its limit is over.

    Refuted by: an account of a leaver that is on, or was for too long; a change of role that was carried out late or not at all.

    Cannot see: people who are not in the register of staff, and sessions that outlive an account (`staff` looks at those).

    References: ISO/IEC 27001:2022 A.5.18 and A.6.5, SOC 2 CC6.3.
    """
    zone = zone_of(time_zone)
    now = clock.now()
    today = now.astimezone(zone).date()
    staff = registers.read("staff")
    yield from state(staff, now)
    still_on, unseen = _still_on(registers)
    for system, reason in unseen.items():
        yield NotObserved(system, reason)
    for person in staff.entries:
        try:
            left = person.day("left_on", zone)
            if left is None or left > today:
                continue
            for account in person.parts("accounts", "account"):
                key = account.text("system"), account.text("account").casefold()
                yield _off(person, account, left, account.day("off_on", zone), today, off_within_days, key in still_on)
        except Unobservable as unobservable:
            yield NotObserved(person, unobservable.reason)
    for change in registers.role_changes():
        expected = f"carried out within {role_change_within_days} days"
        try:
            decided, done = change.day("decided_on", zone), change.day("carried_out_on", zone)
        except Unobservable as unobservable:
            yield NotObserved(change, unobservable.reason, expected)
            continue
        if decided is None:
            yield NotObserved(change, "the register does not say when it was decided", expected)
        elif done is None and (today - decided).days <= role_change_within_days:
            yield LeftOut(change, "its limit is not over")
        else:
            days = ((done or today) - decided).days
            observed = f"carried out {days} days after it was decided" if done else f"not carried out after {days} days"
            yield Finding(
                change, done is not None and done <= today and days <= role_change_within_days, expected, observed
            )


def _by_day(book: Register, zone: tzinfo) -> list[tuple[date, Entry]]:
    """The reviews with their days, the oldest first; raises Unobservable for one without a day."""
    dated: list[tuple[date, Entry]] = []
    for review in book.entries:
        day = review.day("held_on", zone)
        if day is None:
            raise Unobservable(f"{review}: the register does not say when it was held")
        dated.append((day, review))
    return sorted(dated, key=lambda pair: pair[0])


def _own(decision: Entry) -> bool:
    holder = decision.text("holder").casefold()
    return bool(holder) and holder == decision.text("decided_by").casefold()


def _covered(
    system: str, account: SystemAccount, since: date | None, reviewed: dict[tuple[str, str], str], held: date
) -> Finding | LeftOut:
    subject, expected = f"{system}: {account.account}", f"it was in the review of {held} and is to be kept"
    decision = reviewed.get((system, account.account.casefold()))
    if account.off:
        return LeftOut(subject, "it is off")
    if decision is None and since is not None and since > held:
        return LeftOut(subject, f"it is there since {since}, after the review of {held}, and waits for the next")
    if decision is None:
        return Finding(subject, False, expected, "it is on, and the review does not have it")
    kept = decision in {"", "keep", "kept", "approve", "approved", "change", "changed"}
    return Finding(
        subject, kept, expected, f"reviewed: {decision or 'listed'}" + ("" if kept else ", and it is still on")
    )


def _still_on(registers: Registers) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """The accounts that are on in the declared systems, and why a system could not be looked at."""
    on: set[tuple[str, str]] = set()
    systems = registers.systems()
    unseen = {} if systems else {"systems": _NO_SYSTEM}
    for system in systems:
        try:
            on |= {(system, one.account.casefold()) for one in registers.accounts(system) if not one.off}
        except Unobservable as unobservable:
            unseen[system] = unobservable.reason
    return on, unseen


def _off(
    person: Entry, account: Entry, left: date, off: date | None, today: date, within: int, still_on: bool
) -> Finding | LeftOut:
    subject = f"{account.text('system')}: {account.text('account')}"
    expected = f"off within {within} days after {left}, when {person} left"
    late = (today - left).days > within
    if still_on and (late or off is not None):
        said = f", although the register says that it is off since {off}" if off else ""
        return Finding(
            subject, False, expected, f"it is still on in the system, {(today - left).days} days after{said}"
        )
    if off is None and not late:
        return LeftOut(subject, "its limit is not over")
    if off is None:
        return Finding(subject, False, expected, f"the register says that it is on, {(today - left).days} days after")
    return Finding(subject, off <= today and (off - left).days <= within, expected, f"off on {off}")
