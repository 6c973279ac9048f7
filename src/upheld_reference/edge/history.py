"""What the status page remembers: every look for a while, and days for longer. Nothing from before the start is made up."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["operational", "outage"]
"""What a component can be seen to be."""

_DAYS = 90


@dataclass(frozen=True)
class Component:
    """One part of the platform at one look."""

    name: str
    """What customers call it."""
    host_name: str | None
    """Where they reach it; None for an inner part."""
    status: Status
    latency_ms: float
    """How long the look at it took."""


@dataclass(frozen=True)
class Look:
    """What one look at all components saw."""

    at: dt.datetime
    """When it began."""
    components: tuple[Component, ...]


class History:
    """The looks of the last while, and for each of the last 90 days how many looks found each component well."""

    def __init__(self, looks: int) -> None:
        """Keeps the newest ``looks`` one by one."""
        self.looks: collections.deque[Look] = collections.deque(maxlen=looks)
        self._days: dict[dt.date, dict[str, list[int]]] = {}

    def add(self, look: Look) -> None:
        """Remembers a look; what is too old is forgotten."""
        self.looks.append(look)
        day = self._days.setdefault(look.at.date(), {})
        for component in look.components:
            counts = day.setdefault(component.name, [0, 0])
            counts[0] += 1
            counts[1] += component.status == "operational"
        while len(self._days) > _DAYS:
            del self._days[min(self._days)]

    @property
    def newest(self) -> Look | None:
        """The newest look; None before the first."""
        return self.looks[-1] if self.looks else None

    def uptime(self, name: str) -> float | None:
        """The share of all remembered looks that found the component operational, in per cent; None without a look."""
        counts = [day[name] for day in self._days.values() if name in day]
        looks = sum(seen for seen, _ in counts)
        return 100 * sum(well for _, well in counts) / looks if looks else None

    def recent(self, name: str, number: int) -> Sequence[Component]:
        """How the newest ``number`` looks found a component, the oldest first."""
        looks = list(self.looks)[-number:]
        return [component for look in looks for component in look.components if component.name == name]

    def report(self, interval_seconds: float) -> dict[str, Any]:
        """Everything that is remembered, as status.json tells it; plain JSON types only."""
        newest = self.newest
        return {
            "checked_at": rfc3339(newest.at) if newest else None,
            "interval_seconds": interval_seconds,
            "components": [asdict(component) for component in newest.components] if newest else [],
            "samples": [
                {
                    "at": rfc3339(look.at),
                    "components": [
                        {"name": one.name, "status": one.status, "latency_ms": one.latency_ms}
                        for one in look.components
                    ],
                }
                for look in self.looks
            ],
            "days": [
                {
                    "date": day.isoformat(),
                    "components": [
                        {"name": name, "looks": seen, "operational": well} for name, (seen, well) in counts.items()
                    ],
                }
                for day, counts in sorted(self._days.items())
            ],
        }


def rfc3339(moment: dt.datetime) -> str:
    """``moment`` in UTC with milliseconds, as RFC 3339."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
