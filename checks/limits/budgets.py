"""Whether everything that is public has a limit, for each client and each account."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api, Burst, Case, paths_in_turn
from upheld.probes.clock import Clock

Requests = Annotated[int, Field(ge=2, le=10_000)]
Seconds = Annotated[float, Field(gt=0, le=600)]

_REFUSED = 400
_BROKEN = 500
_TRIES = 6
_SLOWEST_SECONDS = 30.0
_ADDRESSES_NEEDED = 3


@dataclass(frozen=True)
class _Subject:
    """What is to be limited: the operation of `case`, without credentials or as `identity`, or the page at `url`.

    `shown` is the burst that shows its limit, where that is one for several subjects.
    """

    name: str
    expected: str
    case: Case | None = None
    url: str = ""
    identity: str | None = None
    shown: Burst | None = None


_Seen = tuple[_Subject, Burst]
"""A subject and its burst: one that met a limit that is right so far, or one that met none."""


@check(basis=OBSERVED, exclusive=True, intrusive=True)
def every_operation_is_limited(
    api: Api, clock: Clock, *, budget_requests: Requests = 120, wait_at_most_seconds: Seconds = 60.0
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every operation and public page limits a client and an account within `budget_requests`, says for how long, and recovers.

    Decides: whether each operation of the OpenAPI document and each page of the public endpoints answers 429 (or what the
    target declares as limited) with a valid Retry-After within `budget_requests` requests in quick succession, and an
    ordinary answer after that time.

    How: an operation that needs an account is called as one throw-away identity from one address until that is limited. What is
    sent right after it shows whose limit that is: the address's, if a request without credentials from there is limited too;
    the account's, if its request from another address is, and one without credentials is not. Whichever does not show gets a
    burst of its own, as each public operation and page has: without credentials from one address, or as the identity from
    several source addresses in turn, so that no address reaches its own limit. Requests are harmless: identifiers that name
    nothing and bodies that are refused. All are burst first, then the longest Retry-After is waited for once, then all are
    asked again. Where an operation has no limit, another call that reads must work for one of the identities (control), or the
    API refuses everybody; a page without a limit must be there.

    Refuted by: an operation without a limit, a limit for addresses only, a missing or invalid Retry-After, a limit that
    does not end when it says.

    Cannot see: limits over longer times than a burst takes, and limits that count only well-formed requests of an operation
    for which the target names no harmless ones; whether an address is limited by what it sends without credentials to an
    operation that needs them, where it is by what it sends with them. A target that declares fewer than three source addresses
    leaves the limit per account unobserved.

    References: RFC 6585 §4, RFC 9110 §10.2.3, OWASP API4:2023.
    """
    limited: list[_Seen] = []
    unlimited: list[_Seen] = []
    addresses = api.source_addresses()
    account = next((one.name for one in api.actors() if one.throwaway), "")
    unable = _unable(addresses, account)
    expected = f"429 with Retry-After within {budget_requests} requests of one %s, and an ordinary answer after it"
    # Public operations come last: the login is one, and is needed for the others before its limit is met.
    waiting = deque(sorted(paths_in_turn(api.cases()), key=lambda one: one.operation.public))
    put_off: set[str] = set()
    while waiting:
        case = waiting.popleft()
        if case.left_out:
            yield LeftOut(case, case.left_out)
            continue
        per_address = _Subject(f"{case}, per client address", expected % "address", case)
        per_account = _Subject(f"{case}, per account", expected % "account", case, identity=account)
        by_account = not case.operation.public and not unable
        both = _one_burst(api, case.id, account, budget_requests, addresses) if by_account else None
        per_address, alone = _address_of(both, per_address) or (per_address, _seen(api, per_address, budget_requests))
        spread: Burst | str | None = None
        if by_account:
            per_account, spread = _account_of(both, per_account) or (
                per_account,
                _seen(api, per_account, budget_requests, addresses),
            )
        if _mixed_up(per_account, spread, alone):
            # What others sent lately from this address was counted with the burst: once more, when that is forgotten.
            if waiting and case.id not in put_off:
                put_off.add(case.id)
                waiting.append(case)
                continue
            clock.wait(min(_asked(alone), wait_at_most_seconds) + 0.1)
            per_address = replace(per_address, shown=None)
            alone = _seen(api, per_address, budget_requests)
        yield from _wrong(per_address, alone, wait_at_most_seconds, limited, unlimited)
        if spread is not None:
            spread = _may_be_the_address(per_account, spread, alone, budget_requests) or spread
            yield from _wrong(per_account, spread, wait_at_most_seconds, limited, unlimited)
    if unable:
        yield NotObserved("every operation, per account", unable)
    for name, url in api.pages():
        one = _Subject(name, expected % "address", url=url)
        yield from _wrong(one, _seen(api, one, budget_requests), wait_at_most_seconds, limited, unlimited)
    if limited:
        clock.wait(max(burst.retry_after_seconds or 0.0 for _, burst in limited) + 0.1)
    for one, burst in limited:
        yield _recovered(api, one, burst)
    shut = _shut(api) if any(one.case for one, _ in unlimited) else ""
    for one, burst in unlimited:
        yield _without_limit(one, burst, shut)


