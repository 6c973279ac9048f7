"""Performing privileged operations of staff, so that the audit log has something to tell."""

from __future__ import annotations

from upheld import Unobservable
from upheld.probes.api import Api
from upheld.probes.staff import Performed, Privileged, Staff, StaffMember


def perform(staff: Staff, case: Privileged, objects: dict[str, str]) -> tuple[Performed, ...]:
    """Performs one operation as somebody who may; raises Unobservable when there is nothing to do it to."""
    missing = [kind for kind in case.objects if kind not in objects]
    if missing:
        raise Unobservable(f"there is no {missing[0]} to do it to")
    return (staff.perform(case.operation, staff.able(case.operation).name, objects),)


def emergency(staff: Staff) -> tuple[Performed, ...]:
    """Emergency access from request to end; what a step needs that did not work is missing."""
    steps = staff.break_glass()
    who = staff.able(steps.request)
    other = staff.also_able(steps.approve, (who.name,))
    asked = staff.perform(steps.request, who.name, {})
    if not asked.made:
        return (asked,)
    objects = {steps.kind: asked.made}
    order = ((steps.approve, other), (steps.start, who), (steps.use, who), (steps.end, who))
    return (asked, *(staff.perform(name, one.name, objects) for name, one in order if name))


def throwaway(staff: Staff, place: int = 2) -> StaffMember:
    """A throw-away identity of staff; raises Unobservable when the target offers none."""
    offered = [one for one in staff.people() if one.throwaway]
    if not offered:
        raise Unobservable("the target offers no throw-away identity of staff")
    return offered[place % len(offered)]


def account(staff: Staff) -> dict[str, str]:
    """The throw-away account that operations on accounts are performed on, and its role."""
    burnt = throwaway(staff)
    reader = staff.able(staff.listing_operation())
    accounts = {one.account.lower(): one.id for one in staff.accounts(reader.name)}
    if burnt.account.lower() not in accounts:
        raise Unobservable(f"the list of accounts does not show {burnt.name}")
    return {staff.account_kind(): accounts[burnt.account.lower()], "role": burnt.role}


def tenant(api: Api) -> str:
    """The tenant that operations on customers' data are performed on."""
    return api.tenant_of(api.acting()[0].tenant)
