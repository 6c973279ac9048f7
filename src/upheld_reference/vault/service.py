"""The vault's HTTP service: the operations on credentials, each for those services only that need it.

No operation gives a stored credential away. A WhatsApp token is taken from Meta and used here; a webhook's secret signs here,
and is told once, when it is made.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from uuid import UUID

import psycopg
import psycopg_pool
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from upheld_reference.graph.client import GraphClient, GraphError, GraphRefusedError
from upheld_reference.internal.mtls import CALLER
from upheld_reference.logs import app_log, security_log
from upheld_reference.platform import Asgi
from upheld_reference.vault import store
from upheld_reference.vault.errors import NoSuchCredentialError
from upheld_reference.vault.sealing import Sealer, SealError
from upheld_reference.vault.store import Sealed, Store

PERMITTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "connect_whatsapp": frozenset({"api"}),
        "send_message": frozenset({"api"}),
        "token_ages": frozenset({"api"}),
        "forget_whatsapp": frozenset({"api"}),
        "new_webhook_secret": frozenset({"api"}),
        "sign_webhook": frozenset({"worker"}),
        "forget_webhook": frozenset({"api"}),
        "forget_workspace": frozenset({"api"}),
        "workspaces": frozenset({"api"}),
        "retain": frozenset({"api"}),
        "rotate_key": frozenset({"migrations"}),
        "health": frozenset({"monitor"}),
    }
)
"""The services that may use each operation."""

_BODY_BYTES = 256 * 1024


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Code(_In):
    """A code of Embedded Signup."""

    code: str


class OutgoingMessage(_In):
    """A text message, and the number that sends it."""

    phone_number_id: str
    to: str
    text: str


class Existing(_In):
    """What a workspace has that credentials belong to."""

    account_ids: list[UUID]
    webhook_ids: list[UUID]


Operation = Callable[[Request], Awaitable[Response]]


class VaultService:
    """The operations of the vault over its store and the client for Meta's Graph API."""

    def __init__(self, kept: Store, sealer: Sealer, graph: GraphClient) -> None:
        """Works with these."""
        self.store = kept
        self.sealer = sealer
        self.graph = graph

    async def connect_whatsapp(self, request: Request) -> Response:
        """Exchanges a code for a token, seals it, subscribes with it and stores it; answers the ids, never the token."""
        workspace_id, account_id = _id(request, "workspace_id"), _id(request, "account_id")
        body = Code.model_validate_json(await _body(request))
        try:
            ids, sealed = await self.receive(account_id, body.code)
            await self.graph.subscribe(ids["waba_id"], self.store.unseal(store.TOKENS, sealed))
        except GraphRefusedError as error:
            app_log.error("sign-up refused: %s", error)
            return _error(502, "WhatsApp refused the sign-up")
        except GraphError:
            app_log.exception("sign-up failed")
            return _error(502, "WhatsApp did not answer as expected")
        await self.store.keep(store.TOKENS, workspace_id, account_id, sealed)
        return JSONResponse(ids)

    async def receive(self, _account_id: UUID, code: str) -> tuple[dict[str, str], Sealed]:
        """What Meta gives for a code: the ids, and the token, which is sealed before anything else is done with it."""
        sign_up = await self.graph.exchange(code)
        sealed = self.store.seal(store.TOKENS, sign_up.access_token)
        return {"waba_id": sign_up.waba_id, "phone_number_id": sign_up.phone_number_id}, sealed

    async def send_message(self, request: Request) -> Response:
        """Sends a message with the token of the account."""
        workspace_id, account_id = _id(request, "workspace_id"), _id(request, "account_id")
        message = OutgoingMessage.model_validate_json(await _body(request))
        token = await self.token(workspace_id, account_id)
        try:
            await self.graph.send(message.phone_number_id, token, message.to, message.text)
        except GraphError:
            app_log.exception("a message could not be handed to WhatsApp")
            return _error(502, "WhatsApp did not take the message")
        return Response(status_code=204)

    async def token(self, workspace_id: UUID, account_id: UUID) -> str:
        """The access token of a WhatsApp number, as it is stored now; raises NoSuchCredentialError."""
        return self.store.unseal(store.TOKENS, await self.store.find(store.TOKENS, workspace_id, account_id))

    async def token_ages(self, request: Request) -> Response:
        """When each token of the workspace came from Meta."""
        received = await self.store.received(_id(request, "workspace_id"))
        return JSONResponse({str(account_id): at.isoformat() for account_id, at in received.items()})

    async def forget_whatsapp(self, request: Request) -> Response:
        """Removes the token of an account."""
        await self.store.forget(store.TOKENS, _id(request, "workspace_id"), _id(request, "account_id"))
        return Response(status_code=204)

    async def new_webhook_secret(self, request: Request) -> Response:
        """Makes a secret for a webhook, stores it sealed and answers it, this once."""
        secret = f"whsec_{secrets.token_urlsafe(32)}"
        sealed = self.store.seal(store.SECRETS, secret)
        await self.store.keep(store.SECRETS, _id(request, "workspace_id"), _id(request, "webhook_id"), sealed)
        return JSONResponse({"secret": secret}, 201, {"Cache-Control": "no-store"})

    async def sign_webhook(self, request: Request) -> Response:
        """HMAC-SHA256 of the body with the webhook's secret, in hexadecimal."""
        payload = await _body(request)
        workspace_id, webhook_id = _id(request, "workspace_id"), _id(request, "webhook_id")
        secret = self.store.unseal(store.SECRETS, await self.store.find(store.SECRETS, workspace_id, webhook_id))
        return JSONResponse({"signature": hmac.new(secret.encode("utf-8"), payload, hashlib.sha256).hexdigest()})

    async def forget_webhook(self, request: Request) -> Response:
        """Removes the secret of a webhook."""
        await self.store.forget(store.SECRETS, _id(request, "workspace_id"), _id(request, "webhook_id"))
        return Response(status_code=204)

    async def forget_workspace(self, request: Request) -> Response:
        """Removes every credential of a workspace."""
        return JSONResponse({"removed": await self.store.forget_workspace(_id(request, "workspace_id"))})

    async def workspaces(self, _request: Request) -> Response:
        """The workspaces that have any credential."""
        return JSONResponse([str(workspace_id) for workspace_id in await self.store.workspaces()])

    async def retain(self, request: Request) -> Response:
        """Removes the credentials of a workspace that belong to nothing which exists."""
        workspace_id, existing = _id(request, "workspace_id"), Existing.model_validate_json(await _body(request))
        removed = await self.store.retain(store.TOKENS, workspace_id, existing.account_ids)
        removed += await self.store.retain(store.SECRETS, workspace_id, existing.webhook_ids)
        return JSONResponse({"removed": removed})

    async def rotate_key(self, _request: Request) -> Response:
        """Makes a new key and seals everything anew with it; the old keys still open what a backup may bring back."""
        key_id = self.sealer.add_key()
        changed = await self.store.rekey()
        app_log.info("the vault seals with the key %s now; %d values were sealed anew", key_id, changed)
        return JSONResponse({"key_id": key_id, "sealed_anew": changed})

    async def health(self, _request: Request) -> Response:
        """Says that it is well, once its store has answered."""
        await self.store.workspaces()
        return JSONResponse({"status": "ok"})


