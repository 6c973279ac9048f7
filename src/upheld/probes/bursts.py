"""Bursts: many harmless requests in quick succession over kept-alive connections, until one is limited."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from upheld.errors import Unobservable
from upheld.probes.api_answers import Burst
from upheld.probes.waiting import LONGEST_WAIT_SECONDS, asked, matches

if TYPE_CHECKING:
    from upheld.probes.api_requests import Request
    from upheld.probes.http_client import Answer, HttpClient
    from upheld.target.api import Answers

THREADS = 3
"""Requests that are under way at the same time."""
FAULTS = 3
"""Answers of 5xx after which a burst stops: what is broken shows nothing of its limits, and more would only hurt it."""
_FAULT = 500
_AFTER_SECONDS = 0.1


class _Shooter:
    """Sends numbered requests until one is limited or the budget is used up."""

    def __init__(
        self,
        make: Callable[[], Request],
        clients: Sequence[HttpClient],
        headers: Mapping[str, str],
        limited: Answers,
        requests: int,
    ) -> None:
        self._make = make
        self._clients = clients
        self._headers = headers
        self.limited = limited
        self._requests = requests
        self._next = 0
        self._lock = threading.Lock()
        self.answers: dict[int, Answer] = {}
        self.first: int | None = None
        self.broken: Unobservable | None = None
        self.faults = 0

    def work(self) -> None:
        while True:
            with self._lock:
                if self.first is not None or self.broken is not None or self._next >= self._requests:
                    return
                if self.faults >= FAULTS:
                    return
                number, self._next = self._next, self._next + 1
            request = self._make()
            client = self._clients[number % len(self._clients)]
            try:
                answer = client.send(
                    request.method,
                    request.url,
                    headers={**dict(request.headers), **self._headers},
                    content=request.content,
                    verify=request.verify,
                )
            except Unobservable as error:
                with self._lock:
                    self.broken = self.broken or error
                return
            with self._lock:
                self.answers[number] = answer
                self.faults += answer.status >= _FAULT
                if self.first is None and matches(self.limited, answer):
                    self.first = number


@dataclass(frozen=True)
class Sender:
    """Who sends a burst: an identity with its headers, from these addresses in turn."""

    identity: str
    headers: Mapping[str, str]
    clients: Mapping[str, HttpClient]


def burst(
    subject: str,
    make: Callable[[], Request],
    sender: Sender,
    *,
    limited: Answers,
    requests: int,
    others: Sequence[Sender] = (),
) -> Burst:
    """Send up to `requests` requests, the i-th from the i-th address in turn, and stop once one is limited.

    When the very first is limited already (a neighbour's limit), its Retry-After is waited for and the burst begins anew,
    once. Each of the `others` sends one request right after the first that was limited. Raises Unobservable when a request got
    no answer and none had been limited, or when that of one of the `others` got none.
    """
    clients = list(sender.clients.values())
    for attempt in range(2):
        shooter = _Shooter(make, clients, sender.headers, limited, requests)
        started = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(shooter.work) for _ in range(min(THREADS, requests))]:
                done.result()
        seconds = time.perf_counter() - started
        if shooter.first is None and shooter.broken is not None:
            raise shooter.broken
        if shooter.first is None and (rate := clients[0].rate(make().url)) is not None:
            raise Unobservable(
                f"nothing was limited, but the target lets the harness send it only {rate:g} requests per second (limits), "
                "so that it was no burst"
            )
        if attempt or any(not matches(limited, answer) for answer in shooter.answers.values()):
            break
        wait = asked(shooter.answers[shooter.first or 0]) if shooter.answers else None
        time.sleep(min(LONGEST_WAIT_SECONDS, max(1.0, wait or 0.0)) + _AFTER_SECONDS)
    found = _told(subject, sender, shooter, seconds)
    if found.first_limited is None:
        return found
    return replace(found, others=tuple(_single(subject, make, one, limited) for one in others))


def _single(subject: str, make: Callable[[], Request], sender: Sender, limited: Answers) -> Burst:
    """The burst of one request."""
    shooter = _Shooter(make, list(sender.clients.values()), sender.headers, limited, 1)
    started = time.perf_counter()
    shooter.work()
    if shooter.broken is not None:
        raise shooter.broken
    return _told(subject, sender, shooter, time.perf_counter() - started)


def _told(subject: str, sender: Sender, shooter: _Shooter, seconds: float) -> Burst:
    # As they came: requests under way together overtake one another, and a late one says nothing of how many were let through.
    came = list(shooter.answers)
    ordinary = next((n for n in came if not matches(shooter.limited, shooter.answers[n])), None)
    answer = None if shooter.first is None else shooter.answers[shooter.first]
    return Burst(
        subject=subject,
        identity=sender.identity,
        source_addresses=tuple(sender.clients),
        statuses=tuple(one.status for one in shooter.answers.values()),
        first_limited=None if shooter.first is None else came.index(shooter.first),
        ordinary=None if ordinary is None else shooter.answers[ordinary].status,
        limited_status=answer.status if answer else None,
        retry_after=(answer.header("retry-after") or "") if answer else "",
        retry_after_seconds=asked(answer) if answer else None,
        seconds=round(seconds, 6),
    )
