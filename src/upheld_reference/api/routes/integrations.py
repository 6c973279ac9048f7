"""Webhooks and WhatsApp numbers: what comes with credentials."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from upheld_reference import vault
from upheld_reference.api import errors, models
from upheld_reference.api.models import ErrorBody
from upheld_reference.api.routes import DEFAULT_LIMIT, WORKSPACE, Limit
from upheld_reference.api.session import Caller, Member
from upheld_reference.database import rows
from upheld_reference.database.scope import Connection
from upheld_reference.graph.client import GraphError, GraphRefusedError, SignUp
from upheld_reference.logs import app_log

router = APIRouter(prefix=WORKSPACE, responses=errors.RESPONSES)

_UPSTREAM: dict[int | str, dict[str, Any]] = {
    502: {"model": ErrorBody, "description": "Meta's Graph API did not do its part"}
}


@router.get("/webhooks", operation_id="listWebhooks", response_model=list[models.Webhook])
async def list_webhooks(caller: Member, limit: Limit = DEFAULT_LIMIT) -> list[dict[str, Any]]:
    """The webhooks of the workspace, without their secrets."""
    async with caller.workspace() as db:
        return await rows.listing(db, rows.WEBHOOKS, caller.workspace_id, limit)


@router.post("/webhooks", operation_id="createWebhook", response_model=models.CreatedWebhook, status_code=201)
async def create_webhook(caller: Member, body: models.WebhookIn) -> dict[str, Any]:
    """Registers a webhook and shows, this once, the secret that its deliveries are signed with."""
    secret, secret_id = f"whsec_{secrets.token_urlsafe(32)}", uuid4()
    sealed = caller.services.vault.seal(secret.encode("ascii"), vault.WEBHOOK_SECRETS, secret_id)
    async with caller.workspace() as db:
        row = await rows.insert(db, rows.WEBHOOKS, caller.workspace_id, body.model_dump())
        query = """
            INSERT INTO vault.webhook_secrets (id, workspace_id, webhook_id, sealed, key_id) VALUES (%s, %s, %s, %s, %s)
        """
        await db.execute(query, [secret_id, caller.workspace_id, row["id"], sealed, caller.services.vault.key_id])
    return {**row, "secret": secret}


@router.get("/webhooks/{webhook_id}", operation_id="getWebhook", response_model=models.Webhook)
async def get_webhook(caller: Member, webhook_id: UUID) -> dict[str, Any]:
    """One webhook, without its secret."""
    async with caller.workspace() as db:
        row = await rows.read(db, rows.WEBHOOKS, caller.workspace_id, webhook_id)
    if row is None:
        raise errors.not_found()
    return row


@router.delete("/webhooks/{webhook_id}", operation_id="deleteWebhook", status_code=204)
async def delete_webhook(caller: Member, webhook_id: UUID) -> Response:
    """Deletes a webhook with its secret."""
    async with caller.workspace() as db:
        if not await rows.delete(db, rows.WEBHOOKS, caller.workspace_id, webhook_id):
            raise errors.not_found()
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
    account, token_id, sealed = await _exchange(caller, body.code)
    async with caller.workspace() as db:
        query = """
            INSERT INTO meta.whatsapp_accounts (workspace_id, waba_id, phone_number_id, phone_number)
            VALUES (%s, %s, %s, %s)
            ON CONFLICT (workspace_id, phone_number) DO UPDATE
                SET waba_id = excluded.waba_id, phone_number_id = excluded.phone_number_id
            RETURNING id, waba_id, phone_number_id, phone_number, created_at
        """
        values = [caller.workspace_id, account["waba_id"], account["phone_number_id"], body.phone_number]
        row = await (await db.execute(query, values)).fetchone()
        if row is None:
            raise RuntimeError("PostgreSQL returned no row for the account that was inserted")
        await _keep(db, caller, row["id"], token_id, sealed)
    return row


@router.get("/whatsapp", operation_id="getWhatsApp", response_model=list[models.WhatsAppAccount])
async def get_whatsapp(caller: Member, limit: Limit = DEFAULT_LIMIT) -> list[dict[str, Any]]:
    """The WhatsApp numbers of the workspace."""
    async with caller.workspace() as db:
        return await rows.listing(db, rows.WHATSAPP_ACCOUNTS, caller.workspace_id, limit)


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
    _, token_id, sealed = await _exchange(caller, body.code)
    async with caller.workspace() as db:
        await _keep(db, caller, account_id, token_id, sealed)
    return row


async def _exchange(caller: Caller, code: str) -> tuple[dict[str, str], UUID, bytes]:
    """Exchanges a code and returns the account's ids and the token, sealed as soon as it was there; raises a 502."""
    graph, token_id = caller.services.graph, uuid4()
    try:
        sign_up: SignUp = await graph.exchange(code)
        sealed = caller.services.vault.seal(sign_up.access_token.encode("ascii"), vault.WHATSAPP_TOKENS, token_id)
        await graph.subscribe(sign_up.waba_id, sign_up.access_token)
    except GraphRefusedError as error:
        app_log.error("sign-up refused: %s", error)
        raise HTTPException(502, "WhatsApp refused the sign-up") from None
    except GraphError:
        app_log.exception("sign-up failed")
        raise HTTPException(502, "WhatsApp did not answer as expected") from None
    return {"waba_id": sign_up.waba_id, "phone_number_id": sign_up.phone_number_id}, token_id, sealed


async def _keep(db: Connection, caller: Caller, account_id: UUID, token_id: UUID, sealed: bytes) -> None:
    """Stores a sealed token in place of the one that the account had."""
    query = """
        INSERT INTO vault.whatsapp_tokens (id, workspace_id, account_id, sealed, key_id) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (account_id) DO UPDATE
            SET id = excluded.id, sealed = excluded.sealed, key_id = excluded.key_id, sealed_at = now()
    """
    await db.execute(query, [token_id, caller.workspace_id, account_id, sealed, caller.services.vault.key_id])