def _unable(addresses: tuple[str, ...], account: str) -> str:
    """Why the limit per account cannot be looked at; empty when it can."""
    if len(addresses) < _ADDRESSES_NEEDED:
        return (
            f"the target declares {len(addresses)} source addresses of the harness (vantage.source_addresses); "
            f"{_ADDRESSES_NEEDED} are needed"
        )
    return "" if account else "the target offers no throw-away identity"


def _wrong(
    one: _Subject, burst: Burst | str, wait_at_most_seconds: float, limited: list[_Seen], unlimited: list[_Seen]
) -> Iterator[Finding | NotObserved]:
    """What is wrong with a limit as it shows in the burst alone, or why none was seen; the others are put among `limited` and `unlimited`."""
    if isinstance(burst, str):
        yield NotObserved(one.name, burst, one.expected)
        return
    what = f"{burst.requests} requests in {burst.seconds:.1f} s"
    asked = burst.retry_after_seconds
    unseen = observed = ""
    fault = next((status for status in burst.statuses if status >= _BROKEN), 0)
    if fault:
        unseen = f"answered {fault} in the burst: what is broken shows nothing of its limits"
    elif burst.first_limited is None and burst.seconds > _SLOWEST_SECONDS:
        unseen = f"not limited in {what}, which is too slow to be a burst"
    elif burst.first_limited is None:
        unlimited.append((one, burst))
        return
    elif burst.ordinary is None:
        unseen = "already the first request was limited, also after a wait"
    elif not burst.retry_after:
        observed = f"limited with {burst.limited_status} after {what}, without Retry-After"
    elif asked is None or asked < (1 if burst.retry_after.strip().isdigit() else -1):
        observed = (
            f"limited with {burst.limited_status}, with a Retry-After that is neither whole seconds from 1 "
            f"nor a date to come: {burst.retry_after!r}"
        )
    elif asked > wait_at_most_seconds:
        unseen = f"limited for {asked:.0f} s, longer than is waited for, so that recovery was not seen"
    if observed:
        yield Finding(one.name, False, one.expected, observed, seen=(one.shown or burst,))
    elif unseen:
        yield NotObserved(one.name, unseen, one.expected, seen=(one.shown or burst,))
    else:
        limited.append((one, burst))


def _without_limit(one: _Subject, burst: Burst, shut: str) -> Finding | NotObserved:
    """What is said of a burst that met no limit, where `shut` says why the API shows nothing of its limits."""
    what = f"not limited: {burst.requests} requests in {burst.seconds:.1f} s all were let through, the last with {burst.statuses[-1]}"
    absent = "" if one.case or burst.statuses[-1] < _REFUSED else "what is not there shows nothing of its limits"
    if reason := shut if one.case else absent:
        return NotObserved(one.name, f"{what}, but {reason}", one.expected, seen=(burst,))
    return Finding(one.name, False, one.expected, what, seen=(burst,))


def _shut(api: Api) -> str:
    """Why the API shows nothing of its limits, when no call that reads works for anybody; empty when one does."""
    reads = [
        one
        for one in paths_in_turn(api.cases())
        if not (one.changes or one.left_out or one.obstacle)
        and not {each.kind for each in one.references if not each.optional} - {"tenant"}
    ]
    try:
        known = [one.name for one in api.acting()]
    except Unobservable:
        known = [one.name for one in api.actors() if not one.throwaway]
    tries = [(one, None if one.operation.public else name) for one in reads for name in known]
    came = []
    for case, identity in list(dict.fromkeys(tries))[:_TRIES]:
        try:
            reply = api.call(case.id, identity, {})
        except Unobservable as unobservable:
            came.append(unobservable.reason)
            continue
        if reply.worked:
            return ""
        came.append(f"{case.id} answered {reply.status} to {identity or 'a stranger'}")
    return f"nothing works for anybody, so that this may be no answer of the API: {'; '.join(came) or 'nothing reads'}"


