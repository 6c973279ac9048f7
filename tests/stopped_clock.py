"""The auditor's clock as a test sets it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from upheld.probes.base import look


def stop(clock: Any, moment: datetime) -> None:
    """The clock probe shows that moment from now on; each look at it is recorded, as any is."""

    @look
    def now(_self: Any) -> datetime:
        return moment

    clock.now = now.__get__(clock)
