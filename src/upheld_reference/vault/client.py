"""How other services ask the vault for something: over mutual TLS, and never for a stored credential itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from upheld_reference.internal.client import new_client
from upheld_reference.platform import Platform
from upheld_reference.vault.errors import (
    NoSuchCredentialError,
    UpstreamError,
    VaultRefusedError,
    VaultUnreachableError,
)


@dataclass(frozen=True)
class AccountIds:
    """What Meta calls an account and its number."""

    waba_id: str
    phone_number_id: str


class VaultClient:
    """The vault as one service sees it; every method raises VaultError when the vault does not do it."""

    def __init__(self, platform: Platform, caller: str) -> None:
        """Calls as the service ``caller``, from the first request on."""
        self._platform = platform
        self._caller = caller
        self._http: httpx.AsyncClient | None = None

    async def connect_whatsapp(self, workspace_id: UUID, account_id: UUID, code: str) -> AccountIds:
        """Has the code exchanged for a token, which the vault keeps in place of the one that the account had.

        Raises UpstreamError when Meta does not do its part; the account then keeps the token that it had.
        """
        answer = await self.call("POST", f"{_account(workspace_id, account_id)}/connect", json={"code": code})
        return AccountIds(answer["waba_id"], answer["phone_number_id"])

    async def send_message(
        self, workspace_id: UUID, account_id: UUID, phone_number_id: str, to: str, text: str
    ) -> None:
        """Sends a text by WhatsApp with the account's token; raises UpstreamError, NoSuchCredentialError."""
        body = {"phone_number_id": phone_number_id, "to": to, "text": text}
        await self.call("POST", f"{_account(workspace_id, account_id)}/messages", json=body)

    async def token_ages(self, workspace_id: UUID) -> dict[UUID, datetime]:
        """When the token of each WhatsApp account of the workspace came from Meta, by the account's id."""
        answer = await self.call("GET", f"{_workspace(workspace_id)}/whatsapp/ages")
        return {UUID(account_id): datetime.fromisoformat(at) for account_id, at in answer.items()}

    async def forget_whatsapp(self, workspace_id: UUID, account_id: UUID) -> None:
        """Removes the token of an account, if it has one."""
        await self.call("DELETE", _account(workspace_id, account_id))

    async def new_webhook_secret(self, workspace_id: UUID, webhook_id: UUID) -> str:
        """Has a new secret made and kept for a webhook, and returns it, this once."""
        answer = await self.call("POST", f"{_webhook(workspace_id, webhook_id)}/secret")
        return str(answer["secret"])

    async def sign_webhook(self, workspace_id: UUID, webhook_id: UUID, payload: bytes) -> str:
        """HMAC-SHA256 of ``payload`` with the webhook's secret, in hexadecimal; raises NoSuchCredentialError."""
        answer = await self.call("POST", f"{_webhook(workspace_id, webhook_id)}/signature", content=payload)
        return str(answer["signature"])

    async def forget_webhook(self, workspace_id: UUID, webhook_id: UUID) -> None:
        """Removes the secret of a webhook, if it has one."""
        await self.call("DELETE", _webhook(workspace_id, webhook_id))

    async def forget_workspace(self, workspace_id: UUID) -> int:
        """Removes every credential of a workspace and returns how many those were."""
        return int((await self.call("DELETE", _workspace(workspace_id)))["removed"])

    async def workspaces(self) -> list[UUID]:
        """The workspaces that have any credential."""
        return [UUID(workspace_id) for workspace_id in await self.call("GET", "/v1/workspaces")]

    async def retain(self, workspace_id: UUID, account_ids: Iterable[UUID], webhook_ids: Iterable[UUID]) -> int:
        """Removes credentials of accounts and webhooks other than these, but for the youngest, and returns how many."""
        body = {"account_ids": [str(one) for one in account_ids], "webhook_ids": [str(one) for one in webhook_ids]}
        return int((await self.call("POST", f"{_workspace(workspace_id)}/retain", json=body))["removed"])

    async def rotate_key(self) -> str:
        """Has a new key made and everything sealed anew with it, and returns the key's identifier."""
        return str((await self.call("POST", "/v1/keys"))["key_id"])

    async def close(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """What the vault answers to one request, given as httpx takes it; None when it answers nothing."""
        if self._http is None:
            self._http = new_client(self._platform, "vault", self._caller)
        try:
            response = await self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise VaultUnreachableError(f"the vault gave no answer: {type(error).__name__}") from error
        if response.status_code == 204:
            return None
        try:
            answer = response.json()
        except ValueError as error:
            raise VaultRefusedError(response.status_code) from error
        if response.status_code == 502:
            raise UpstreamError(str(answer["error"]))
        if response.status_code == 503:
            raise VaultUnreachableError("the vault finds no database")
        if response.status_code == 404:
            raise NoSuchCredentialError("the workspace has no such credential")
        if response.status_code >= 400:
            raise VaultRefusedError(response.status_code)
        return answer


def _workspace(workspace_id: UUID) -> str:
    return f"/v1/workspaces/{workspace_id}"


def _account(workspace_id: UUID, account_id: UUID) -> str:
    return f"{_workspace(workspace_id)}/whatsapp/{account_id}"


def _webhook(workspace_id: UUID, webhook_id: UUID) -> str:
    return f"{_workspace(workspace_id)}/webhooks/{webhook_id}"
