"""What becomes of the sessions of staff whose account has fewer rights than before."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.staff_changes import StaffChanges, Trial


@check(basis=OBSERVED, intrusive=True, exclusive=True)
def changed_staff_accounts_lose_access_at_once(changes: StaffChanges) -> Iterator[Finding | NotObserved]:
    """After an account of staff is given a lower role or is disabled, the next request with its old session is refused.

    Decides: whether internal access that was taken away is gone, or lasts for as long as a session does.

    How: a throw-away account of staff logs in and calls an operation that a lower role may not (control). Somebody who may
    gives it that role, and the same session calls again; then another one, where there is one, logs in, is disabled, and its
    session calls again. At the end the accounts are as they were.

    Refuted by: an answer as good as before.

    Cannot see: access to other systems than the declared console.

    References: ISO/IEC 27001:2022 A.5.18 and A.6.5, NIST SP 800-53 AC-2(3) and PS-5, CWE-613.
    """
    first = changes.trial()
    yield from _tried(changes, first, "change", first.lower, f"is now {first.lower}")
    yield from _tried(changes, changes.trial((first.identity,)), "disable", "", "is disabled")


def _tried(changes: StaffChanges, trial: Trial, change: str, role: str, became: str) -> Iterator[Finding | NotObserved]:
    subject = f"session of {trial.identity}, whose account ({trial.role}) {became}"
    expected = f"{trial.operation} is refused"
    try:
        changes.begin(trial.identity)
        before = changes.use(trial.identity, trial.operation)
        if not before.worked:
            raise Unobservable(f"{trial.operation} answered {before.status} already before the change")
        try:
            changed = changes.change(trial, change, role)
            if not changed.worked:
                raise Unobservable(f"the account could not be changed: it answered {changed.status}")
            after = changes.use(trial.identity, trial.operation)
        finally:
            back = ("change", trial.role) if change == "change" else ("enable", "")
            restored = changes.change(trial, *back)
    except Unobservable as unobservable:
        yield NotObserved(subject, unobservable.reason, expected)
        return
    observed = f"answered {after.status}" + (", as before" if after.worked else f", before {before.status}")
    yield Finding(subject, not after.worked, expected, observed, seen=(before, after))
    if not restored.worked:
        yield NotObserved(f"{subject}, given back", f"it answered {restored.status}: the account is as it was changed")