def _seen(api: Api, one: _Subject, budget_requests: int, addresses: tuple[str, ...] = ("",)) -> Burst | str:
    """The burst of an operation or a page, or why there was none to see."""
    try:
        if one.case is None:
            return api.burst_page(one.name, one.url, budget_requests)
        return api.burst(one.case.id, one.identity, budget_requests, source_addresses=addresses)
    except Unobservable as unobservable:
        return unobservable.reason


def _one_burst(
    api: Api, operation: str, account: str, budget_requests: int, addresses: tuple[str, ...]
) -> Burst | None:
    """The burst of an account from one address, and what shows whose limit ended it; None where it shows nothing of either."""
    # Should the last address be the one that the burst comes from, then it shows nothing of the account.
    others = ((None, ""), (account, addresses[-1]), (None, addresses[-1]))
    try:
        burst = api.burst(operation, account, budget_requests, others=others)
    except Unobservable:
        return None
    return None if burst.ordinary is None else burst


def _address_of(both: Burst | None, one: _Subject) -> _Seen | None:
    """The limit of the address that the burst came from; None where it does not show."""
    if both is None or not both.others or both.others[0].first_limited is None:
        return None
    return replace(one, shown=both), _ended_by(both, both.others[0])


def _account_of(both: Burst | None, one: _Subject) -> _Seen | None:
    """The limit of the account that sent the burst, or that it met none; None where it may be that of an address."""
    if both is None:
        return None
    if not both.others:
        return replace(one, shown=both), both
    _, elsewhere, anonymous = both.others
    if elsewhere.first_limited is None or anonymous.first_limited is not None:
        return None
    return replace(one, shown=both), _ended_by(both, elsewhere)


def _ended_by(burst: Burst, last: Burst) -> Burst:
    """The burst whose answer that is limited is the one that another got after it."""
    return replace(
        last,
        statuses=(*burst.statuses, *last.statuses),
        first_limited=burst.requests,
        ordinary=burst.ordinary,
        seconds=burst.seconds + last.seconds,
    )


def _asked(burst: Burst | str) -> float:
    """The seconds that the limit of a burst asks to wait; 0 where it does not say."""
    return 0.0 if isinstance(burst, str) else burst.retry_after_seconds or 0.0


def _mixed_up(one: _Subject, spread: Burst | str | None, alone: Burst | str) -> bool:
    """Whether the limit met from several addresses may be each address's own, and asking again could tell."""
    return isinstance(spread, Burst) and not _tellable(one, spread, alone) and _asked(alone) > 0


def _tellable(one: _Subject, spread: Burst, alone: Burst | str) -> bool:
    """Whether a limit that was met from several addresses cannot be each address's own."""
    if one.shown is not None:
        return True
    limit = None if isinstance(alone, str) else alone.first_limited
    return spread.first_limited is None or limit is None or 2 * spread.most_from_one_address < limit


def _may_be_the_address(one: _Subject, spread: Burst | str, alone: Burst | str, budget: int) -> str:
    """Why a limit that was met from several addresses may be each address's own; empty when it cannot be."""
    if isinstance(spread, str) or _tellable(one, spread, alone):
        return ""
    limit = 0 if isinstance(alone, str) else alone.first_limited or 0
    needed = -(-budget // max(1, limit // 2)) + 1
    return (
        f"limited only when one address had sent {spread.most_from_one_address} requests, as addresses are limited after "
        f"{limit}; telling an account's limit from an address's takes {needed} source addresses (vantage.source_addresses)"
    )


def _recovered(api: Api, one: _Subject, burst: Burst) -> Finding | NotObserved:
    try:
        after = api.page(one.name, one.url) if one.case is None else api.harmless(one.case.id, one.identity)
    except Unobservable as unobservable:
        return NotObserved(one.name, f"limited, but not seen after it: {unobservable.reason}", one.expected)
    if after.status >= _BROKEN:
        return NotObserved(one.name, f"limited, and broken after it: answered {after.status}", one.expected)
    number, status = (burst.first_limited or 0) + 1, burst.limited_status
    observed = f"limited at request {number} with {status}, Retry-After {burst.retry_after}, then {after.status}"
    if after.limited:
        observed = f"limited with {status}, and still limited when the time of Retry-After {burst.retry_after} was over"
    return Finding(one.name, not after.limited, one.expected, observed, seen=(one.shown or burst, after))
