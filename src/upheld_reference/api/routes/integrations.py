"""Webhooks and WhatsApp numbers: what comes with credentials."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from upheld_reference.api import advice, errors, models
from upheld_reference.api.routes import WORKSPACE, Page
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Caller, Member
from upheld_reference.database import rows
from upheld_reference.network.guard import UrlRefusedError
from upheld_reference.vault.client import AccountIds
from upheld_reference.vault.errors import UpstreamError

router = APIRouter(prefix=WORKSPACE, responses=errors.RESPONSES, route_class=PathRoute)

_UPSTREAM: dict[int | str, dict[str, Any]] = {
    409: errors.refusal("Another request for the same number came first"),
    502: errors.refusal("Meta's Graph API did not do its part"),
}


@router.get("/webhooks", operation_id="listWebhooks", response_model=list[models.Webhook])
async def list_webhooks(caller: Member, page: Page) -> list[dict[str, Any]]:
    """The webhooks of the workspace, without their secrets."""
    async with caller.look() as db:
        return await rows.listing(db, rows.WEBHOOKS, caller.workspace_id, page)


@router.post("/webhooks", operation_id="createWebhook", response_model=models.CreatedWebhook, status_code=201)
async def create_webhook(caller: Member, body: models.WebhookIn) -> dict[str, Any]:
    """Registers a webhook and shows, this once, the secret that its deliveries are signed with."""
    url = _checked(caller, body.url)
    webhook_id = uuid4()
    secret = await caller.services.vault.new_webhook_secret(caller.workspace_id, webhook_id)
    async with caller.workspace() as db:
        row = await rows.insert(db, rows.WEBHOOKS, caller.workspace_id, {"id": webhook_id, "url": url})
        await caller.note(db, f"webhook:{webhook_id}")
    return {**row, "secret": secret}


@router.get("/webhooks/{webhook_id}", operation_id="getWebhook", response_model=models.Webhook)
async def get_webhook(caller: Member, webhook_id: UUID) -> dict[str, Any]:
    """One webhook, without its secret."""
    async with caller.look() as db:
        row = await rows.read(db, rows.WEBHOOKS, caller.workspace_id, webhook_id)
    if row is None:
        raise errors.not_found()
    return row


@router.patch("/webhooks/{webhook_id}", operation_id="updateWebhook", response_model=models.Webhook)
async def update_webhook(caller: Member, webhook_id: UUID, body: models.WebhookChange) -> dict[str, Any]:
    """Has a webhook's events delivered to another URL; its secret stays."""
    url = _checked(caller, body.url)
    async with caller.workspace() as db:
        row = await rows.update(db, rows.WEBHOOKS, caller.workspace_id, webhook_id, {"url": url})
        if row is None:
            raise errors.not_found()
        await caller.note(db, f"webhook:{webhook_id}")
    return row


@router.post("/webhooks/{webhook_id}/secret", operation_id="rotateWebhookSecret", response_model=models.CreatedWebhook)
async def rotate_webhook_secret(caller: Member, webhook_id: UUID) -> dict[str, Any]:
    """Replaces the secret of a webhook and shows the new one, this once; the old one signs nothing any more."""
    async with caller.workspace() as db:
        row = await rows.read(db, rows.WEBHOOKS, caller.workspace_id, webhook_id)
    if row is None:
        raise errors.not_found()
    secret = await caller.services.vault.new_webhook_secret(caller.workspace_id, webhook_id)
    async with caller.workspace() as db:
        await caller.note(db, f"webhook:{webhook_id}")
    return {**row, "secret": secret}


@router.delete("/webhooks/{webhook_id}", operation_id="deleteWebhook", status_code=204)
async def delete_webhook(caller: Member, webhook_id: UUID) -> Response:
    """Deletes a webhook with its secret."""
    async with caller.workspace() as db:
        if not await rows.delete(db, rows.WEBHOOKS, caller.workspace_id, webhook_id):
            raise errors.not_found()
        await caller.note(db, f"webhook:{webhook_id}")
    await caller.services.vault.forget_webhook(caller.workspace_id, webhook_id)
    return Response(status_code=204)


