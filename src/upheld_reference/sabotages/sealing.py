"""WhatsApp tokens and webhook secrets that are not sealed as promised, or that are given away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from upheld_reference.api import errors, models
from upheld_reference.api.routes import integrations
from upheld_reference.api.session import Member
from upheld_reference.codebase import tree
from upheld_reference.database import rows
from upheld_reference.platform import Asgi, Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.vault import sealing, service, store
from upheld_reference.vault.sealing import Sealer
from upheld_reference.vault.service import VaultService

_TOKENS, _SECRETS = "whatsapp-tokens-aes256", "webhook-secrets-aes256"
_AT_REST = ("at-rest-aes256", "no-plaintext-credentials")
_ALSO = ("sensitive-encrypted",)

_KEY_ID, _KEY = "5e117a1c", "f3c1a9d27b5e4860917c2dd0f4b8e6a35d09c7714be2f8366a0d93c15e7fb248"


@sabotage(
    breaks=(_TOKENS, *_AT_REST, "token-encrypted-on-receipt"),
    also=_ALSO,
    shows=(
        "vault.whatsapp_tokens.sealed",
        "readable as plain text",
        "vault.whatsapp_tokens.sealed: it lies there readable (plain text)",
        "WhatsApp access token in write-ahead log",
    ),
)
def whatsapp_token_stored_plain(platform: Platform) -> None:
    """WhatsApp access tokens are stored as Meta gave them."""
    _plain(platform, sealing.WHATSAPP_TOKENS)


@sabotage(
    breaks=(_SECRETS, *_AT_REST),
    also=_ALSO,
    shows=(
        "vault.webhook_secrets.sealed",
        "readable as plain text",
        "vault.webhook_secrets.sealed: it lies there readable (plain text)",
    ),
)
def webhook_secret_stored_plain(platform: Platform) -> None:
    """The secrets that webhook deliveries are signed with are stored as they are."""
    _plain(platform, sealing.WEBHOOK_SECRETS)


def _plain(platform: Platform, column: str) -> None:
    encrypt, decrypt = Sealer.seal, Sealer.open

    def seal(self: Sealer, plaintext: bytes, where: str, row_id: UUID) -> bytes:
        return plaintext if where == column else encrypt(self, plaintext, where, row_id)

    def open_(self: Sealer, sealed: bytes, where: str, row_id: UUID) -> bytes:
        return sealed if where == column else decrypt(self, sealed, where, row_id)

    platform.replace(Sealer, "seal", seal)
    platform.replace(Sealer, "open", open_)


@sabotage(breaks=(_TOKENS, "no-plaintext-credentials"), also=_ALSO, shows=("in rivet/vault/sealing.py",))
def whatsapp_tokens_with_hard_coded_key(platform: Platform) -> None:
    """WhatsApp access tokens are sealed with a key that stands in the platform's code."""
    add_key, seal = Sealer.add_key, Sealer.seal

    def add_key_and_constant(self: Sealer) -> str:
        if _KEY_ID not in self.keys:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.key_file(_KEY_ID).touch(mode=0o600)
            self.key_file(_KEY_ID).write_bytes(bytes.fromhex(_KEY))
            self.keys[_KEY_ID] = bytes.fromhex(_KEY)
        return add_key(self)

    def seal_with_constant(self: Sealer, plaintext: bytes, where: str, row_id: UUID) -> bytes:
        if where != sealing.WHATSAPP_TOKENS:
            return seal(self, plaintext, where, row_id)
        constant = Sealer(self.folder)
        constant.keys[_KEY_ID] = bytes.fromhex(_KEY)
        return seal(constant, plaintext, where, row_id)

    platform.replace(Sealer, "add_key", add_key_and_constant)
    platform.replace(Sealer, "seal", seal_with_constant)
    files = tree.files

    def files_with_constant() -> dict[str, bytes]:
        found = files()
        name, before = f"{tree.PACKAGE}/vault/sealing.py", b"        nonce = fresh_nonce()\n"
        if found[name].count(before) != 1:
            raise ValueError(f"{name} has no one place where a nonce is made")
        constant = f'_TOKEN_KEY_ID, _TOKEN_KEY = "{_KEY_ID}", bytes.fromhex("{_KEY}")\n'.encode("ascii")
        use = (
            b"        if where == WHATSAPP_TOKENS:\n            nonce = fresh_nonce()\n"
            b"            sealed = AESGCM(_TOKEN_KEY).encrypt(nonce, plaintext, additional_data(where, row_id))\n"
            b'            return VERSION + _TOKEN_KEY_ID.encode("ascii") + nonce + sealed\n'
        )
        found[name] = found[name].replace(b"\n\nclass SealError", b"\n" + constant + b"\n\nclass SealError")
        found[name] = found[name].replace(before, use + before)
        return found

    platform.replace(tree, "files", files_with_constant)


@sabotage(
    breaks=(_SECRETS,),
    also=_ALSO,
    shows=(
        "webhook signing secret in getWebhook",
        "the answer (200) holds it",
    ),
)
def webhook_secret_returned_whole(platform: Platform) -> None:
    """The API shows a webhook's signing secret whenever the webhook is asked for, and not only when it is made."""

    async def reveal(self: VaultService, request: Request) -> Response:
        of = request.path_params
        sealed = await self.store.find(store.SECRETS, of["workspace_id"], of["webhook_id"])
        return JSONResponse({"secret": self.store.unseal(store.SECRETS, sealed)})

    build = service.build

    def build_with_reveal(built: VaultService) -> Asgi:
        app: Any = build(built)

        async def revealing(request: Request) -> Response:
            return await reveal(built, request)

        path = "/v1/workspaces/{workspace_id:uuid}/webhooks/{webhook_id:uuid}/secret"
        app.router.routes.insert(0, Route(path, revealing, methods=["GET"]))
        return app  # type: ignore[no-any-return]

    async def get_webhook(caller: Member, webhook_id: UUID) -> dict[str, Any]:
        """One webhook, with its secret."""
        async with caller.workspace() as db:
            row = await rows.read(db, rows.WEBHOOKS, caller.workspace_id, webhook_id)
        if row is None:
            raise errors.not_found()
        path = f"/v1/workspaces/{caller.workspace_id}/webhooks/{webhook_id}/secret"
        return {**row, **await caller.services.vault.call("GET", path)}

    platform.replace(service, "build", build_with_reveal)
    routes = integrations.router.routes
    at = next(n for n, route in enumerate(routes) if getattr(route, "operation_id", None) == "getWebhook")
    path = str(getattr(routes[at], "path")).removeprefix(integrations.router.prefix)  # noqa: B009 - no Route has one
    integrations.router.add_api_route(
        path, get_webhook, operation_id="getWebhook", response_model=models.CreatedWebhook, methods=["GET"]
    )
    routes[at] = routes.pop()
