"""Puts the parts of a deployment together, starts them, and stops them again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any

from upheld_reference import application, facts, listeners, logs, parts, pki, sabotages
from upheld_reference.database import roles
from upheld_reference.internal.certificates import InternalCertificates
from upheld_reference.platform import Platform
from upheld_reference.postgres import Postgres


class Assembly:
    """One deployment; importing this module takes most of its start time."""

    def __init__(self, platform: Platform, postgres: Postgres, names: Sequence[str]) -> None:
        """Plans a deployment with the sabotages ``names``; PostgreSQL is being started already."""
        self.platform = platform
        self.postgres = postgres
        self.names = tuple(names)
        self.parts = parts.all_parts(platform)
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
        authority = platform.authority = pki.authority()
        platform.ca_file.write_bytes(authority.pem)
        platform.internal = InternalCertificates(platform.folder / "internal", roles.services())
        listeners.bind(platform, [plan for part in self.parts for plan in part.listeners], authority)
        for part in self.parts:
            await part.open()
        await application.prepare_database(platform, self._database(), self.parts)
        await platform.reach("seeded")
        for part in self.parts:
            await part.prepare()
        for part in self.parts:
            part.build()
        await platform.reach("built")
        self._servers = listeners.Servers(platform)
        await self._servers.start()
        for part in self.parts:
            await part.settle()
        for part in self.parts:
            for name, job in part.jobs().items():
                self._run(name, job)
        await platform.reach("settled")
        for part in self.parts:
            platform.facts |= part.facts()
        facts.write(platform.folder, facts.gather(platform, self.postgres.facts, self.names))

    async def stop(self) -> None:
        """Stops what runs in this process; PostgreSQL is stopped by whoever started it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._servers is not None:
            await self._servers.stop()
        with contextlib.suppress(Exception):  # a part that is gone must not keep the deployment from ending
            await application.close(self.platform)
        for part in reversed(self.parts):
            with contextlib.suppress(Exception):  # likewise
                await part.close()

    async def _database(self) -> None:
        await asyncio.to_thread(self.postgres.wait)
        self.platform.urls["superuser"] = self.postgres.superuser_url

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        async def watched() -> None:
            try:
                await work
            except Exception:
                logs.app_log.exception("the task %s ended", name)

        self._tasks.append(asyncio.create_task(watched(), name=name))
