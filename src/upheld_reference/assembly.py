"""Puts the parts of a deployment together, starts them, and stops them again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any

from upheld_reference import application, facts, listeners, logs, pki, sabotages
from upheld_reference.api.limits import RateLimit
from upheld_reference.edge import site, status
from upheld_reference.edge.headers import API_POLICY, PAGE_POLICY, SecureHeaders
from upheld_reference.platform import Asgi, Platform
from upheld_reference.postgres import Postgres


class Assembly:
    """One deployment; importing this module takes most of its start time."""

    def __init__(self, platform: Platform, postgres: Postgres, names: Sequence[str]) -> None:
        """Plans a deployment with the sabotages ``names``; PostgreSQL is being started already."""
        self.platform = platform
        self.postgres = postgres
        self.names = tuple(names)
        self._servers: listeners.Servers | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns once everything serves and deployment.json is written.

        Raises SabotageError for an unknown sabotage, PostgresError when the database does not come up.
        """
        platform = self.platform
        logs.configure(platform.logs)
        self.postgres.ended = lambda code: logs.app_log.error("PostgreSQL ended by itself with %d", code)
        sabotages.apply(platform, self.names)
        await platform.reach("configured")
        authority = pki.authority()
        platform.ca_file.write_bytes(authority.pem)
        listeners.bind(platform, authority)
        await application.prepare_database(platform, self._database())
        await platform.reach("seeded")
        await application.run_retention_once(platform)
        monitor = status.Monitor(platform)
        self._build(monitor)
        await platform.reach("built")
        self._servers = listeners.Servers(platform)
        await self._servers.start()
        await monitor.look()
        self._run("jobs", application.run_jobs(platform))
        self._run("status", monitor.run())
        platform.facts |= application.facts(platform)
        facts.write(platform.folder, facts.gather(platform, self.postgres.facts, self.names))

    async def stop(self) -> None:
        """Stops what runs in this process; PostgreSQL is stopped by whoever started it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._servers is not None:
            await self._servers.stop()
        with contextlib.suppress(Exception):  # a database that is gone must not keep the deployment from ending
            await application.close(self.platform)

    async def _database(self) -> None:
        await asyncio.to_thread(self.postgres.wait)
        self.platform.urls["superuser"] = self.postgres.superuser_url

    def _build(self, monitor: status.Monitor) -> None:
        platform = self.platform
        www = site.build(platform)
        redirect = site.build_redirect(platform)
        status_page = status.build(platform, monitor)
        api = application.build_api(platform)
        self._serve("www", RateLimit(www, platform, routes=www.routes), PAGE_POLICY)
        self._serve("www-http", RateLimit(redirect, platform, routes=redirect.routes))
        self._serve("status", RateLimit(status_page, platform, routes=status_page.routes), PAGE_POLICY)
        self._serve("api", RateLimit(api, platform, routes=api.routes))
        platform.listeners["graph"].app = application.build_graph(platform)  # Meta's: it keeps a log of its own

    def _serve(self, name: str, app: Asgi, content_security_policy: str = API_POLICY) -> None:
        logged = logs.AccessLog(app, name)
        secured = SecureHeaders(logged, self.platform.settings, content_security_policy)
        self.platform.listeners[name].app = secured

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        async def watched() -> None:
            try:
                await work
            except Exception:
                logs.app_log.exception("the task %s ended", name)

        self._tasks.append(asyncio.create_task(watched(), name=name))
