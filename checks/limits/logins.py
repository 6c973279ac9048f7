"""Whether guessing passwords is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.api import Api, LoginAttempt
from upheld.probes.clock import Clock
from upheld.probes.logs import LogMark, Logs

Seconds = Annotated[float, Field(gt=0, le=600)]


@check(basis=OBSERVED, exclusive=True, intrusive=True)
def repeated_bad_logins_are_stopped(
    api: Api,
    logs: Logs,
    clock: Clock,
    *,
    attempts: Annotated[int, Field(ge=2, le=100)] = 10,
    slowed_by_seconds: Seconds = 1.0,
    recovers_within_seconds: Seconds = 60.0,
) -> Iterator[Finding | NotObserved]:
    """After `attempts` bad logins the account is locked, limited or slowed down, the security log has them, and it recovers.

    Decides: whether guessing a password is stopped, for a throw-away identity of the target.

    How: the right password works (control); `attempts` made-up ones are refused; then the right one must be refused or
    limited, or take `slowed_by_seconds` longer than before: a page may look the same while the account is locked. The
    account's name must be in a log source that the target marks as security, written since then. Within
    `recovers_within_seconds` the right password must work again. Then all this once more, while each made-up password claims to come
    from another address (X-Forwarded-For and its like).

    Refuted by: a right password that still works at once, a made-up one that works, bad logins that no security log
    records, a lock that outlasts the time that the target itself gives, or that falls to a header that the client writes.

    Cannot see: guessing one password over many accounts, or from many addresses.

    References: OWASP ASVS 5.0 V6.3, CWE-307, NIST SP 800-63B-4 §3.2.2.
    """
    actor, other = ([*(one for one in reversed(api.actors()) if one.throwaway), None, None])[:2]
    if actor is None:
        raise Unobservable("the target offers no throw-away identity to lock out")
    subject = f"login of {actor.name}"
    before = api.login(actor.name)
    if not before.accepted and before.limited and (before.retry_after_seconds or 0) <= recovers_within_seconds:
        clock.wait(max(1.0, before.retry_after_seconds or 0.0) + 0.1)
        before = api.login(actor.name)
    if not before.accepted:
        yield NotObserved(subject, f"the right password does not work to begin with: it answered {before.status}")
        return
    mark = logs.mark()
    bad = [api.login(actor.name, right_password=False) for _ in range(attempts)]
    after = api.login(actor.name)
    slower = after.seconds - before.seconds
    stopped = not after.accepted or slower >= slowed_by_seconds
    expected = f"after {attempts} bad logins the right password is refused, limited or slowed down"
    if any(one.accepted for one in bad):
        yield Finding(subject, False, expected, "a made-up password was accepted", seen=(*bad,))
    elif not after.accepted:
        how = "limited" if after.limited else "refused"
        yield Finding(
            subject, True, expected, f"the right password was {how} with {after.status}", seen=(before, *bad, after)
        )
    else:
        observed = f"the right password still worked{f', {slower:.1f} s slower' if stopped else ' at once'}"
        yield Finding(subject, stopped, expected, observed, seen=(before, *bad, after))
    yield _recorded(logs, actor.account, mark, f"{subject}, in the security log")
    if stopped and other is not None and (quick := api.login(other.name)).accepted:
        # A second account is tried while the first is locked, so that both locks are waited for at once.
        claimed = _under_claimed_addresses(api, quick, bad, slowed_by_seconds)
        yield _recovers(api, clock, actor.name, f"{subject}, afterwards", recovers_within_seconds)
        yield claimed
        _recovers(api, clock, other.name, subject, recovers_within_seconds)
    elif stopped:
        recovered = _recovers(api, clock, actor.name, f"{subject}, afterwards", recovers_within_seconds)
        yield recovered
        if isinstance(recovered, Finding) and recovered.passed:
            yield _under_claimed_addresses(api, api.login(actor.name), bad, slowed_by_seconds)
            # The lock ends before anybody else wants the account; that it does was judged above.
            _recovers(api, clock, actor.name, subject, recovers_within_seconds)


def _recorded(logs: Logs, account: str, mark: LogMark, subject: str) -> Finding | NotObserved:
    expected = "the bad logins are in a log source marked security"
    try:
        found = logs.contains(account, kind="security", since=mark)
    except Unobservable as unobservable:
        return NotObserved(subject, unobservable.reason, expected)
    observed = (
        f"named {found.count} times" if found.count else "the bad logins are not recorded: the account is not named"
    )
    return Finding(subject, found.count > 0, expected, observed, seen=(found,))


def _under_claimed_addresses(
    api: Api, quick: LoginAttempt, before: list[LoginAttempt], slowed_by_seconds: float
) -> Finding | NotObserved:
    """Whether as many bad logins as `before` are stopped although each claims another address, after one that was let in."""
    identity = quick.identity
    subject = f"login of {identity}, claiming other addresses"
    expected = f"after {len(before)} bad logins the right password is refused, limited or slowed down"
    bad = [api.login(identity, right_password=False, claims_address=True) for _ in before]
    after = api.login(identity)
    if not after.accepted or after.seconds - quick.seconds >= slowed_by_seconds:
        how = f"refused with {after.status}" if not after.accepted else "slowed down"
        return Finding(subject, True, expected, f"the right password was {how}", seen=(*bad, after))
    if bad[0].status != before[0].status:
        reason = (
            f"a bad login that claims an address is answered {bad[0].status}, and one that does not {before[0].status}"
        )
        return NotObserved(subject, reason, expected, seen=(*before, *bad))
    observed = "the right password still worked at once: the lock falls to X-Forwarded-For or a header like it"
    return Finding(subject, False, expected, observed, seen=(*bad, after))


def _recovers(api: Api, clock: Clock, identity: str, subject: str, within: float) -> Finding | NotObserved:
    waited, pause, asked = 0.0, 1.0, None
    expected = f"the right password works again within {within:g} s"
    while True:
        try:
            again = api.login(identity)
        except Unobservable as unobservable:
            return NotObserved(subject, unobservable.reason, expected)
        if again.accepted:
            return Finding(
                subject, True, expected, f"the right password worked again after {waited:.1f} s", seen=(again,)
            )
        if asked is not None and waited > 2 * asked + 2:
            return Finding(
                subject,
                False,
                expected,
                f"still refused after {waited:.1f} s, though it asked for {asked:g} s",
                seen=(again,),
            )
        if (told := again.retry_after_seconds or 0.0) > 0:
            asked = max(asked or 0.0, told)
            pause = max(1.0, told) + 0.1
        else:  # It does not say, or it names a time that is over already.
            pause = min(2 * pause, 10.0)
        if waited + pause > within:
            reason = f"still refused after {waited:.1f} s; how long the target locks it does not say"
            return NotObserved(subject, reason, expected, seen=(again,))
        waited += clock.wait(pause)
