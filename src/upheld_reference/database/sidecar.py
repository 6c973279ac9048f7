"""The way to PostgreSQL: mutual TLS on a port, and behind it the server's Unix socket, which nobody else may open.

The server's own build speaks no TLS, so that a sidecar ends it, as in a service mesh. Clients negotiate TLS directly, with the
protocol name "postgresql" (libpq's sslnegotiation=direct, PostgreSQL 17 and later); whoever begins in plain text is hung up on.
A certificate lets its service connect as that service's database role and as no other, as clientcert=verify-full with a map
of users would. The password is asked for by the server as ever.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

from upheld_reference.database import roles
from upheld_reference.internal import mtls
from upheld_reference.logs import app_log, security_log
from upheld_reference.platform import Listener

ALPN = "postgresql"
"""The protocol's name in TLS (PostgreSQL 17 documentation, 53.2.11)."""

_STARTUP_BYTES = 10_000  # what PostgreSQL itself takes at most
_STARTUP_SECONDS = 10.0
_CANCEL = 80877102
_PROTOCOL_3 = 3


class StartupError(Exception):
    """The first packet is not one that a client may begin with."""


def may_connect(service: str | None, role: str) -> bool:
    """Whether the certificate of ``service`` lets it connect as ``role``."""
    return service is not None and service in roles.SERVICES.get(role, frozenset())


def startup_role(begun: bytes) -> str | None:
    """The role in a first packet that is whole; None in its place for a request to cancel a query.

    Raises StartupError for a packet that nobody may begin with, and EOFError for one of which more has to come.
    """
    if len(begun) < struct.calcsize("!II"):
        raise EOFError
    length, code = struct.unpack_from("!II", begun)
    if not 8 <= length <= _STARTUP_BYTES:
        raise StartupError(f"a first packet of {length} bytes")
    if len(begun) < length:
        raise EOFError
    if code == _CANCEL:
        return None
    if code >> 16 != _PROTOCOL_3:
        raise StartupError(f"a first packet of the kind {code}")
    words = begun[8:length].rstrip(b"\0").split(b"\0")
    options = dict(zip(words[::2], words[1::2], strict=False))
    return options.get(b"user", b"").decode("utf-8", "replace")


class Sidecar:
    """Serves one listener for the server behind one socket."""

    def __init__(self, listener: Listener, socket_path: Callable[[], Path]) -> None:
        """Plans to take connections from ``listener``; the socket's path is asked for at each of them."""
        self._listener = listener
        self._socket_path = socket_path
        self._server: asyncio.Server | None = None
        self._clients: set[_Client] = set()

    async def start(self) -> None:
        """Begins to serve."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._client, sock=self._listener.sock, ssl=self._listener.tls)

    async def stop(self) -> None:
        """Takes no more connections and ends those that there are."""
        if self._server is not None:
            self._server.close()
        for client in tuple(self._clients):
            client.abort()

    def _client(self) -> _Client:
        return _Client(self._clients, self._socket_path)


class _End(asyncio.Protocol):
    """One end of a connection: what comes in at it goes out at the other one, no faster than that takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is connected."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hands on what came."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Takes no more from the other end, for here too much waits to leave."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Goes on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's name)
        """Ends the other end too: whichever ends first, the other one has nothing to wait for."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class _Client(_End):
    """The end at which a client is, who is looked at before anything is handed on."""

    def __init__(self, known: set[_Client], socket_path: Callable[[], Path]) -> None:
        super().__init__()
        self._known = known
        self._socket_path = socket_path
        self._begun = b""
        self._connecting: asyncio.Task[None] | None = None
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the first packet, and not for ever."""
        super().connection_made(transport)
        self._known.add(self)
        self._late = asyncio.get_running_loop().call_later(_STARTUP_SECONDS, self.abort)

    def data_received(self, data: bytes) -> None:
        """Hands on what came once the client may connect; until then it is kept."""
        if self.other is not None:
            super().data_received(data)
            return
        self._begun += data
        if self._connecting is not None:
            return
        try:
            role = startup_role(self._begun)
        except EOFError:
            return
        except StartupError as error:
            app_log.debug("a connection to the database ended: %s", error)
            self.abort()
            return
        self._connecting = asyncio.get_running_loop().create_task(self._connect(role))

    def connection_lost(self, exc: Exception | None) -> None:
        """Is gone."""
        super().connection_lost(exc)
        self._known.discard(self)
        if self._late is not None:
            self._late.cancel()
        if self._connecting is not None:
            self._connecting.cancel()

    def abort(self) -> None:
        """Ends it at once."""
        if self.transport is not None:
            self.transport.abort()

    async def _connect(self, role: str | None) -> None:
        transport = cast("asyncio.Transport", self.transport)
        if self._late is not None:
            self._late.cancel()
        service = mtls.peer(transport)
        if role is not None and not may_connect(service, role):
            security_log.warning("database: the role %s refused to the service %s", role, service)
            _refuse(transport, "28000", f'certificate authentication failed for user "{role}"')
            return
        try:
            _, server = await asyncio.get_running_loop().create_unix_connection(_End, str(self._socket_path()))
        except OSError:
            _refuse(transport, "57P03", "the database system is not reachable")
            return
        server.other, self.other = self, server
        cast("asyncio.Transport", server.transport).write(self._begun)
        self._begun = b""
        if transport.is_closing():
            cast("asyncio.Transport", server.transport).close()


def _refuse(transport: asyncio.Transport, state: str, message: str) -> None:
    """Answers with an error as the server would word it (PostgreSQL documentation, 54.8), and hangs up."""
    fields = {b"S": "FATAL", b"V": "FATAL", b"C": state, b"M": message}
    body = b"".join(name + value.encode("utf-8") + b"\0" for name, value in fields.items()) + b"\0"
    transport.write(b"E" + struct.pack("!I", len(body) + 4) + body)
    transport.close()
