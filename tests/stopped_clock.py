"""The auditor's clock as a test sets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from upheld.probes.base import look


def stop(clock: Any, moment: datetime) -> None:
    """The clock probe shows that moment from now on; each look at it is recorded, as any is."""

    @look
    def now(_self: Any) -> datetime:
        return moment

    clock.now = now.__get__(clock)


def hurry(clock: Any, passed: Callable[[float], None]) -> None:
    """Waiting takes no time from now on: `passed` is told of the seconds, for a server whose time goes on by them."""

    @look
    def wait(_self: Any, seconds: float) -> float:
        passed(seconds)
        return seconds

    clock.wait = wait.__get__(clock)
