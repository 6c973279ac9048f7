"""Credentials can be rotated, and owners of old ones are told."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.credential_flows import Credentials, Entered, Kind
from upheld.probes.rotation_advice import Age, RotationAdvice

from .storing import chosen


@check(basis=OBSERVED, intrusive=True, exclusive=True)
def rotation_replaces_the_credential(
    credentials: Credentials, *, kinds: tuple[str, ...] = ()
) -> Iterator[Finding | NotObserved]:
    """After a rotation the new credential is stored in place of the old one, and is what calls are made with.

    Decides: whether rotating a credential does what it says.

    How: lets a fresh credential in, has a call made that uses it, rotates it to another fresh one, and has a call made again. The stored
    value must hold the new one and no longer the old one; the log of whoever is called must mark the old one in the first
    call, which is the control, and the new one only in the second.

    Refuted by: the old credential still in the column, the new one not there, a call that the old one was used for, and a rotation that
    is refused.

    Cannot see: whether the issuer still accepts the old credential.

    References: NIST SP 800-57 Part 1 §8.2.3; OWASP ASVS 6.4.1; ISO/IEC 27001:2022 A.5.17.
    """
    for kind in chosen(credentials, kinds):
        if not kind.rotates:
            yield NotObserved(kind, "the target does not say how it is rotated (rotate)")
            continue
        try:
            yield from _rotate(credentials, kind)
        except Unobservable as unobservable:
            yield NotObserved(kind, unobservable.reason)


def _rotate(credentials: Credentials, kind: Kind) -> Iterator[Finding | NotObserved]:
    old = credentials.enter(kind.name)
    if not old.done:
        yield NotObserved(kind, f"the flow answered {old.status}, so that there is nothing to rotate")
        return
    if not credentials.stored_form(old).values:
        yield NotObserved(kind, f"{kind.column} does not hold what was let in, so a rotation would show nothing there")
        return
    before = credentials.use(kind.name, (old.secret,)) if kind.used else None
    new = credentials.rotate(kind.name, old)
    yield Finding(f"rotation of {kind}", new.done, "it is done", f"answered {new.status}")
    if not new.done:
        return
    kept, stored = credentials.stored_form(old), credentials.stored_form(new)
    observed = "; ".join(
        word
        for word, true in (
            (f"the old one is still in {kind.column}", bool(kept.values)),
            (f"the new one is not in {kind.column}", not stored.values),
        )
        if true
    )
    yield Finding(
        f"stored {kind}",
        bool(stored.values) and not kept.values,
        "the new one in place of the old one",
        observed or f"{kind.column} holds the new one and no longer the old one",
        seen=(kept, stored),
    )
    if before is None:
        yield NotObserved(f"use of {kind}", "the target does not say how it is seen in use (use)")
        return
    if not before.times(old.secret):
        yield NotObserved(
            f"use of {kind}", "the call before the rotation shows no use of the first one, so the log proves nothing"
        )
        return
    yield from _used(credentials, kind, old, new, bool(stored.values))
    credentials.remove(new)


def _used(
    credentials: Credentials, kind: Kind, old: Entered, new: Entered, known: bool
) -> Iterator[Finding | NotObserved]:
    after = credentials.use(kind.name, (old.secret, new.secret) if known else (old.secret,))
    subject, expected = f"use of {kind}", "calls are made with the new one only"
    if after.times(old.secret):
        yield Finding(subject, False, expected, "a call after the rotation was made with the old one")
    elif known and after.times(new.secret):
        yield Finding(subject, True, expected, "the call after the rotation was made with the new one")
    else:
        yield NotObserved(subject, f"the call after the rotation ({after.status}) shows no use of either", expected)


@check(basis=OBSERVED)
def owners_are_advised_to_rotate(
    rotation: RotationAdvice, *, advised_days: int, kinds: tuple[str, ...] = ()
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Owners of a credential that is older than `advised_days` are told so, in every place that is meant for it.

    Decides: whether rotation is recommended, to those whom it concerns.

    How: reads the age of each stored credential, and looks as every declared identity of its tenant in every declared place for the
    advice about it.

    Refuted by: an old credential that one of them is not told of.

    Cannot see: messages outside the product, and whether anybody reads them. A credential that comes of age within the last day is left
    out, for the advice may be given by a daily job.

    References: NIST SP 800-57 Part 1 §5.3; CIS Controls 5.
    """
    for name in rotation.advised_kinds():
        if kinds and name not in kinds:
            continue
        try:
            ages = rotation.ages(name)
        except Unobservable as unobservable:
            yield NotObserved(name, unobservable.reason)
            continue
        old = [age for age in ages if age.days >= advised_days]
        due = [age for age in old if age.days >= advised_days + 1]
        for age in old:
            if age not in due:
                yield LeftOut(f"{name} of {age.belongs_to}", "it came of age within the last day")
        if not due:
            yield NotObserved(
                name, f"none of {len(ages)} is older than {advised_days} days, so nothing shows that anybody is told"
            )
        for tenant in dict.fromkeys(age.tenant for age in due):
            yield from _told(rotation, name, tenant, [age for age in due if age.tenant == tenant])


def _told(rotation: RotationAdvice, name: str, tenant: str, due: list[Age]) -> Iterator[Finding | NotObserved]:
    try:
        places = rotation.advice(name, tenant, tuple(age.belongs_to for age in due))
    except Unobservable as unobservable:
        yield NotObserved(f"{name} of tenant {tenant}", unobservable.reason)
        return
    if not places:
        yield NotObserved(f"{name} of tenant {tenant}", "no declared identity of the tenant reads any place of advice")
    for place in places:
        subject, expected = f"{place.place} as {place.identity}", "it tells of every old one"
        if place.status != 200:
            yield NotObserved(subject, f"it answered {place.status}", expected)
            continue
        missed = [age for age in due if age.belongs_to not in place.told_of]
        observed = f"tells of all {len(due)} old ones"
        if missed:
            observed = (
                f"no word of {len(missed)} of {len(due)}, the oldest {max(age.days for age in missed):.0f} days old"
            )
        yield Finding(subject, not missed, expected, observed)
