"""Whether a client that is limited can go on in another guise."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import VARIANTS, Api, Case, Reply, Variant, applies, paths_in_turn

Requests = Annotated[int, Field(ge=2, le=10_000)]

_TRIES = 3
_PAGES = ("GET", "HEAD")
"""The methods that a page is asked for with."""


@check(basis=OBSERVED, exclusive=True, intrusive=True)
def cannot_be_dodged(
    api: Api, *, budget_requests: Requests = 120, across_methods: bool = False
) -> Iterator[Finding | NotObserved | LeftOut]:
    """A client that is limited stays limited whatever address it claims to come from and however it spells the path.

    Decides: whether, right after an operation or page has been limited, the same request stays limited with
    X-Forwarded-For, Forwarded, X-Real-IP, X-Client-IP, True-Client-IP or CF-Connecting-IP, in other case, with a
    trailing or a double slash, with HEAD instead of GET; with `across_methods` also every other operation on the path
    (they are limited together then, not one by one).

    How: an answer that is not limited counts as a dodge when the unchanged request sent right after it is limited still,
    and the answer is like the one before the limit or a success. An odd spelling that is redirected, or answered as a path
    that does not exist is answered, has not reached the operation and is no dodge. Requests are harmless.

    Refuted by: a limit keyed on a header that the client sets; one keyed on the path as it is spelled.

    Cannot see: dodges by many real addresses; spellings where the operation and an absent path answer alike (those are
    shown as not observed); chains of trusted proxies, which need a look from outside of them.

    References: OWASP API4:2023, CWE-348, RFC 7239 §8.1.
    """
    unknown: dict[str, Reply] = {}
    cases = api.cases()
    subjects: deque[tuple[str, Case | None, str]] = deque((str(case), case, "") for case in paths_in_turn(cases))
    subjects.extend((name, None, url) for name, url in api.pages())
    methods = sorted({*_PAGES, *(one.operation.method for one in cases if not one.left_out)})
    put_off: set[str] = set()
    while subjects:
        subject, case, url = subjects.popleft()
        expected = "limited in every guise"
        if case is not None and case.left_out:
            yield LeftOut(case, case.left_out)
            continue
        try:
            others = [
                one
                for one in cases
                if case and one.operation.path == case.operation.path and one is not case and not one.left_out
            ]
            outcome = _Dodging(api, case, subject, url, budget_requests, methods if case else _PAGES, unknown)
            if subjects and subject not in put_off and outcome.limited_already():
                # By what another subject was sent; that is over by the time that the others are done.
                put_off.add(subject)
                subjects.append((subject, case, url))
                continue
            outcome.run(others if across_methods else [])
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        if outcome.dodged:
            yield Finding(subject, False, expected, f"the limit falls to: {'; '.join(outcome.dodged)}")
        elif outcome.unclear:
            yield NotObserved(subject, "; ".join(outcome.unclear), expected)
        else:
            detail = (
                f", not reached in {len(outcome.elsewhere)} ({'; '.join(outcome.elsewhere)})"
                if outcome.elsewhere
                else ""
            )
            yield Finding(subject, True, expected, f"limited in {outcome.held} guises{detail}")


class _Dodging:
    """One subject that is limited and then tried in every guise."""

    def __init__(
        self,
        api: Api,
        case: Case | None,
        subject: str,
        url: str,
        budget: int,
        methods: Sequence[str],
        unknown: dict[str, Reply],
    ) -> None:
        self.api, self.case, self.subject, self.url, self.budget = api, case, subject, url, budget
        self._methods, self._unknown = methods, unknown
        self.dodged: list[str] = []
        self.unclear: list[str] = []
        self.elsewhere: list[str] = []
        self.held = 0

    def limited_already(self) -> bool:
        """Whether the subject is limited before anything was done to that end."""
        return self._plain().limited

    def run(self, others: list[Case]) -> None:
        method, path = (
            (self.case.operation.method, self.case.operation.path)
            if self.case
            else ("GET", f"/{self.url.split('/', 3)[3]}")
        )
        before = self._plain(wait=True)
        # What absent paths answer is asked for once for each server, now: odd spellings count as absent, and are limited soon.
        for each in self._methods:
            self._absent(each, before.url)
        self._limit()
        name = self.case.id if self.case else self.subject
        for variant in VARIANTS:
            if applies(variant, method, path):
                self._try(variant, partial(self.api.variant, name, variant.name, url=self.url), before)
        for other in others:
            guise = Variant(f"{other.operation.method} on the same path ({other.id})", same_resource=True)
            self._try(guise, partial(self.api.harmless, other.id), None)

    def _try(self, variant: Variant, send: Callable[[], Reply], before: Reply | None) -> None:
        for _ in range(_TRIES):
            reply = send()
            if reply.limited:
                self.held += 1
                return
            if self._plain().limited:
                self._judge(variant, reply, before)
                return
            self._limit()  # The limit was over by itself: that says nothing, so it is made anew.
        self.unclear.append(f"{variant.name}: the limit was over before it could be tried, {_TRIES} times")

    def _judge(self, variant: Variant, reply: Reply, before: Reply | None) -> None:
        if variant.same_resource or reply.worked:
            self.dodged.append(f"{variant.name} (answered {reply.status})")
            return
        if 300 <= reply.status < 400 or reply.status == 405:
            self.elsewhere.append(f"{variant.name}: {reply.status}")
            return
        absent = self._absent(reply.method, self.url or self._plain().url)
        like_before = before is None or _shape(reply) == _shape(before)
        like_absent = _shape(reply) == _shape(absent) or (reply.method == "HEAD" and reply.status == absent.status)
        if like_absent and not like_before:
            self.elsewhere.append(f"{variant.name}: {reply.status}, as a path that does not exist")
        elif like_before and not like_absent:
            self.dodged.append(f"{variant.name} (answered {reply.status}, as before the limit)")
        else:
            self.unclear.append(
                f"{variant.name}: answered {reply.status}, which tells not whether the operation was reached"
            )

    def _plain(self, *, wait: bool = False) -> Reply:
        return (
            self.api.harmless(self.case.id, wait=wait)
            if self.case
            else self.api.page(self.subject, self.url, wait=wait)
        )

    def _limit(self) -> None:
        burst = (
            self.api.burst(self.case.id, None, self.budget)
            if self.case
            else self.api.burst_page(self.subject, self.url, self.budget)
        )
        if burst.first_limited is None:
            raise Unobservable(
                f"it was not limited within {burst.requests} requests, so that there is no limit to dodge"
            )

    def _absent(self, method: str, url: str) -> Reply:
        key = f"{method} {'/'.join(url.split('/', 3)[:3])}"
        if key not in self._unknown:
            self._unknown[key] = self.api.unknown_path(method, url)
        return self._unknown[key]


def _shape(reply: Reply) -> tuple[int, str, frozenset[str]]:
    """What an answer looks like, apart from the address that it may repeat."""
    return reply.status, reply.media_type, reply.words() - frozenset(reply.url.replace("?", "/").split("/"))
