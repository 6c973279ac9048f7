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


def seconds_of(retry_after: str) -> float | None:
    """The seconds that a Retry-After header asks to wait (RFC 9110 §10.2.3): a whole number or a date; None for anything else."""
    text = retry_after.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


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
        asked = seconds_of(answer.header("retry-after") or "")
        # A limit that asks for no time at all is not asked again at once.
        wait = max(_SHORTEST_WAIT_SECONDS, asked or 0.0) + _AFTER_SECONDS
        if wait > LONGEST_WAIT_SECONDS:
            raise Throttled(f"{what} is limited for {wait:.0f} s, which is longer than is waited for")
        if attempt < WAITS:
            time.sleep(wait)
            waited += wait
    raise Throttled(f"{what} was still limited after waiting {waited:.1f} s")
