"""Deliveries of webhooks: what became of them, and a ping to try a receiver with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from upheld_reference.api import errors, models
from upheld_reference.api.routes import WORKSPACE, Page
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Member
from upheld_reference.database import rows
from upheld_reference.webhooks import queue

router = APIRouter(prefix=f"{WORKSPACE}/webhooks/{{webhook_id}}", responses=errors.RESPONSES, route_class=PathRoute)


@router.get("/deliveries", operation_id="listWebhookDeliveries", response_model=list[models.WebhookDelivery])
async def list_webhook_deliveries(caller: Member, webhook_id: UUID, page: Page) -> list[dict[str, Any]]:
    """The deliveries of one webhook with the attempts that were made, without what was sent."""
    async with caller.look() as db:
        if await rows.read(db, rows.WEBHOOKS, caller.workspace_id, webhook_id) is None:
            raise errors.not_found()
        return await rows.listing(db, queue.DELIVERIES, caller.workspace_id, page, {"webhook_id": webhook_id})


@router.post("/ping", operation_id="pingWebhook", response_model=models.WebhookDelivery, status_code=202)
async def ping_webhook(caller: Member, webhook_id: UUID) -> dict[str, Any]:
    """Queues the event ``ping`` for one webhook, signed and delivered as every other.

    Every delivery carries ``Rivet-Signature: t=<seconds since 1970>,v1=<hex>``, where ``v1`` is HMAC-SHA256 with the webhook's
    secret over the digits of ``t``, a full stop and the body as it came. Refuse what is older than 300 seconds by ``t``;
    ``Rivet-Delivery`` stays the same when a delivery is sent again. Redirects are not followed.
    """
    async with caller.workspace() as db:
        if await rows.read(db, rows.WEBHOOKS, caller.workspace_id, webhook_id) is None:
            raise errors.not_found()
        delivery = await queue.enqueue_ping(db, caller.workspace_id, webhook_id)
    caller.services.worker.wake()
    return delivery