def build(service: VaultService) -> Asgi:
    """The ASGI application of the vault."""
    of_workspace, of_account = "/v1/workspaces/{workspace_id:uuid}", "/whatsapp/{account_id:uuid}"
    of_webhook = "/webhooks/{webhook_id:uuid}"
    return Starlette(
        routes=[
            _route(service.connect_whatsapp, f"{of_workspace}{of_account}/connect", "POST"),
            _route(service.send_message, f"{of_workspace}{of_account}/messages", "POST"),
            _route(service.forget_whatsapp, f"{of_workspace}{of_account}", "DELETE"),
            _route(service.token_ages, f"{of_workspace}/whatsapp/ages", "GET"),
            _route(service.new_webhook_secret, f"{of_workspace}{of_webhook}/secret", "POST"),
            _route(service.sign_webhook, f"{of_workspace}{of_webhook}/signature", "POST"),
            _route(service.forget_webhook, f"{of_workspace}{of_webhook}", "DELETE"),
            _route(service.forget_workspace, of_workspace, "DELETE"),
            _route(service.retain, f"{of_workspace}/retain", "POST"),
            _route(service.workspaces, "/v1/workspaces", "GET"),
            _route(service.rotate_key, "/v1/keys", "POST"),
            _route(service.health, "/health", "GET"),
        ],
        exception_handlers={
            ValidationError: _fixed(422, "the request is not as described"),
            _TooLargeError: _fixed(413, "the body is too large"),
            NoSuchCredentialError: _fixed(404, "no such credential"),
            SealError: _sealed_wrongly,
            psycopg.OperationalError: _no_database,
            psycopg_pool.PoolTimeout: _no_database,
        },
    )


def _route(operation: Operation, path: str, method: str) -> Route:
    name = operation.__name__

    async def guarded(request: Request) -> Response:
        caller = request.scope.get(CALLER)
        if caller not in PERMITTED[name]:
            security_log.warning("vault: %s refused to the service %s", name, caller)
            return _error(403, "this service may not")
        return await operation(request)

    return Route(path, guarded, methods=[method], name=name)


def _fixed(status: int, text: str) -> Callable[[Request, Exception], Response]:
    return lambda _request, _cause: _error(status, text)


def _sealed_wrongly(_request: Request, error: Exception) -> Response:
    app_log.error("the vault met a value that does not open: %s", error)
    return _error(500, "a stored value does not open")


def _no_database(_request: Request, error: Exception) -> Response:
    app_log.error("the vault found no database: %s", type(error).__name__)
    return _error(503, "temporarily unavailable")


class _TooLargeError(Exception):
    """The body is larger than any that is expected."""


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            raise _TooLargeError
    return body


def _id(request: Request, name: str) -> UUID:
    value: UUID = request.path_params[name]
    return value


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)
