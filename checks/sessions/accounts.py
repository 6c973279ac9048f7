"""What becomes of the sessions of an account that has fewer rights than before."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.access import Access
from upheld.probes.api import Api
from upheld.probes.sessions import Sessions


@check(basis=OBSERVED, intrusive=True, exclusive=True)
def lowered_and_disabled_accounts_lose_access_at_once(
    sessions: Sessions, access: Access, api: Api
) -> Iterator[Finding | NotObserved]:
    """After an account is given a lower role or is disabled, the very next request with its old session has no more rights than that.

    Decides: whether rights that were taken away are gone, or last for as long as a session does.

    How: a throw-away account begins a session, which may call an operation that a lower role may not (control). Somebody
    who may gives it the lower role, and the same session calls again. Then, with its role back, the account is disabled
    and the same session, or one that was begun before, asks who it is. At the end the account is as it was.

    Refuted by: an answer as good as before.

    Cannot see: sessions of another kind (a browser's, say), and what a lower role leaves to the account.

    References: ISO/IEC 27001:2022 A.5.18, NIST SP 800-53 AC-2(3) and PS-5, CWE-613.
    """
    subject = sessions.subject()
    matrix, members = access.matrix(), access.members()
    rights = {role: sum(role in may for _, may in matrix.operations) for role in matrix.roles}
    own = [one for one in members if one.tenant == subject.tenant]
    boss = max(own, key=lambda one: rights.get(one.role, 0))
    lower = min(matrix.roles, key=lambda role: rights[role])
    case = next(
        (
            one
            for one in api.cases()
            if not one.changes and not one.obstacle and not one.left_out
            and not {each.kind for each in one.references if not each.optional} - {"tenant"}
            and (may := matrix.may(one.id)) is not None
            and subject.role in may
            and lower not in may
        ),
        None,
    )  # fmt: skip
    name = f"{subject.role} of {subject.tenant}"
    if case is None or rights.get(subject.role, 0) <= rights[lower]:
        yield NotObserved(name, f"no operation that reads is open to {subject.role} and closed to {lower}")
    else:
        yield from _lowered(sessions, case.id, name, subject.name, subject.role, lower, boss.name)
    yield from _disabled(sessions, name, subject.name, boss.name)


def _lowered(
    sessions: Sessions, operation: str, name: str, identity: str, role: str, lower: str, by: str
) -> Iterator[Finding | NotObserved]:
    subject, expected = f"session of a {name} who is now {lower}", f"{operation} is refused"
    try:
        issued = sessions.issue(identity)
        before = sessions.use_in(issued.handle, operation)
        if not before.worked:
            raise Unobservable(f"{operation} answers {before.status} already while the role is {role}")
        try:
            changed = sessions.change_account(identity, "change", by=by, role=lower)
            if not changed.worked:
                raise Unobservable(f"the role could not be changed: it answered {changed.status}")
            after = sessions.use_in(issued.handle, operation)
        finally:
            restored = sessions.change_account(identity, "change", by=by, role=role)
    except Unobservable as unobservable:
        yield NotObserved(subject, unobservable.reason, expected)
        return
    observed = f"answered {after.status}" + (", as before" if after.worked else f", before {before.status}")
    yield Finding(subject, not after.worked, expected, observed, seen=(before, after))
    if not restored.worked:
        yield NotObserved(f"{name}, role given back", f"it answered {restored.status}: the account is still {lower}")


def _disabled(sessions: Sessions, name: str, identity: str, by: str) -> Iterator[Finding | NotObserved]:
    subject, expected = f"session of a {name} whose account is disabled", "refused"
    try:
        issued = sessions.issue(identity)
        before = sessions.use(issued.handle)
        if not before.worked:
            raise Unobservable(f"the session is answered {before.status} already before the account is disabled")
        try:
            changed = sessions.change_account(identity, "disable", by=by)
            if not changed.worked:
                raise Unobservable(f"the account could not be disabled: it answered {changed.status}")
            after = sessions.use(issued.handle)
        finally:
            restored = sessions.change_account(identity, "enable", by=by)
    except Unobservable as unobservable:
        yield NotObserved(subject, unobservable.reason, expected)
        return
    observed = f"answered {after.status}" + (", as before" if after.worked else f", before {before.status}")
    yield Finding(subject, not after.worked, expected, observed, seen=(before, after))
    if not restored.worked:
        yield NotObserved(f"{name}, enabled again", f"it answered {restored.status}: the account is still disabled")
