"""Retention: nothing is kept for longer than its period, and nothing is removed before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from upheld import INSPECTED, OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.canaries import Canaries
from upheld.probes.clock import Clock
from upheld.probes.stores import Periods, PlantedRecord, Presence, Stores, TenantAge

POLL_SECONDS = (0.2, 1.0)
"""Seconds between two looks at whether the job has removed what it should: at first, and at the most."""


@check(basis=INSPECTED)
def nothing_is_older_than_its_period(
    stores: Stores, clock: Clock, *, days: int = 90, grace_hours: int = 24
) -> Iterator[Finding | NotObserved | LeftOut]:
    """No record in any declared store is older than its tenant's period and the grace.

    Decides: whether what is kept only for a period is gone after it, in tables and in files, tenant by tenant. A tenant
    whose own period is empty is at the default, which is `days`.

    How: reads the oldest record of each tenant in each store and compares it with the auditor's clock. Records that are
    marked as deleted count, for they are still there. The default that the catalogue gives to new tenants is compared with `days`.

    Refuted by: a record from before the period and the grace, a record without a date (it never expires), and a default for new tenants
    that is not `days`.

    Cannot see: stores that the target does not declare, and copies that are dated anew.

    References: GDPR Art. 5(1)(e), POPIA s14, ISO/IEC 27001:2022 A.8.10.
    """
    now = clock.now()
    periods = stores.periods()
    names = {tenant.id: tenant.name for tenant in stores.tenants()}
    if periods.source:
        yield _default(periods, days)
    for store in stores.stores():
        try:
            ages = stores.ages(store.name)
        except Unobservable as unobservable:
            yield NotObserved(store, unobservable.reason)
            continue
        if not ages:
            yield NotObserved(
                store, "it holds nothing, so nothing shows that old records are removed from it", seen=(ages,)
            )
        for age in ages:
            subject = f"{store.name} of {names.get(age.tenant, age.tenant) or 'no tenant'}"
            yield _age(
                stores, store.name, subject, age, periods.of(age.tenant, days), timedelta(hours=grace_hours), now
            )


@check(basis=OBSERVED, intrusive=True)
def aged_records_are_removed(
    stores: Stores,
    canaries: Canaries,
    clock: Clock,
    *,
    days: int = 90,
    margin_hours: int = 1,
    within_seconds: float | None = None,
) -> Iterator[Finding | NotObserved | LeftOut]:
    """A record that is just over its period is removed with its content, and one just under it stays.

    Decides: whether the job that removes aged records works in every store, for every tenant, and at the right age.

    How: plants two records for each tenant in each store, one older than the tenant's period by `margin_hours` and one
    younger by as much, each with a canary of its own in its content; waits for the job; then looks whether the older one is gone and its
    canary with it, and whether the younger one is still there. What was planted is removed at the end.

    Refuted by: an aged record that is still there after `within_seconds` (by default what the target says that the job may take), one of
    which the content is left, and a young record that is gone.

    Cannot see: removal from backups, and content that was moved to a store that the target does not declare.

    References: GDPR Art. 5(1)(e), POPIA s14, NIST SP 800-88 Rev. 1.
    """
    within = stores.within_seconds() if within_seconds is None else within_seconds
    periods = stores.periods()
    now = clock.now()
    pairs: list[_Pair] = []
    try:
        for store in stores.stores():
            if not store.plantable:
                yield LeftOut(store, "the target does not say how to plant a record in it")
                continue
            for tenant in stores.tenants():
                period = timedelta(days=periods.of(tenant.id, days))
                margin = timedelta(hours=margin_hours)
                subject = f"{store.name} of {tenant.name}"
                try:
                    aged = stores.plant(
                        store.name, tenant.id, now - period - margin, canaries.fresh(f"aged {subject}").placeholder
                    )
                    young = stores.plant(
                        store.name, tenant.id, now - period + margin, canaries.fresh(f"young {subject}").placeholder
                    )
                except Unobservable as unobservable:
                    yield NotObserved(subject, unobservable.reason)
                    continue
                pairs.append(_Pair(subject, period.days, aged, young))
        yield from _outcomes(stores, clock, pairs, within, margin_hours)
    finally:
        stores.remove_planted()


@dataclass(frozen=True, slots=True)
class _Pair:
    subject: str
    days: int
    aged: PlantedRecord
    young: PlantedRecord


def _default(periods: Periods, days: int) -> Finding | LeftOut:
    subject = f"default of {periods.source}"
    if periods.default_days is None:
        return LeftOut(subject, "the catalogue gives no whole number of days as its default")
    expected = f"new tenants start with {days} days"
    return Finding(subject, periods.default_days == days, expected, f"{periods.default_days} days", seen=(periods,))


def _age(
    stores: Stores, store: str, subject: str, age: TenantAge, days: int, grace: timedelta, now: datetime
) -> Finding | NotObserved:
    expected = f"nothing older than {days} days and {grace.total_seconds() / 3600:.0f} hours"
    limit = now - timedelta(days=days) - grace
    if age.oldest is not None and age.oldest < limit:
        try:
            older = stores.older_than(store, age.tenant, limit)
        except Unobservable as unobservable:
            older, reason = 0, unobservable.reason
        else:
            reason = ""
        how_many = f"{older} of {age.records} records are" if not reason else "at least one record is"
        observed = f"{how_many} kept for too long, the oldest for {(now - age.oldest).days} days"
        return Finding(subject, False, expected, observed)
    if age.undated:
        return Finding(
            subject, False, expected, f"{age.undated} of {age.records} records have no date and so never expire"
        )
    if age.oldest is None:
        return NotObserved(subject, "none of its records is dated", expected)
    return Finding(subject, True, expected, f"{age.records} records, the oldest {(now - age.oldest).days} days old")


def _outcomes(
    stores: Stores, clock: Clock, pairs: list[_Pair], within: float, margin_hours: int
) -> Iterator[Finding | NotObserved]:
    """Wait until every aged record is gone or the time is over, and judge each pair."""
    waiting = list(pairs)
    end = clock.now() + timedelta(seconds=within)
    pause, longest = POLL_SECONDS
    while True:
        waiting = [pair for pair in waiting if not _gone(stores, pair.aged)]
        if not waiting or clock.now() >= end:
            break
        clock.wait(pause)
        pause = min(longest, pause * 1.5)
    for pair in pairs:
        aged, young = f"{pair.subject}, aged", f"{pair.subject}, young"
        expected = f"gone with its content within {within:g} s, being {margin_hours} h over {pair.days} days"
        # Once more at the end: what was only on its way to another place has arrived there by now.
        try:
            left = stores.presence(pair.aged)
        except Unobservable as unobservable:
            yield NotObserved(aged, unobservable.reason, expected)
            yield NotObserved(young, "the aged record beside it could not be seen")
            continue
        yield Finding(aged, left.gone, expected, _remains(left, within), seen=(left,))
        expected = f"still there, being {margin_hours} h under {pair.days} days"
        if not left.gone:
            # Whether the job would spare it shows only once the job has been there.
            yield NotObserved(
                young, "the aged record beside it was not removed, so the job has shown nothing", expected
            )
            continue
        try:
            present = stores.presence(pair.young)
        except Unobservable as unobservable:
            yield NotObserved(young, unobservable.reason, expected)
            continue
        whole = present.record and present.content
        observed = "still there" if whole else "removed before its period was over"
        yield Finding(young, whole, expected, observed, seen=(present,))


def _gone(stores: Stores, record: PlantedRecord) -> bool:
    """Whether nothing of the record is left; what cannot be seen is not gone."""
    try:
        return stores.presence(record).gone
    except Unobservable:
        return False


def _remains(presence: Presence, within: float) -> str:
    if presence.gone:
        return "gone, and its content with it"
    if presence.record and presence.content:
        return f"still there after {within:g} s"
    if presence.record:
        return f"still there after {within:g} s, its content elsewhere or changed"
    return f"removed, but its content is still in the store after {within:g} s"
