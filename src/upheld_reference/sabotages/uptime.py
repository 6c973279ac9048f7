"""A status page that does not say what it should."""

from __future__ import annotations

import asyncio

from upheld_reference.edge.monitor import Monitor, Probe
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIM = "uptime-monitored"
_PAUSE_INTERVALS = 5


@sabotage(breaks=(_CLAIM,), shows=("the newest look is",))
def status_page_stale(platform: Platform) -> None:
    """The status page's monitor looks once, at the start, and never again."""

    async def run(_self: Monitor) -> None:
        await asyncio.Event().wait()

    platform.replace(Monitor, "run", run)


@sabotage(breaks=(_CLAIM,), shows=("api.rivet.example: missing",))
def status_component_missing(platform: Platform) -> None:
    """The status page does not have the API among its components."""
    watch = Monitor.watch

    def watch_all_but_the_api(self: Monitor, name: str, probe: Probe, host_name: str | None = None) -> None:
        if name != "API":
            watch(self, name, probe, host_name)

    platform.replace(Monitor, "watch", watch_all_but_the_api)


@sabotage(breaks=(_CLAIM,), shows=("pauses are too long",))
def status_samples_with_a_hole(platform: Platform) -> None:
    """The status page's monitor leaves out most looks, so that its samples have holes over the interval that it states."""

    async def run(self: Monitor) -> None:
        while True:
            await asyncio.sleep(self.interval_seconds * _PAUSE_INTERVALS)
            await self.look()

    platform.replace(Monitor, "run", run)
