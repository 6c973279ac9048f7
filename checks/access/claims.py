"""Whether somebody gets a role by asking for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.access import Access, Claim, Matrix
from upheld.probes.api import Actor, Api, Case


@check(basis=OBSERVED, intrusive=True)
def claimed_roles_are_not_believed(access: Access, api: Api) -> Iterator[Finding | NotObserved]:
    """A role that a request claims for itself, in a header, its query, a cookie or its body, has no effect.

    Decides: whether the role that counts is the one that the deployment knows, whatever a request says.

    How: in each tenant the role that may do least calls an operation that another role may call, and claims that role in
    one place after the other. The same call by the other role works (control), and without a claim it is refused (control).

    Refuted by: a call that works once it claims a role.

    Cannot see: names of headers, parameters and cookies that are neither usual nor named by the target.

    References: CWE-639, CWE-807, OWASP WSTG-ATHZ-03.
    """
    matrix, members, cases = access.matrix(), access.members(), list(api.cases())
    claims = access.claims()
    for tenant in dict.fromkeys(one.tenant for one in members):
        own = [one for one in members if one.tenant == tenant]
        weak = min(own, key=lambda one: _rights(matrix, one))
        found = _closed_to(matrix, weak, own, cases)
        if found is None:
            yield NotObserved(tenant, f"no operation that reads is closed to {weak.role} and open to another role")
            continue
        case, strong = found
        # Another tenant gets another operation, if there is one: that shows more, and spends no limit twice.
        cases.append(cases.pop(cases.index(case)))
        subject = f"{case} as {weak.role} of {tenant}"
        try:
            control = api.call(case.id, strong.name, {})
            plain = api.call(case.id, weak.name, {})
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason)
            continue
        if not control.worked or not plain.refused:
            reason = f"answered {control.status} to {strong.role} and {plain.status} to {weak.role}, so that a claim shows nothing"
            yield NotObserved(subject, reason)
            continue
        for claim in claims:
            yield _claimed(access, case, weak, strong, claim)


@check(basis=OBSERVED, intrusive=True, exclusive=True)
def nobody_gives_themselves_a_role(access: Access) -> Iterator[Finding | NotObserved]:
    """Whoever changes their own account with a role in the body keeps the role that they had.

    Decides: whether a property that the operation is not meant for is assigned with the others (mass assignment).

    How: in each tenant the member who may do least changes their own account and sends the role that may do most along;
    then the account is read back. Where it has that role, it is given back with the same request.

    Refuted by: another role than before.

    Cannot see: other properties that could be assigned, and operations other than the declared one.

    References: OWASP API3:2023, CWE-915.
    """
    matrix, members = access.matrix(), access.members()
    for tenant in dict.fromkeys(one.tenant for one in members):
        own = [one for one in members if one.tenant == tenant]
        weak, strong = (choose(own, key=lambda one: _rights(matrix, one)) for choose in (min, max))
        subject = f"own account of a {weak.role} of {tenant}"
        expected = f"the role stays {weak.role} when {strong.role} is sent"
        if weak.role == strong.role:
            yield NotObserved(subject, "the tenant has identities of one role only", expected)
            continue
        try:
            change = access.assume_role(weak.name, strong.role)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        if change.after != change.before:
            access.assume_role(weak.name, change.before)
        observed = f"answered {change.status}, and the role is {change.after}"
        yield Finding(subject, change.after == change.before, expected, observed, seen=(change,))


def _rights(matrix: Matrix, one: Actor) -> int:
    return sum(one.role in may for _, may in matrix.operations)


def _closed_to(matrix: Matrix, weak: Actor, own: list[Actor], cases: Sequence[Case]) -> tuple[Case, Actor] | None:
    """An operation that only reads, takes no object, and is open to another of `own` but not to `weak`."""
    for case in cases:
        may = matrix.may(case.id)
        kinds = {one.kind for one in case.references if not one.optional} - {"tenant"}
        if may is None or weak.role in may or case.changes or case.left_out or case.obstacle or kinds:
            continue
        allowed = [one for one in own if one.role in may]
        if allowed:
            return case, max(allowed, key=lambda one: _rights(matrix, one))
    return None


def _claimed(access: Access, case: Case, weak: Actor, strong: Actor, claim: Claim) -> Finding | NotObserved:
    subject = f"{case} as {weak.role} of {weak.tenant}, {strong.role} claimed in {claim}"
    expected = "refused as without the claim"
    try:
        reply = access.claiming(case.id, weak.name, {}, claim, strong.role)
    except Unobservable as unobservable:
        return NotObserved(subject, unobservable.reason, expected)
    observed = (
        f"answered {reply.status}, as if the claimed role were theirs" if reply.worked else f"answered {reply.status}"
    )
    return Finding(subject, not reply.worked, expected, observed, seen=(reply,))
