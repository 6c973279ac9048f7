"""Bursts: many harmless requests in quick succession over kept-alive connections, until one is limited."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
        self._limited = limited
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
                if self.first is None and matches(self._limited, answer):
                    self.first = number


def burst(
    subject: str,
    make: Callable[[], Request],
    clients: Mapping[str, HttpClient],
    *,
    identity: str,
    headers: Mapping[str, str],
    limited: Answers,
    requests: int,
) -> Burst:
    """Send up to `requests` requests, the i-th from the i-th address in turn, and stop once one is limited.

    When the very first is limited already (a neighbour's limit), its Retry-After is waited for and the burst begins anew,
    once. Raises Unobservable when a request got no answer and none had been limited.
    """
    for attempt in range(2):
        shooter = _Shooter(make, list(clients.values()), headers, limited, requests)
        started = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(shooter.work) for _ in range(min(THREADS, requests))]:
                done.result()
        seconds = time.perf_counter() - started
        if shooter.first is None and shooter.broken is not None:
            raise shooter.broken
        if shooter.first is None and (rate := next(iter(clients.values())).rate(make().url)) is not None:
            raise Unobservable(
                f"nothing was limited, but the target lets the harness send it only {rate:g} requests per second (limits), "
                "so that it was no burst"
            )
        ordinary = [n for n in shooter.answers if not matches(limited, shooter.answers[n])]
        if ordinary or attempt:
            break
        wait = asked(shooter.answers[shooter.first or 0]) if shooter.answers else None
        time.sleep(min(LONGEST_WAIT_SECONDS, max(1.0, wait or 0.0)) + _AFTER_SECONDS)
    # As they came: requests under way together overtake one another, and a late one says nothing of how many were let through.
    came = list(shooter.answers)
    answer = None if shooter.first is None else shooter.answers[shooter.first]
    return Burst(
        subject=subject,
        identity=identity,
        source_addresses=tuple(clients),
        statuses=tuple(one.status for one in shooter.answers.values()),
        first_limited=None if shooter.first is None else came.index(shooter.first),
        ordinary=shooter.answers[ordinary[0]].status if ordinary else None,
        limited_status=answer.status if answer else None,
        retry_after=(answer.header("retry-after") or "") if answer else "",
        retry_after_seconds=asked(answer) if answer else None,
        seconds=round(seconds, 6),
    )
