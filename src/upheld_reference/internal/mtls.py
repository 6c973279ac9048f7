"""Mutual TLS between internal services: what a listener asks of its clients, and who a client turns out to be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from upheld_reference.internal import names
from upheld_reference.logs import security_log
from upheld_reference.platform import Asgi, Receive, Scope, Send

CALLER = "rivet.caller"
"""The key of an ASGI scope under which the calling service's name is; None when its certificate names none."""


def require_clients(context: ssl.SSLContext, authority_pem: bytes) -> None:
    """Has a server's ``context`` ask every client for a certificate of the one authority, and refuse it otherwise."""
    context.load_verify_locations(cadata=authority_pem.decode("ascii"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT


def peer(transport: asyncio.BaseTransport | None) -> str | None:
    """The service at the other end, by the name on its verified certificate; None when that names no service."""
    secure = None if transport is None else transport.get_extra_info("ssl_object")
    certificate: Mapping[str, Any] = (secure.getpeercert() if secure is not None else None) or {}
    for kind, name in certificate.get("subjectAltName", ()):
        if kind == "DNS" and (service := names.service_of(name)) is not None:
            return service
    return None


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also tells the application who is calling: ASGI has no way of its own."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Learns the caller once, as a connection belongs to one caller."""
        super().connection_made(transport)
        caller, app = peer(transport), self.app

        async def telling(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, CALLER: caller}, receive, send)

        self.app = telling


def may_call(listener: str, caller: str | None) -> bool:
    """Whether the service ``caller`` may call the listener."""
    return caller in names.CALLERS.get(listener, frozenset())


class PermittedCallers:
    """ASGI middleware that lets only those services in that may call the listener; others get a 403."""

    def __init__(self, app: Asgi, listener: str) -> None:
        """Wraps ``app``, which the listener called ``listener`` serves."""
        self.app = app
        self.listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        caller = scope.get(CALLER)
        if scope["type"] == "http" and not may_call(self.listener, caller):
            security_log.warning("%s refused to the service %s", self.listener, caller)
            await JSONResponse({"error": "this service may not call"}, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)
