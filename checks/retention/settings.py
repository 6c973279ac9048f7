"""Retention periods that tenants set for themselves, on the plans that include it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.canaries import Canaries
from upheld.probes.clock import Clock
from upheld.probes.plans import Holder, Plans
from upheld.probes.stores import PlantedRecord, Stores

_POLL_SECONDS = 0.2


@check(basis=OBSERVED, intrusive=True, exclusive=True)
def a_period_that_is_set_takes_effect(
    plans: Plans,
    stores: Stores,
    canaries: Canaries,
    clock: Clock,
    *,
    on_plans: tuple[str, ...] = ("business", "agency"),
    longer_by_days: int = 30,
    within_seconds: float | None = None,
) -> Iterator[Finding | NotObserved]:
    """A tenant on one of the named plans sets its period, its records are kept accordingly, and no other tenant's are.

    Decides: whether the setting can be used on each plan, whether the job that removes aged records goes by it, and whether
    it is the tenant's own.

    How: the tenant lengthens its period, so that nothing of it is lost. In each store a record is planted for it that is
    over its old period and under the new one, and for another tenant one that is over that tenant's own. Once the other
    one is gone (control: the job was there), the first must still be there. Then the old period is set again, and the
    first must go. Each tenant's period is read back after each change.

    Refuted by: a setting that is refused or reads back otherwise; a record that goes by another period than its tenant's;
    another tenant's period that changed too.

    Cannot see: stores in which the target does not say how to plant, a longest period that leaves no room to lengthen, and
    how a period takes effect that somebody else sets meanwhile.

    References: GDPR Art. 5(1)(e), POPIA s14(1), ISO/IEC 27001:2022 A.8.10.
    """
    within = stores.within_seconds() if within_seconds is None else within_seconds
    holders, longest = plans.holders(), plans.bounds().longest
    for plan in on_plans:
        holder = next((one for one in holders if one.plan == plan), None)
        other = next((one for one in holders if holder and one.tenant != holder.tenant), None)
        if holder is None or other is None:
            reason = "the target names no tenant on this plan" if holder is None else "the target names no other tenant"
            yield NotObserved(f"{plan} plan", f"{reason} (plans.holders)")
            continue
        try:
            before, others_before = plans.period(holder.identity), plans.period(other.identity)
            if before + longer_by_days > longest:
                raise Unobservable(
                    f"its period of {before} days cannot be made longer by {longer_by_days} (at most {longest})"
                )
        except Unobservable as unobservable:
            yield NotObserved(holder, unobservable.reason)
            continue
        try:
            longer = before + longer_by_days
            yield from _setting(plans, holder, other, longer, others_before)
            if plans.period(holder.identity) == longer:
                trial = _Trial(plans, stores, canaries, clock, holder, other, within)
                yield from trial.effect(before, longer, others_before)
        except Unobservable as unobservable:
            yield NotObserved(f"{holder}, effect", unobservable.reason)
        finally:
            stores.remove_planted()
            plans.set_period(holder.identity, before)
            if plans.period(other.identity) != others_before:
                plans.set_period(other.identity, others_before)


@check(basis=OBSERVED, intrusive=True)
def other_plans_cannot_set_a_period(
    plans: Plans, *, on_plans: tuple[str, ...] = ("business", "agency")
) -> Iterator[Finding | NotObserved]:
    """A tenant on any other plan than the named ones is refused when it sets a period, and keeps the one that it had.

    Decides: whether the plan is looked at where the setting is made.

    How: the identity that reads the tenant's period (control) sets it to one day more; then it is read again. If it was
    accepted, the old one is set again.

    Refuted by: a success, or another period afterwards.

    Cannot see: plans for which the target names no tenant.

    References: CWE-840, OWASP API5:2023.
    """
    bounds = plans.bounds()
    others = [one for one in plans.holders() if one.plan not in on_plans]
    if not others:
        yield NotObserved("other plans", f"the target names no tenant on another plan than {' and '.join(on_plans)}")
    for holder in others:
        expected = "refused, and the period as before"
        try:
            before = plans.period(holder.identity)
            wanted = before + 1 if before < bounds.longest else before - 1
            reply = plans.set_period(holder.identity, wanted)
            after = plans.period(holder.identity)
            if after != before:
                plans.set_period(holder.identity, before)
        except Unobservable as unobservable:
            yield NotObserved(holder, unobservable.reason, expected)
            continue
        observed = f"answered {reply.status}, and the period is {after} days, before {before}"
        if not reply.worked and not reply.refused:
            yield NotObserved(holder, f"answered {reply.status}, which is neither success nor refusal", expected)
            continue
        yield Finding(holder, not reply.worked and after == before, expected, observed)


@check(basis=OBSERVED, intrusive=True)
def periods_keep_within_bounds(
    plans: Plans, *, on_plans: tuple[str, ...] = ("business", "agency")
) -> Iterator[Finding | NotObserved]:
    """A period outside the bounds, and whatever is no whole number of days, is refused and changes nothing.

    Decides: whether a tenant can set a period at which nothing is kept or nothing removed.

    How: a tenant that may set its period sends one that is too long, then things that are no number of days, and last one
    that is too short; its own present period is accepted (control). After each the period is read back. What was accepted
    is undone at once, and nothing worse is sent then: a period that is too short could cost the tenant its records.

    Refuted by: a success, or another period than before.

    Cannot see: bounds that other plans have.

    References: CWE-20, CWE-1284.
    """
    bounds = plans.bounds()
    holder = next((one for one in plans.holders() if one.plan in on_plans), None)
    if holder is None:
        raise Unobservable(f"the target names no tenant on the plans {' and '.join(on_plans)} (plans.holders)")
    before = plans.period(holder.identity)
    control = plans.set_period(holder.identity, before)
    if not control.worked:
        raise Unobservable(f"{holder} cannot set its own present period: it answered {control.status}")
    values: tuple[object, ...] = (
        bounds.longest + 1, 10_000, 10**12, "ninety", 1.5, None, True, [], bounds.shortest - 1, -1,
    )  # fmt: skip
    for value in values:
        subject, expected = (
            f"{holder}, {value!r} days",
            f"refused, being outside {bounds.shortest} to {bounds.longest} days",
        )
        try:
            reply = plans.set_period(holder.identity, value)
            after = plans.period(holder.identity)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        wrong = reply.worked or after != before
        yield Finding(subject, not wrong, expected, f"answered {reply.status}, and the period is {after} days")
        if wrong:
            plans.set_period(holder.identity, before)
            break


def _setting(
    plans: Plans, holder: Holder, other: Holder, longer: int, others_before: int
) -> Iterator[Finding | NotObserved]:
    """Set the longer period and read both periods back."""
    reply = plans.set_period(holder.identity, longer)
    after = plans.period(holder.identity)
    yield Finding(
        holder,
        reply.worked and after == longer,
        f"may set a period of {longer} days",
        f"answered {reply.status}, and the period is {after} days",
    )
    others = plans.period(other.identity)
    yield Finding(
        f"{other}, when {holder.tenant} sets {longer} days",
        others == others_before,
        f"keeps its {others_before} days",
        f"its period is {others} days",
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """What became of two records of one store: whether the other tenant's went, and whether the own was removed with it."""

    store: str
    own: PlantedRecord
    gone: bool
    removed: bool


