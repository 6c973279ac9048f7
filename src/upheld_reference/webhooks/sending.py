"""Sending one delivery: signed, over HTTPS, to the address that the guard has looked at, and without following anybody."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx

from upheld_reference.logs import app_log, security_log
from upheld_reference.network.guard import Guard, UrlRefusedError
from upheld_reference.network.transport import ANSWER, AddressRefusedError, LookedUp, Outbound, failure
from upheld_reference.network.zone import NameNotFoundError
from upheld_reference.vault.errors import VaultError
from upheld_reference.webhooks import signing
from upheld_reference.webhooks.queue import Attempt, Delivery

Sign = Callable[[UUID, UUID, bytes], Awaitable[str]]
"""HMAC-SHA256, in hexadecimal, with the secret of a workspace's webhook over some bytes; raises VaultError."""

PURPOSE = "webhook"
"""What the outbound record calls it."""


def new_client(outbound: Outbound, guard: Guard, trusted: ssl.SSLContext) -> httpx.AsyncClient:
    """A client for customers' receivers.

    Connections are not kept, so that each request has its addresses looked at anew. No proxy variable is read: a proxy would
    look the name up once more. Redirects are answers like any other.
    """
    transport = outbound.transport(PURPOSE, trusted, guard.choose, keep_alive=False)
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)


class Sender:
    """Makes attempts."""

    def __init__(
        self, client: httpx.AsyncClient, outbound: Outbound, guard: Guard, sign: Sign, timeout_seconds: float
    ) -> None:
        """Sends by ``client`` with signatures by ``sign``; a receiver has ``timeout_seconds`` in all."""
        self._client = client
        self._outbound = outbound
        self._guard = guard
        self._sign = sign
        self._timeout_seconds = timeout_seconds

    async def send(self, delivery: Delivery) -> Attempt:
        """Tries to deliver once and says what came of it; of the answer nothing is read but its status."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        try:
            url = httpx.URL(self._guard.destination(delivery.url).url)
            # Before anything is signed; the transport then connects to this answer, and looks at it once more.
            looked_up = self._outbound.look_up(PURPOSE, url, self._guard.choose)
            headers = await self._headers(delivery)
            async with asyncio.timeout(self._timeout_seconds):
                status = await self._post(url, headers, delivery.body, looked_up)
        except UrlRefusedError:
            error = "address refused"
        except VaultError:
            app_log.exception("the vault did not sign the delivery %s", delivery.id)
            error = "not signed"
        except (AddressRefusedError, NameNotFoundError, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as caught:
            error = failure(caught)
        else:
            return Attempt(at, status, _error(status))
        if error == "address refused":
            security_log.warning("a webhook of the workspace %s leads inside", delivery.workspace_id)
        return Attempt(at, None, error)

    async def close(self) -> None:
        """Closes the client."""
        await self._client.aclose()

    async def _headers(self, delivery: Delivery) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "Rivet-Webhooks/1",
            "Accept-Encoding": "identity",
            signing.EVENT_HEADER: delivery.event,
            signing.DELIVERY_HEADER: str(delivery.id),
            **await signature_headers(self._sign, delivery),
        }

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes, looked_up: LookedUp) -> int:
        extensions = {ANSWER: looked_up}
        # As a stream, so that an answer without an end is closed instead of read.
        async with self._client.stream("POST", url, headers=headers, content=body, extensions=extensions) as response:
            return response.status_code


async def signature_headers(sign: Sign, delivery: Delivery) -> dict[str, str]:
    """The headers by which a receiver knows that a delivery is Rivet's, and new."""
    now = int(time.time())
    signature = await sign(delivery.workspace_id, delivery.webhook_id, signing.signed_content(now, delivery.body))
    return {signing.HEADER: signing.header_value(now, signature)}


def _error(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return "redirected" if 300 <= status < 400 else "refused by the receiver"
