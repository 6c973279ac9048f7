"""Time, as a look: a replay sees the instant that the run saw."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from upheld.probes.base import Probe, look


class Clock(Probe):
    """The auditor's clock."""

    name = "clock"
    detached = True

    @look
    def now(self) -> datetime:
        """The present instant, UTC."""
        return datetime.now(UTC)

    @look
    def wait(self, seconds: float) -> float:
        """Wait so many seconds; gives the seconds that went by."""
        before = time.monotonic()
        time.sleep(max(0.0, seconds))
        return time.monotonic() - before