class _Trial:
    """One tenant whose period was made longer, and another that shows when the job has been there."""

    def __init__(
        self,
        plans: Plans,
        stores: Stores,
        canaries: Canaries,
        clock: Clock,
        holder: Holder,
        other: Holder,
        within: float,
    ) -> None:
        self.plans, self.stores, self.canaries, self.clock = plans, stores, canaries, clock
        self.holder, self.other, self.within = holder, other, within

    def effect(self, before: int, longer: int, others: int) -> Iterator[Finding | NotObserved]:
        """What the job does with records of both tenants, by the longer period and by the old one again."""
        plantable = [store.name for store in self.stores.stores() if store.plantable]
        if not plantable:
            yield NotObserved(f"{self.holder}, effect", "the target does not say how to plant a record in any store")
        between = timedelta(days=(longer - before) / 2)
        pairs = self._round(plantable, before, others, between)
        if again := [one.store for one in pairs if one.removed]:
            # A job that had read the periods before the change may have gone by the old one: once more.
            pairs = [one for one in pairs if not one.removed] + self._round(again, before, others, between)
        # Whoever else sets the period meanwhile is not the job's fault.
        period = self.plans.period(self.holder.identity) if any(one.removed for one in pairs) else longer
        for one in pairs:
            own = f"{one.store} of {self.holder}, {before} days and {between.days} old, period {longer} days"
            theirs = f"{one.store} of {self.other}, {others} days and {between.days} old, period {others} days"
            observed = "removed" if one.gone else "still there"
            yield Finding(theirs, one.gone, f"removed within {self.within:g} s", observed)
            if not one.gone:
                yield NotObserved(own, "the job has shown nothing", "still there")
                continue
            if one.removed and period != longer:
                yield NotObserved(own, f"the period has become {period} days meanwhile", "still there")
                continue
            observed = "removed, as if the period were another" if one.removed else "still there"
            yield Finding(own, not one.removed, "still there", observed)
        self.plans.set_period(self.holder.identity, before)
        end = self.clock.now() + timedelta(seconds=self.within)
        for one in (one for one in pairs if one.gone and not one.removed):
            gone = self._gone(one.own, end)
            subject = f"{one.store} of {self.holder}, once the period is {before} days again"
            yield Finding(subject, gone, f"removed within {self.within:g} s", "removed" if gone else "still there")

    def _round(self, stores: list[str], before: int, others: int, between: timedelta) -> list[_Pair]:
        """Plant for both in each store, and see whether the other's went, and the own with it."""
        now = self.clock.now()
        planted = [
            (
                store,
                self._plant(store, self.holder, now - timedelta(days=before) - between),
                self._plant(store, self.other, now - timedelta(days=others) - between),
            )
            for store in stores
        ]
        end = self.clock.now() + timedelta(seconds=self.within)
        found = []
        for store, own, theirs in planted:
            gone = self._gone(theirs, end)
            found.append(_Pair(store, own, gone, gone and not self.stores.presence(own).record))
        return found

    def _plant(self, store: str, whose: Holder, at: datetime) -> PlantedRecord:
        canary = self.canaries.fresh(f"record in {store} of {whose.tenant}")
        return self.stores.plant(store, whose.tenant_id, at, canary.placeholder)

    def _gone(self, record: PlantedRecord, end: datetime) -> bool:
        while not self.stores.presence(record).gone:
            if self.clock.now() >= end:
                return False
            self.clock.wait(_POLL_SECONDS)
        return True
