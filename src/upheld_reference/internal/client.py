"""The HTTP client with which one internal service calls another."""

from __future__ import annotations

import ssl

import httpx

from upheld_reference.platform import Platform

_TIMEOUT_SECONDS = 10.0
_IDLE_SECONDS = 2.0
"""Shorter than the server keeps an idle connection, so that no request meets one that is just being closed."""


class _InternalTransport(httpx.AsyncHTTPTransport):
    """Reaches the one listener at its address, and verifies the name that it is called by."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, limits=httpx.Limits(max_connections=20, keepalive_expiry=_IDLE_SECONDS))
        self._address = address

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request."""
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        url = request.url.copy_with(host=self._address)
        return await super().handle_async_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


def client_context(platform: Platform, caller: str) -> ssl.SSLContext:
    """A client's TLS context for the service ``caller``: it trusts the internal authority only, and shows its own certificate."""
    files = platform.internal.clients[caller]
    context = ssl.create_default_context(cafile=str(platform.internal.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    return context


def new_client(platform: Platform, listener: str, caller: str) -> httpx.AsyncClient:
    """A client with which the service ``caller`` calls the internal listener; whoever makes it closes it.

    Raises KeyError when there is no such listener or no such service.
    """
    called = platform.listeners[listener]
    return httpx.AsyncClient(
        base_url=called.url,
        transport=_InternalTransport(called.address, client_context(platform, caller)),
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
        follow_redirects=False,
    )
