"""What background jobs share: they run at intervals, survive a failed run, and may hold one connection of their own role."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from psycopg import AsyncConnection

from upheld_reference.logs import app_log


class Job(ABC):
    """Something that is done again and again."""

    what = "the job"
    """What the log calls it."""

    def __init__(self, interval_seconds: float) -> None:
        """Pauses ``interval_seconds`` between two runs."""
        self._interval_seconds = interval_seconds

    @abstractmethod
    async def once(self) -> object:
        """Does it one time; raises what goes wrong."""

    async def run(self) -> None:
        """Runs the job at every interval until cancelled; a failed run is logged and the next one tries again."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.once()
            except Exception:
                app_log.exception("%s failed", self.what)
                await self.close()

    async def close(self) -> None:  # noqa: B027 - most jobs hold nothing
        """Lets go of what it holds; the next run takes it up anew."""


class DatabaseJob(Job):
    """A job with a database role of its own."""

    def __init__(self, url: str, interval_seconds: float) -> None:
        """Works as the role in ``url``."""
        super().__init__(interval_seconds)
        self._url = url
        self._connection: AsyncConnection[Any] | None = None

    async def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def connected(self) -> AsyncConnection[Any]:
        """The job's connection, which commits each statement unless it is told otherwise."""
        if self._connection is None:
            self._connection = await AsyncConnection.connect(self._url, autocommit=True)
        return self._connection
