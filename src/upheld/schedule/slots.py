"""When runs are due: a grid of moments that is the same after every start, and a delay that spreads many watches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slots:
    """Every `every` from the beginning of 1970 (UTC) on, so that every 6 hours means 0, 6, 12 and 18 o'clock."""

    every: timedelta
    jitter: timedelta = timedelta()
    name: str = ""

    def of(self, moment: datetime) -> datetime:
        """The slot that a moment falls into, by its beginning."""
        return _EPOCH + (moment - _EPOCH) // self.every * self.every

    def due(self, slot: datetime) -> datetime:
        """When the run of a slot begins: up to `jitter` later, the same for the same watch and slot whoever asks."""
        digest = hashlib.sha256(f"{self.name}\0{slot.isoformat()}".encode()).digest()
        return slot + self.jitter * (int.from_bytes(digest[:8], "big") / 2**64)

    def between(self, last: datetime, now: datetime) -> tuple[datetime, datetime, int] | None:
        """The first and last of the slots after `last` and before `now`, both slots, and how many they are; None for none."""
        count = (now - last) // self.every - 1
        return (last + self.every, now - self.every, count) if count > 0 else None
