"""The way to PostgreSQL: mutual TLS on a port, and behind it the server's Unix socket, which nobody else may open.

The server's own build speaks no TLS, so that a sidecar ends it, as in a service mesh. Clients negotiate TLS directly, with the
protocol name "postgresql" (libpq's sslnegotiation=direct, PostgreSQL 17 and later); whoever begins in plain text is hung up on.
A certificate lets its service connect as that service's database role and as no other, as clientcert=verify-full with a map
of users would. The password is asked for by the server as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

from upheld_reference.database import roles
from upheld_reference.internal import mtls
from upheld_reference.logs import app_log, security_log
from upheld_reference.platform import Listener

ALPN = "postgresql"
"""The protocol's name in TLS (PostgreSQL 17 documentation, 53.2.11)."""

_CHUNK_BYTES = 64 * 1024
_STARTUP_BYTES = 10_000  # what PostgreSQL itself takes at most
_STARTUP_SECONDS = 10.0
_CANCEL = 80877102
_PROTOCOL_3 = 3


class StartupError(Exception):
    """The first packet is not one that a client may begin with."""


def may_connect(service: str | None, role: str) -> bool:
    """Whether the certificate of ``service`` lets it connect as ``role``."""
    return service is not None and service in roles.SERVICES.get(role, frozenset())


async def startup_packet(reader: asyncio.StreamReader) -> tuple[bytes, str | None]:
    """The first packet, whole, and the role in it; None in place of a role for a request to cancel a query.

    Raises StartupError for anything else, asyncio.IncompleteReadError when the client goes away.
    """
    head = await reader.readexactly(8)
    length, code = struct.unpack("!II", head)
    if not 8 <= length <= _STARTUP_BYTES:
        raise StartupError(f"a first packet of {length} bytes")
    body = await reader.readexactly(length - 8)
    if code == _CANCEL:
        return head + body, None
    if code >> 16 != _PROTOCOL_3:
        raise StartupError(f"a first packet of the kind {code}")
    words = body.rstrip(b"\0").split(b"\0")
    options = dict(zip(words[::2], words[1::2], strict=False))
    return head + body, options.get(b"user", b"").decode("utf-8", "replace")


class Sidecar:
    """Serves one listener for the server behind one socket."""

    def __init__(self, listener: Listener, socket_path: Callable[[], Path]) -> None:
        """Plans to take connections from ``listener``; the socket's path is asked for at each of them."""
        self._listener = listener
        self._socket_path = socket_path
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to serve."""
        self._server = await asyncio.start_server(self._accept, sock=self._listener.sock, ssl=self._listener.tls)

    async def stop(self) -> None:
        """Takes no more connections and ends those that there are."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, StartupError) as error:
            app_log.debug("a connection to the database ended: %s", type(error).__name__)
        except asyncio.CancelledError:
            pass  # the deployment stops; asyncio's streams would only log it
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packet, role = await asyncio.wait_for(startup_packet(reader), _STARTUP_SECONDS)
        service = mtls.peer(writer.transport)
        if role is not None and not may_connect(service, role):
            security_log.warning("database: the role %s refused to the service %s", role, service)
            await _refuse(writer, "28000", f'certificate authentication failed for user "{role}"')
            return
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(str(self._socket_path()))
        except OSError:
            await _refuse(writer, "57P03", "the database system is not reachable")
            return
        server_writer.write(packet)
        pumps = [asyncio.create_task(_pump(reader, server_writer)), asyncio.create_task(_pump(server_reader, writer))]
        try:
            # Whichever side ends first, the other one has nothing to wait for.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server_writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK_BYTES):
            target.write(chunk)
            await target.drain()


async def _refuse(writer: asyncio.StreamWriter, state: str, message: str) -> None:
    """Answers with an error as the server would word it (PostgreSQL documentation, 54.8)."""
    fields = {b"S": "FATAL", b"V": "FATAL", b"C": state, b"M": message}
    body = b"".join(name + value.encode("utf-8") + b"\0" for name, value in fields.items()) + b"\0"
    writer.write(b"E" + struct.pack("!I", len(body) + 4) + body)
    await writer.drain()
