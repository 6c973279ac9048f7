"""The status page: it looks at the platform's components again and again, and says what it saw and when."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from upheld_reference.edge import pages
from upheld_reference.platform import Listener, Platform

_LISTENERS: Mapping[str, str] = MappingProxyType(
    {"www": "Website", "api": "API", "status": "Status page", "graph": "WhatsApp messaging"}
)
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Component:
    """One part of the platform at one look."""

    name: str
    """What customers call it."""
    host_name: str | None
    """Where they reach it; None for an inner part."""
    status: str
    """``operational`` or ``outage``."""


@dataclass(frozen=True)
class Report:
    """What one look at all components saw."""

    checked_at: str
    """When, in UTC, as RFC 3339."""
    components: tuple[Component, ...]


class Monitor:
    """Looks at the components again and again."""

    def __init__(self, platform: Platform) -> None:
        """Plans to look at the platform's listeners and database."""
        self._platform = platform
        self._tls = ssl.create_default_context(cafile=str(platform.ca_file))
        self.report = Report(_now(), ())
        """The newest report; it names no component before the first look."""

    async def look(self) -> None:
        """Looks once at every component, at all of them at the same time."""
        listeners = [(self._platform.listeners[key], name) for key, name in _LISTENERS.items()]
        looks = [self._listener(listener, name) for listener, name in listeners]
        components = await asyncio.gather(*looks, self._database())
        self.report = Report(_now(), tuple(components))

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(self._platform.settings.status_interval_seconds)
            await self.look()

    async def _listener(self, listener: Listener, name: str) -> Component:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                _, writer = await asyncio.open_connection(
                    listener.address, listener.port, ssl=self._tls, server_hostname=listener.host_name
                )
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            return Component(name, listener.host_name, "outage")
        return Component(name, listener.host_name, "operational")

    async def _database(self) -> Component:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                connection = await psycopg.AsyncConnection.connect(self._platform.urls["application"])
                async with connection:
                    await connection.execute("SELECT 1")
        except (psycopg.Error, OSError, TimeoutError):
            return Component("Database", None, "outage")
        return Component("Database", None, "operational")


def build(platform: Platform, monitor: Monitor) -> Starlette:
    """The application of the listener ``status``."""

    async def page(_request: Request) -> Response:
        return HTMLResponse(pages.render(platform, "status.html", report=monitor.report))

    async def data(_request: Request) -> Response:
        return JSONResponse(asdict(monitor.report), headers={"cache-control": "no-store"})

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"], name="status.html"),
            Route("/status.json", data, methods=["GET"], name="status.json"),
            Route("/site.css", pages.style_sheet, methods=["GET"]),
        ],
        exception_handlers=pages.errors(platform),
    )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
