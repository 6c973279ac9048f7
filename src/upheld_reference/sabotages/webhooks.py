"""Deliveries of webhooks that are not HTTPS only, or not signed as they should be."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from upheld_reference.network import guard as guarding
from upheld_reference.network.guard import Guard
from upheld_reference.network.transport import Outbound, trusting
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.vault import service, store
from upheld_reference.vault.service import VaultService
from upheld_reference.webhooks import part, sending, signing
from upheld_reference.webhooks.queue import Delivery

_CLAIMS = ("webhooks-https-signed",)
_ALSO = ("sensitive-encrypted",)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "http: a webhook without TLS was taken",
        "in plain text",
    ),
)
def webhook_http_accepted(platform: Platform) -> None:
    """A webhook may be registered with a plain http URL, and is then delivered to without TLS."""
    platform.schema.append("ALTER TABLE app.webhooks DROP CONSTRAINT webhooks_url_check")
    platform.replace(guarding, "SCHEMES", MappingProxyType({**guarding.SCHEMES, "http": 80}))
    ports = (*platform.settings.webhook_ports, 80)
    platform.settings = dataclasses.replace(platform.settings, webhook_ports=ports)


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("unknown authority: the certificate is not verified",))
def webhook_certificate_not_verified(platform: Platform) -> None:
    """Deliveries take any certificate, of whichever authority and for whichever name."""

    def anybody(ca_file: Path) -> ssl.SSLContext:
        context = trusting(ca_file)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    platform.replace(part, "trusting", anybody)


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("it carries no signature",))
def webhook_signature_missing(platform: Platform) -> None:
    """Deliveries carry no signature."""

    async def unsigned(_sign: sending.Sign, _delivery: Delivery) -> dict[str, str]:
        return {}

    platform.replace(sending, "signature_headers", unsigned)


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("covers only the first 64",))
def webhook_signature_over_part_of_body(platform: Platform) -> None:
    """The signature covers the time and the first 64 bytes of the body; what follows may be altered."""
    whole = signing.signed_content
    platform.replace(signing, "signed_content", lambda timestamp, body: whole(timestamp, body[:64]))


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("the secret is shared",))
def webhook_shared_signing_key(platform: Platform) -> None:
    """Every new webhook gets the same signing secret, so that each customer can sign deliveries to all others."""
    shared = "whsec_5BvT1kq0yJm8Zr3nXw7cLd2hPf9sGa6uEo4iQt1RbNM"

    async def new_webhook_secret(self: VaultService, request: Request) -> Response:
        workspace_id, webhook_id = (UUID(str(request.path_params[name])) for name in ("workspace_id", "webhook_id"))
        await self.store.keep(store.SECRETS, workspace_id, webhook_id, self.store.seal(store.SECRETS, shared))
        return JSONResponse({"secret": shared}, 201, {"Cache-Control": "no-store"})

    platform.replace(service.VaultService, "new_webhook_secret", new_webhook_secret)


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("redirect to plain http was followed",))
def webhook_redirect_to_http_followed(platform: Platform) -> None:
    """Deliveries follow redirects, also to plain http; the addresses that they lead to are looked at all the same."""
    right = sending.new_client

    def new_client(outbound: Outbound, guard: Guard, trusted: ssl.SSLContext) -> httpx.AsyncClient:
        client = right(outbound, guard, trusted)
        client.follow_redirects = True
        return client

    platform.replace(sending, "new_client", new_client)
