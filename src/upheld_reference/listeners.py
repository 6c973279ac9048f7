"""Listening sockets and the servers that serve them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator

import uvicorn

from upheld_reference import pki
from upheld_reference.internal import mtls
from upheld_reference.pki import Authority
from upheld_reference.platform import Listener, ListenerPlan, Platform, Receive, Scope, Send

_DRAIN_SECONDS = 1
_LOOK_SECONDS = 0.02
_ALPN = {"http": "http/1.1", "postgresql": "postgresql"}
"""The name of each protocol in TLS (RFC 7301)."""


async def _not_built(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("this listener has no application yet")


def bind(platform: Platform, plans: Iterable[ListenerPlan], authority: Authority) -> None:
    """Fills ``platform.listeners`` with bound sockets on free ports, with TLS where planned, and without applications.

    ``authority`` signs for every listener but the internal ones, which have the internal authority and mutual TLS.
    """
    for plan in plans:
        tls = None
        if plan.tls:
            tls = pki.server_context(_ALPN[plan.protocol])
            issuer = authority
            if plan.audience == "internal":
                issuer = platform.internal.authority
                mtls.require_clients(tls, issuer.pem)
            lifetime_days = platform.settings.certificate_lifetime_days
            pki.current_credential(issuer, plan.host_name, lifetime_days).load_into(tls, platform.secrets)
        platform.listeners[plan.name] = Listener(
            plan.name,
            plan.host_name,
            _not_built,
            tls,
            _socket(plan.address),
            plan.audience,
            plan.address,
            plan.protocol,
        )


class ListenerServer(uvicorn.Server):
    """A uvicorn server for one listener that leaves signals to the process that runs several of them."""

    def __init__(self, listener: Listener) -> None:
        """Plans to serve ``listener``."""
        self.listener = listener
        internal = listener.audience == "internal"
        config = uvicorn.Config(
            mtls.PermittedCallers(listener.app, listener.name) if internal else listener.app,
            http=mtls.PeerProtocol if internal else "auto",
            lifespan="off",
            log_config=None,
            access_log=False,  # AccessLog writes it: without the query string
            server_header=False,
            proxy_headers=False,  # there is no proxy: a forwarded address is whatever the client made up
            ws="none",
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        config.load()
        config.ssl = listener.tls
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class Servers:
    """Every listener of a platform, being served."""

    def __init__(self, platform: Platform) -> None:
        """Plans to serve the HTTP listeners that the platform has now."""
        self._servers = [
            ListenerServer(listener) for listener in platform.listeners.values() if listener.protocol == "http"
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns once all of them serve; raises RuntimeError when one ends instead."""
        for server in self._servers:
            serving = server.serve(sockets=[server.listener.sock])
            self._tasks.append(asyncio.create_task(serving, name=f"listener {server.listener.name}"))
        while not all(server.started for server in self._servers):
            for server, task in zip(self._servers, self._tasks, strict=True):
                if task.done():
                    raise RuntimeError(f"the listener {server.listener.name} ended at its start")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Ends them, giving requests in progress a second."""
        for server in self._servers:
            server.should_exit = True
        ending = asyncio.gather(*self._tasks, return_exceptions=True)
        while not ending.done() and any(server.server_state.tasks for server in self._servers):
            await asyncio.sleep(_LOOK_SECONDS)
        for server in self._servers:
            # Connections with no request in progress are not waited for: a client that is idle never says goodbye.
            server.force_exit = True
        await ending


def _socket(address: str) -> socket.socket:
    # With the protocol named, asyncio sets TCP_NODELAY on accepted connections; else each answer waits 40 ms for an ACK.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind((address, 0))
    sock.listen(128)
    return sock
