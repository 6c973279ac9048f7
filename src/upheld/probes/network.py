"""The network under the HTTP client: connections only inside the scope, and a deadline under every single operation.

A peer that sends a byte now and then keeps a per-operation time limit from ever running out. Here each operation gets
what is left of the whole request's time, so that the deadline holds through name, connection, handshake, header and body.
"""

from __future__ import annotations

import errno
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpcore

from upheld.errors import Refused, TimedOut, Unobservable
from upheld.probes.base import Session
from upheld.probes.cutting import Watched, cut_after
from upheld.probes.scope import Scope

_MUCH = 64 * 1024
"""Bytes of a request that leave without waiting for more of it."""
_LITTLE_SECONDS = 0.25
"""By how much an operation may outlast the time that is left."""
MAX_RECEIVED = 8 * 1024 * 1024
"""Bytes that one request may bring in, header fields, interim answers and framing included."""


@dataclass
class Exchange:
    """The request that a thread is busy with."""

    until: float
    limit: float
    place: str
    connected: bool = False
    received: int = 0
    first: bytes = b""

    def left(self) -> float:
        """Seconds that are left; raises TimedOut when none are."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise self.late()
        return left

    def late(self) -> TimedOut:
        """What to raise when the time is over."""
        return TimedOut(f"no complete answer from {self.place} within {self.limit:g} s")


_current = threading.local()


@contextmanager
def deadline(seconds: float, place: str) -> Iterator[Exchange]:
    """Everything that this thread sends or reads inside the block ends within `seconds`."""
    before = getattr(_current, "exchange", None)
    _current.exchange = Exchange(time.monotonic() + seconds, seconds, place)
    try:
        yield _current.exchange
    finally:
        _current.exchange = before


def _exchange() -> Exchange:
    exchange: Exchange | None = getattr(_current, "exchange", None)
    if exchange is None:
        raise RuntimeError("network operation outside a deadline")
    return exchange


class Stream(httpcore.NetworkStream):
    """A connection whose every operation ends with the deadline of the request that it serves.

    What is written leaves when it is much, or when the answer is read: a request's head and body go out together.
    """

    def __init__(self, sock: socket.socket, place: str) -> None:
        self._sock = sock
        self._place = place
        self._watched = Watched(sock)
        self._unsent = b""
        self._poll: select.poll | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  (the deadline replaces it)
        """The next bytes, an empty string at the end; raises TimedOut at the deadline and httpcore.ReadError."""
        exchange = _exchange()
        # A server may refuse a request before it has come whole; its answer is read all the same.
        with suppress(httpcore.WriteError):
            self._flush(exchange)
        self._wait_for(exchange)
        self._watched.until = exchange.until
        try:
            data = self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise exchange.late() from error
        except OSError as error:
            if self._watched.cut:
                raise exchange.late() from error
            raise httpcore.ReadError(_plain(error)) from error
        finally:
            self._watched.until = math.inf
        if self._watched.cut:
            raise exchange.late()
        exchange.first = exchange.first or data[:8]
        exchange.received += len(data)
        if exchange.received > MAX_RECEIVED:
            raise Unobservable(f"the answer from {self._place} is larger than {MAX_RECEIVED // 1024**2} MiB")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send all of `buffer`, now or before the next read; raises TimedOut at the deadline and httpcore.WriteError."""
        self._unsent += buffer
        if len(self._unsent) >= _MUCH:
            self._flush(_exchange())

    def _flush(self, exchange: Exchange) -> None:
        """Send what was written and did not leave yet."""
        if not self._unsent:
            return
        view, self._unsent = memoryview(self._unsent), b""
        self._watched.until = exchange.until
        try:
            while view:
                self._wait_for(exchange)
                view = view[self._sock.send(view) :]
        except TimeoutError as error:
            raise exchange.late() from error
        except OSError as error:
            if self._watched.cut:
                raise exchange.late() from error
            # httpcore reads the answer all the same: a server may refuse a body before it has come whole.
            raise httpcore.WriteError(_plain(error)) from error
        finally:
            self._watched.until = math.inf

    def _wait_for(self, exchange: Exchange) -> None:
        """Let the next operation wait for what is left of the exchange's time, or very little longer: to say how long is a call of its own."""
        left, now = exchange.left(), self._sock.gettimeout()
        if now is None or not left <= now <= left + _LITTLE_SECONDS:
            self._sock.settimeout(left)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Stream:
        """The same connection under TLS; raises TimedOut, or Unobservable with what is wrong with the certificate."""
        exchange = _exchange()
        try:
            # OpenSSL skips some messages without coming back, so that a flood of them would keep it for ever: then the connection is cut.
            with cut_after(self._sock, exchange.left()):
                self._sock.settimeout(exchange.left())
                return Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname), self._place)
        except TimeoutError as error:
            self.close()
            raise exchange.late() from error
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise Unobservable(f"the certificate of {self._place} is not accepted: {error.verify_message}") from error
        except (OSError, ValueError) as error:
            self.close()
            if exchange.until <= time.monotonic():
                raise exchange.late() from error
            raise Unobservable(f"no TLS connection with {self._place}: {_plain(error)}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks: the TLS object, addresses, and whether an idle connection has something to read."""
        if info == "ssl_object":
            return self._sock._sslobj if isinstance(self._sock, ssl.SSLSocket) else None  # type: ignore[attr-defined]  # noqa: SLF001  (no public way to it)
        if info == "socket":
            return self._sock
        if info == "is_readable":
            if self._sock.fileno() < 0:
                return True
            if not hasattr(select, "poll"):
                return bool(select.select([self._sock], [], [], 0)[0])
            if self._poll is None:
                self._poll = select.poll()
                self._poll.register(self._sock, select.POLLIN)
            return bool(self._poll.poll(0))
        return None


class Backend(httpcore.NetworkBackend):
    """Connects to the addresses that the scope gives for a host and port, and to no others."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> Stream:
        """A connection to the first address that takes one.

        Raises OutOfScope, Refused when every address refuses, TimedOut, and Unobservable for other failures.
        """
        exchange = _exchange()
        place = self._scope.describe(host, port)
        addresses = self._scope.addresses(host, port)
        failures: list[OSError] = []
        late = False
        for index, address in enumerate(addresses):
            # An address that swallows everything must leave time for the ones after it.
            share = exchange.left() / (len(addresses) - index)
            try:
                source = (local_address, 0) if local_address else None
                sock = socket.create_connection((address, port), timeout=share, source_address=source)
            except TimeoutError:
                late = True
                continue
            except OSError as error:
                failures.append(error)
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            exchange.connected = True
            return Stream(sock, place)
        if late or not failures:
            raise TimedOut(f"no connection to {place} within {exchange.limit:g} s")
        # An unreachable network says nothing about the host, so only a refusal by every address is one.
        if all(isinstance(error, ConnectionRefusedError) for error in failures):
            raise Refused(f"connection refused by {place}")
        raise Unobservable(f"no connection to {place}: {_plain(failures[0])}")


def client_context(session: Session, *, verify: bool) -> ssl.SSLContext:
    """A TLS client that trusts the target's CA, or the system's store when it names none.

    Raises Unobservable when the CA file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Python 3.13 made strict checking of extensions a default; verdicts must not depend on the interpreter.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    ca = ca_file(session)
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context
    try:
        context.load_verify_locations(cafile=str(ca))
    except OSError as error:
        raise Unobservable(f"the target's CA file {session.target.ca} cannot be read: {_plain(error)}") from error
    return context


def ca_file(session: Session) -> Path | None:
    """The file of the CA that the target names, None when it names none."""
    return session.target_folder / session.target.ca if session.target.ca else None


def _plain(error: BaseException) -> str:
    """An operating system's or OpenSSL's error in a few plain words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    if isinstance(error, ssl.SSLEOFError):
        return "the peer ended the connection"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        words = {errno.EHOSTUNREACH: "no route to the host", errno.ENETUNREACH: "the network is unreachable"}
        return words.get(error.errno) or (error.strerror or str(error)).lower()
    return str(error).lower() or type(error).__name__
