"""Whether listings, searches and downloads keep to the own tenant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api, Case, PlantedTenant, Reply


@check(basis=OBSERVED, intrusive=True)
def listings_show_only_the_own_tenant(api: Api) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every listing, search and download of a tenant shows what is its own and nothing of another's.

    Decides: for every operation that reads, apart from those that read one planted object by its identifier.

    How: one object of each kind with a canary is made in each tenant, then each reads with its own identifiers; searches
    look for a word that all canaries share. The own canary in the answer is the control. Where a listing cannot show one
    (members, say), the control is what the other tenant gets for the same: the two answers must have no identifier in common.

    Refuted by: another tenant's canary, or an identifier that another tenant's answer has too.

    Cannot see: data of tenants that the target does not describe; what stands in compressed or encrypted downloads; later
    pages of a listing that does not begin with what is newest, where the own canary is missing too.

    References: OWASP API1:2023, API3:2023, CWE-200.
    """
    tenants = [one.tenant for one in api.acting()]
    if len(tenants) < 2:
        raise Unobservable("the target describes fewer than two tenants")
    cases = api.cases()
    try:
        planted = {tenant: api.plant(tenant) for tenant in tenants}
        for case in cases:
            if case.changes or case.operation.method != "GET" or (case.reads and not case.left_out):
                continue
            if reason := case.left_out or case.shared:
                yield LeftOut(case, reason)
            elif case.obstacle:
                yield NotObserved(case, case.obstacle)
            elif case.operation.public and not case.references:
                yield LeftOut(case, "it is public and takes no tenant")
            else:
                yield from _listing(api, case, planted)
    finally:
        api.remove_planted()


def _listing(api: Api, case: Case, planted: Mapping[str, PlantedTenant]) -> Iterator[Finding | NotObserved]:
    replies: dict[str, Reply] = {}
    for tenant, own in planted.items():
        try:
            ids = {**own.ids(), **(dict(api.existing(case.id, tenant)) if case.existing else {})}
            for kind in (one.kind for one in case.references if one.where == "path" and one.kind not in ids):
                raise Unobservable(own.missing().get(kind, f"there is no {kind} in {tenant}"))
            reply = api.call(case.id, own.identity, ids)
        except Unobservable as unobservable:
            yield NotObserved(f"{case} of {tenant}", unobservable.reason)
            continue
        if reply.worked:
            replies[tenant] = reply
        else:
            yield NotObserved(
                f"{case} of {tenant}", f"it does not work for its own tenant: it answered {reply.status}", seen=(reply,)
            )
    for tenant, reply in replies.items():
        subject, expected = f"{case} of {tenant}", f"shows {tenant}'s own and nothing of another tenant"
        foreign = {label: other for other, one in planted.items() if other != tenant for label in one.canaries()}
        leaked = sorted({foreign[label] for label in reply.shows if label in foreign})
        others = [one for other, one in replies.items() if other != tenant]
        if leaked:
            yield Finding(subject, False, expected, f"shows data of {', '.join(leaked)}", seen=(reply,))
        elif planted[tenant].canaries() & set(reply.shows):
            yield Finding(subject, True, expected, "shows the own canary and no other's", seen=(reply,))
        elif not others:
            yield NotObserved(
                subject,
                "the own canary is not in the answer, and there is no other tenant's answer to compare",
                expected,
                seen=(reply,),
            )
        else:
            yield _compared(subject, expected, reply, others)


def _compared(subject: str, expected: str, reply: Reply, others: list[Reply]) -> Finding | NotObserved:
    """A listing without a canary, beside the others' answers to the same: identifiers in common are another's data."""
    own = reply.identifiers()
    if not own or not all(one.identifiers() for one in others):
        reason = "the own canary is not in the answer, and the answers have no identifiers to compare (api.operations, existing)"
        return NotObserved(subject, reason, expected, seen=(reply, *others))
    common = own & frozenset().union(*(one.identifiers() for one in others))
    if common:
        return Finding(
            subject,
            False,
            expected,
            f"has {len(common)} identifiers in common with another tenant's answer",
            seen=(reply, *others),
        )
    return Finding(
        subject,
        True,
        expected,
        f"shows {len(own)} identifiers, none of which another tenant's answer has",
        seen=(reply, *others),
    )
