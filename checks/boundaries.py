"""Boundaries: no customer's URL leads to what is inside, and what all tenants share shows each only its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.receivers import InsideTry, Receivers, Way
from upheld.probes.shared_roles import SharedRoles

Kind = Literal["url", "name", "turn", "redirect"]


@check(basis=OBSERVED, intrusive=True)
def webhooks_never_lead_inside(
    receivers: Receivers, *, kinds: tuple[Kind, ...] = ("url", "name", "turn", "redirect")
) -> Iterator[Finding | NotObserved]:
    """No delivery of a webhook ever connects to an address inside, however the URL spells it or comes to it.

    Decides: whether a customer can have the platform call services that only it can reach (server-side request forgery).
    How: listeners of the harness stand for internal services. URLs that lead there are registered as webhooks and pinged: by
    address in the spellings of a data file (decimal, octal, hexadecimal, short, IPv6 that carries IPv4, other letters), by names
    that resolve there, by names that change between look-ups (DNS rebinding), by redirects of a receiver that is allowed. A
    refusal at registration is one; what is taken is waited for. A delivery to an allowed receiver must arrive, before and
    with each redirect and changing name.
    Refuted by: one connection to a listener inside, even without a request.
    Cannot see: addresses that the target does not name as inside; ways that other features than webhooks open.
    References: OWASP Top 10 2021 A10, CWE-918, RFC 6890.
    """
    control = receivers.control()
    if not control.requests:
        yield NotObserved("an allowed receiver", "no delivery came to it, so that none inside says nothing")
        return
    yield Finding("an allowed receiver", True, "gets its delivery", f"{control.requests} deliveries came")
    ways = tuple(one for one in receivers.ways_inside() if one.kind in kinds)
    try:
        tries = receivers.try_inside(ways)
    except Unobservable as error:
        yield NotObserved("ways inside", error.reason)
        return
    if not tries:
        yield NotObserved("ways inside", "there is none to try")
    for one in tries:
        yield _judged(one.way, one)


@check(basis=OBSERVED)
def shared_roles_see_one_tenant(shared_roles: SharedRoles) -> Iterator[Finding | NotObserved | LeftOut]:
    """A database role that works for all tenants sees only the rows of the tenant that it works for, and none without one.

    Decides: whether a fault in the application or in a worker could show one tenant what is another's.
    How: as each declared role, in sessions in which no tenant and in which one tenant is set, the rows of each declared table are
    counted by tenant; the auditing role shows that there are rows of several tenants to be seen.
    Refuted by: one row of a tenant that is not set.
    Cannot see: tables and roles that the target does not declare, and what a role may read by functions.
    References: PostgreSQL 18 §5.9, ISO/IEC 27001:2022 A.8.22.
    """
    for table in shared_roles.tables():
        expected = "no row of another tenant"
        try:
            tenants = shared_roles.tenants_in(table)
        except Unobservable as error:
            yield NotObserved(table, error.reason, expected)
            continue
        if len(tenants) < 2:
            yield NotObserved(table, f"it holds rows of {len(tenants)} tenants, so nothing shows them apart", expected)
            continue
        for role in shared_roles.roles():
            subject = f"{role} in {table}"
            try:
                some = tenants[:2]
                seen = list(zip(("", *some), shared_roles.rows(role, table, some), strict=True))
            except Unobservable as error:
                yield NotObserved(subject, error.reason, expected)
                continue
            if all(rows.denied for _, rows in seen):
                yield LeftOut(subject, "it may not read the table at all")
                continue
            foreign = [(tenant, rows.foreign) for tenant, rows in seen if rows.foreign]
            own = sum(rows.own for tenant, rows in seen if tenant)
            if foreign:
                tenant, count = foreign[0]
                whose = "with no tenant set" if not tenant else "with one tenant set"
                yield Finding(subject, False, expected, f"sees {count} rows of other tenants {whose}")
            elif not own:
                yield NotObserved(subject, "it does not see its own tenant's rows either", expected)
            else:
                yield Finding(subject, True, expected, f"sees {own} rows of two tenants in turn, each only its own")


def _judged(way: Way, one: InsideTry) -> Finding | NotObserved:
    expected = "no connection inside"
    if one.contacts:
        return Finding(way, False, expected, f"leads inside: {one.contacts} connections came to the listener there")
    refused = not one.registered and 400 <= one.status < 500 and one.status != 429
    reason = one.reason
    if not reason and not one.registered and not refused:
        reason = f"registering it answered {one.status}"
    elif not reason and one.registered and not one.pinged:
        reason = "it was taken, and nothing could be delivered"
    elif not reason and one.registered and way.kind in {"turn", "redirect"} and not one.allowed_requests:
        reason = "no delivery came to the allowed receiver on this way"
    if reason:
        return NotObserved(way, reason, expected)
    how = "no delivery came inside" if one.registered else "refused when it was registered"
    return Finding(
        way, True, expected, f"answered {one.status}, and {how}" if one.registered else f"{how}, with {one.status}"
    )
