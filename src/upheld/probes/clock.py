"""Time, as a look: a replay sees the instant that the run saw."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import ClassVar

from upheld.probes.base import Probe, look
from upheld.probes.resting import Resting, Rests


class Clock(Probe):
    """The auditor's clock."""

    name = "clock"
    detached = True
    rests: ClassVar[Resting] = {"now": Rests(timed=True), "wait": Rests(timed=True)}

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
