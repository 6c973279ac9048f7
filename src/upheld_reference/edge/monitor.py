"""The monitor behind the status page: it looks at every component of the platform again and again."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import ssl
import time
from collections.abc import Awaitable, Callable

import psycopg

from upheld_reference.edge.history import Component, History, Look
from upheld_reference.internal.client import client_context
from upheld_reference.platform import Listener, Platform

HEALTH_PATH = "/health"
"""Where a site says that it serves."""

_LOOK_SECONDS = 1.5
"""Less than the shortest interval: what hangs is an outage, and delays no later look."""
_FAILURES = (OSError, TimeoutError, ValueError, psycopg.Error)
_LONGEST_STATUS_LINE = 1024


class UnwellError(OSError):
    """A component answered, but not as one that works."""


Probe = Callable[[], Awaitable[None]]
"""Looks at a component once; raises OSError, ValueError or psycopg.Error when it is not well."""


class Monitor:
    """Looks at the components at a fixed interval, at all of them at the same time, and remembers what it saw."""

    def __init__(self, platform: Platform) -> None:
        """Plans to look at the public sites, at WhatsApp's API, at the internal services and at the database."""
        self._platform = platform
        self._tls = ssl.create_default_context(cafile=str(platform.ca_file))
        self.interval_seconds = platform.settings.status_interval_seconds
        """The time from one look to the next."""
        self.history = History(math.ceil(platform.settings.status_samples_seconds / self.interval_seconds))
        """What it saw."""
        self.components: dict[str, tuple[str | None, Probe]] = {}
        """Host name and look of each component, by the name that customers know it by."""
        for key, name in (("www", "Website"), ("app", "Web app"), ("api", "API"), ("status", "Status page")):
            self.watch(name, self._site(platform.listeners[key], self._tls), platform.listeners[key].host_name)
        graph = platform.listeners["graph"]
        self.watch("WhatsApp messaging", self._handshake(graph), graph.host_name)
        mutual = client_context(platform, "monitor")
        self.watch("Credential vault", self._site(platform.listeners["vault"], mutual))
        self.watch("Webhook delivery", self._site(platform.listeners["worker"], mutual))
        self.watch("Database", self._database)

    def watch(self, name: str, probe: Probe, host_name: str | None = None) -> None:
        """Adds a component that ``probe`` looks at; ``host_name`` is where customers reach it."""
        self.components[name] = (host_name, probe)

    async def look(self) -> None:
        """Looks once at every component, at all of them at the same time."""
        at = dt.datetime.now(dt.UTC)
        looks = [self._component(name, host, probe) for name, (host, probe) in self.components.items()]
        self.history.add(Look(at, tuple(await asyncio.gather(*looks))))

    async def run(self) -> None:
        """Looks at every interval until cancelled; how long a look takes does not delay the next one."""
        due = time.monotonic()
        while True:
            due = max(due + self.interval_seconds, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            await self.look()

    async def _component(self, name: str, host_name: str | None, probe: Probe) -> Component:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await probe()
        except _FAILURES:
            well = False
        else:
            well = True
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        return Component(name, host_name, "operational" if well else "outage", milliseconds)

    def _site(self, listener: Listener, tls: ssl.SSLContext) -> Probe:
        async def ask() -> None:
            status = await get_status(listener, tls, HEALTH_PATH)
            # A public site that turns the monitor away (429) serves; an internal service has no reason to.
            if status >= 500 or (status != 200 and not listener.public):
                raise UnwellError(f"{listener.name} answered {status}")

        return ask

    def _handshake(self, listener: Listener) -> Probe:
        async def shake_hands() -> None:
            _, writer = await asyncio.open_connection(
                listener.address, listener.port, ssl=self._tls, server_hostname=listener.host_name
            )
            writer.close()
            await writer.wait_closed()

        return shake_hands

    async def _database(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._platform.urls["application"])
        async with connection:
            await connection.execute("SELECT 1")


async def get_status(listener: Listener, tls: ssl.SSLContext, path: str) -> int:
    """The status that a GET of ``path`` is answered with; raises OSError or ValueError when that is no HTTP."""
    reader, writer = await asyncio.open_connection(
        listener.address, listener.port, ssl=tls, server_hostname=listener.host_name, limit=_LONGEST_STATUS_LINE
    )
    try:
        host = f"{listener.host_name}:{listener.port}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        version, _, rest = (await reader.readline()).decode("ascii").partition(" ")
        if not version.startswith("HTTP/1."):
            raise UnwellError(f"{listener.name} does not speak HTTP")
        return int(rest[:3])
    finally:
        writer.close()
