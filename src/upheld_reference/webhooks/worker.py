"""The worker: takes what is due from the queue, sends it, and writes down what came of it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from dataclasses import dataclass
from uuid import UUID

from upheld_reference.database.scope import Pool, workspace_look, workspace_scope
from upheld_reference.logs import app_log
from upheld_reference.webhooks import queue
from upheld_reference.webhooks.sending import Sender

_AT_ONCE = 64
_BUSY = 16
"""A workspace with so many deliveries under way gets no further ones until one of them has ended."""


@dataclass(frozen=True)
class Pace:
    """How often and how long it tries."""

    attempts: int
    """How many attempts there are at most."""
    backoff_seconds: float
    """The pause after the first failed attempt; it doubles with every further one."""
    poll_seconds: float
    """The pause between two looks at the queue when nobody wakes it."""
    lease_seconds: float
    """How long a claim lasts; longer than any attempt."""

    def pause_after(self, attempts: int) -> float | None:
        """The pause after ``attempts`` failed ones; None when that was the last."""
        return None if attempts >= self.attempts else self.backoff_seconds * float(2 ** (attempts - 1))


class Worker:
    """Works with the role rivet_worker, in one workspace at a time."""

    def __init__(self, pool: Pool, sender: Sender, pace: Pace) -> None:
        """Takes deliveries from the database behind ``pool`` and sends them by ``sender``."""
        self._pool = pool
        self._sender = sender
        self._pace = pace
        self._woken = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], UUID] = {}

    def wake(self) -> None:
        """Has it look at the queue at once."""
        self._woken.set()

    async def run(self) -> None:
        """Works until cancelled; when the database does not answer it tries again at the next look."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._start_due()
                except Exception:
                    app_log.exception("the webhook queue could not be read")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._pace.poll_seconds)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start_due(self) -> None:
        free = _AT_ONCE - len(self._tasks)
        if free <= 0:
            return
        async with self._pool.connection() as db:
            claimed = await queue.claim(db, free, self._pace.lease_seconds, self._busy())
        for delivery_id, workspace_id in claimed:
            task = asyncio.create_task(self._deliver(delivery_id, workspace_id), name=f"delivery {delivery_id}")
            self._tasks[task] = workspace_id
            task.add_done_callback(self._ended)

    def _busy(self) -> list[UUID]:
        counted = collections.Counter(self._tasks.values())
        return [workspace_id for workspace_id, count in counted.items() if count >= _BUSY]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if len(self._tasks) >= _AT_ONCE or self._tasks[task] in self._busy():  # there may be more that had no room
            self.wake()
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            app_log.error("a delivery could not be worked on", exc_info=error)

    async def _deliver(self, delivery_id: UUID, workspace_id: UUID) -> None:
        async with workspace_look(self._pool, workspace_id) as db:
            delivery = await queue.read(db, workspace_id, delivery_id)
        if delivery is None:
            return
        attempt = await self._sender.send(delivery)
        pause = None if attempt.error is None else self._pace.pause_after(delivery.attempts + 1)
        async with workspace_scope(self._pool, workspace_id) as db:
            await queue.note(db, delivery, attempt, pause)
        if pause is not None:
            asyncio.get_running_loop().call_later(pause, self.wake)
