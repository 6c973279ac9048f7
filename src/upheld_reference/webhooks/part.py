"""The worker that delivers webhooks, as a part of the deployment."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from upheld_reference import services
from upheld_reference.database import copying
from upheld_reference.database.scope import Connection, Pool, new_pool
from upheld_reference.database.seed import Seed
from upheld_reference.internal.names import host_name
from upheld_reference.logs import AccessLog
from upheld_reference.network.transport import trusting
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan, Platform
from upheld_reference.vault.client import VaultClient
from upheld_reference.webhooks import sending, service, signing
from upheld_reference.webhooks.sending import Sender
from upheld_reference.webhooks.worker import Pace, Worker

WORKER = ListenerPlan("worker", host_name("worker"), audience="internal")
"""Where the API reaches it."""

SEEDED_AGES_DAYS = (1, 30, 89, 95, 120)
"""The ages of deliveries at the start; what is over 90 the first retention run removes."""


class WebhookPart(Part):
    """Delivers events to customers' receivers."""

    listeners = (WORKER,)

    def __init__(self, platform: Platform) -> None:
        """Delivers nothing yet."""
        super().__init__(platform)
        self._pool: Pool | None = None
        self._vault = VaultClient(platform, "worker")
        self._sender: Sender | None = None
        self._worker: Worker | None = None

    async def seed(self, superuser: Connection, planned: Seed) -> None:
        """Deliveries that were made before."""
        now = datetime.now(UTC)
        made = [
            {
                "id": uuid4(),
                "workspace_id": workspace.id,
                "webhook_id": webhook_id,
                "event": "message.created",
                "status": "delivered",
                "attempts": Jsonb([{"at": (now - age).isoformat(), "status": 200, "error": None}]),
                "created_at": now - age,
            }
            for workspace in planned.workspaces
            for webhook_id in workspace.objects["webhooks"][:1]
            for age in (timedelta(days=days) - timedelta(hours=1) for days in SEEDED_AGES_DAYS)
        ]
        await copying.copy(superuser, "app.webhook_deliveries", made)

    async def prepare(self) -> None:
        """Connects to the database with a role of its own."""
        settings, shared = self.platform.settings, services.of(self.platform)
        self._pool = new_pool(self.platform.urls["worker"])
        await self._pool.open(wait=True)
        client = sending.new_client(shared.outbound, shared.guard, trusting(self.platform.ca_file))
        timeout_seconds = settings.webhook_timeout_seconds
        self._sender = Sender(client, shared.outbound, shared.guard, self._vault.sign_webhook, timeout_seconds)
        pace = Pace(
            attempts=settings.webhook_attempts,
            backoff_seconds=settings.webhook_backoff_seconds,
            poll_seconds=settings.webhook_poll_seconds,
            lease_seconds=10 * timeout_seconds,
        )
        self._worker = Worker(self._pool, self._sender, pace)

    def build(self) -> None:
        """Puts its service on its listener."""
        app = service.build(self._made().wake)
        self.platform.listeners[WORKER.name].app = AccessLog(app, WORKER.name)

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """The work itself."""
        return {"webhooks": self._made().run()}

    def facts(self) -> dict[str, Any]:
        """How deliveries are signed, and how often they are tried."""
        settings = self.platform.settings
        return {
            "webhooks": {
                "signature_header": signing.HEADER,
                "signature": "t=<seconds since 1970>,v1=<hex HMAC-SHA256 with the webhook's secret over t, a full stop, body>",
                "delivery_header": signing.DELIVERY_HEADER,
                "event_header": signing.EVENT_HEADER,
                "replay_window_seconds": signing.REPLAY_WINDOW_SECONDS,
                "attempts": settings.webhook_attempts,
                "backoff_seconds": settings.webhook_backoff_seconds,
                "timeout_seconds": settings.webhook_timeout_seconds,
            }
        }

    async def close(self) -> None:
        """Closes its connections."""
        await self._vault.close()
        if self._sender is not None:
            await self._sender.close()
        if self._pool is not None:
            await self._pool.close()

    def _made(self) -> Worker:
        if self._worker is None:
            raise RuntimeError("the worker is asked for before it is prepared")
        return self._worker