@router.post(
    "/whatsapp/signup",
    operation_id="signUpWhatsApp",
    response_model=models.WhatsAppAccount,
    status_code=201,
    responses=_UPSTREAM,
)
async def sign_up_whatsapp(caller: Member, body: models.SignUpIn) -> dict[str, Any]:
    """Connects a WhatsApp number with the code that Embedded Signup gave; a known number gets the new token."""
    async with caller.workspace() as db:
        known = await rows.listing(
            db, rows.WHATSAPP_ACCOUNTS, caller.workspace_id, rows.Page(1), {"phone_number": body.phone_number}
        )
    account_id = known[0]["id"] if known else uuid4()
    ids = await _connect(caller, account_id, body.code)
    async with caller.workspace() as db:
        query = """
            INSERT INTO meta.whatsapp_accounts (id, workspace_id, waba_id, phone_number_id, phone_number)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (workspace_id, phone_number) DO UPDATE
                SET waba_id = excluded.waba_id, phone_number_id = excluded.phone_number_id
                WHERE whatsapp_accounts.id = excluded.id
            RETURNING id, waba_id, phone_number_id, phone_number, created_at
        """
        values = [account_id, caller.workspace_id, ids.waba_id, ids.phone_number_id, body.phone_number]
        row = await (await db.execute(query, values)).fetchone()
        if row is not None:
            await caller.note(db, f"whatsapp_account:{account_id}")
    if row is None:
        await caller.services.vault.forget_whatsapp(caller.workspace_id, account_id)
        raise HTTPException(409, "another sign-up of this number came first")
    return (await _advised(caller, [row]))[0]


@router.get("/whatsapp", operation_id="getWhatsApp", response_model=list[models.WhatsAppAccount])
async def get_whatsapp(caller: Member, page: Page) -> list[dict[str, Any]]:
    """The WhatsApp numbers of the workspace, with the age of each token and whether to rotate it."""
    async with caller.look() as db:
        accounts = await rows.listing(db, rows.WHATSAPP_ACCOUNTS, caller.workspace_id, page)
    return await _advised(caller, accounts)


@router.post(
    "/whatsapp/{account_id}/rotate",
    operation_id="rotateWhatsAppToken",
    response_model=models.WhatsAppAccount,
    responses=_UPSTREAM,
)
async def rotate_whatsapp_token(caller: Member, account_id: UUID, body: models.RotationIn) -> dict[str, Any]:
    """Replaces the access token of a WhatsApp number."""
    async with caller.workspace() as db:
        row = await rows.read(db, rows.WHATSAPP_ACCOUNTS, caller.workspace_id, account_id)
    if row is None:
        raise errors.not_found()
    await _connect(caller, account_id, body.code)
    async with caller.workspace() as db:
        await caller.note(db, f"whatsapp_account:{account_id}")
    return (await _advised(caller, [row]))[0]


async def _advised(caller: Caller, accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The accounts with the ages of their tokens, which the vault knows."""
    received = await caller.services.vault.token_ages(caller.workspace_id)
    advised_days = caller.services.token_rotation_advised_days
    return [advice.with_advice(account, received, advised_days) for account in accounts]


def _checked(caller: Caller, url: str) -> str:
    """The URL as it is stored, once the guard of the network has let it pass; raises a 422."""
    try:
        return caller.services.guard.check(url).url
    except UrlRefusedError as error:
        raise RequestValidationError(
            [{"loc": ("body", "url"), "msg": f"the URL {error}", "type": "webhook_url"}]
        ) from None


async def _connect(caller: Caller, account_id: UUID, code: str) -> AccountIds:
    """Has the vault exchange a code for the account's token; raises a 502 when Meta does not do its part."""
    try:
        return await caller.services.vault.connect_whatsapp(caller.workspace_id, account_id, code)
    except UpstreamError as error:
        raise HTTPException(502, error.reason) from None
