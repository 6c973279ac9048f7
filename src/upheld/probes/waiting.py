"""Waiting for a rate limit that stands in the way, and reading how long the target asks to wait."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from upheld.errors import Throttled

if TYPE_CHECKING:
    from upheld.probes.http_client import Answer
    from upheld.target.api import Answers

WAITS = 2
"""How often a limited request is repeated."""
LONGEST_WAIT_SECONDS = 60.0
"""The longest time that is waited for one repetition."""
_SHORTEST_WAIT_SECONDS = 1.0
_AFTER_SECONDS = 0.1


def seconds_of(retry_after: str, sent: str = "") -> float | None:
    """The seconds that a Retry-After header asks to wait (RFC 9110 §10.2.3): a whole number or a date; None for anything else.

    A date counts from `sent`, the Date header that came with it, for the target's clock may be another than ours; without one, from now.
    """
    text = retry_after.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    moment = _moment(text)
    return None if moment is None else (moment - (_moment(sent) or datetime.now(UTC))).total_seconds()


def _moment(date: str) -> datetime | None:
    """What a date of HTTP says; None for anything else."""
    try:
        moment = parsedate_to_datetime(date.strip())
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def asked(answer: Answer) -> float | None:
    """The seconds that an answer asks to wait; None when it says nothing valid."""
    return seconds_of(answer.header("retry-after") or "", answer.header("date") or "")


def matches(described: Answers, answer: Answer) -> bool:
    """Whether an answer looks as the target describes it, by status, body and where it redirects to."""
    return described.match(answer.status, answer.text, answer.header("location") or "")


def patient(send: Callable[[], Answer], limited: Answers, what: str) -> tuple[Answer, float]:
    """The first answer that is not `limited` and the seconds waited for it; raises Throttled after two repetitions."""
    waited = 0.0
    for attempt in range(WAITS + 1):
        answer = send()
        if not matches(limited, answer):
            return answer, waited
        # A limit that asks for no time at all is not asked again at once.
        wait = max(_SHORTEST_WAIT_SECONDS, asked(answer) or 0.0) + _AFTER_SECONDS
        if wait > LONGEST_WAIT_SECONDS:
            raise Throttled(f"{what} is limited for {wait:.0f} s, which is longer than is waited for")
        if attempt < WAITS:
            time.sleep(wait)
            waited += wait
    raise Throttled(f"{what} was still limited after waiting {waited:.1f} s")
