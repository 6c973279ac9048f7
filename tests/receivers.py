"""Receivers of webhooks for tests: real sockets that write down whoever comes. Nothing here uses upheld."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

PORT = 8443
"""The port of every receiver; each has an address of its own, as all of 127.0.0.0/8 is this host."""

_numbers = itertools.count(1)


def fresh_name() -> str:
    """A host name that the receivers' certificates are good for and that nobody had before."""
    return f"r{next(_numbers)}-{random.randrange(10**9)}.example.net"


def fresh_address() -> str:
    """An address in the block that stands for the public internet."""
    return f"127.80.{random.randrange(1, 255)}.{random.randrange(1, 255)}"


def give(facts: Any, name: str, *answers: str) -> None:
    """Puts ``name`` into the zone file, with one answer after the other."""
    with Path(facts["internet"]["zone_file"]).open("a", encoding="utf-8") as zone:
        zone.writelines(f"{answer} {name}\n" for answer in answers)


@dataclass
class Received:
    """One request, byte for byte."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A listener that counts connections and keeps what it is sent; without a certificate it speaks plain HTTP."""

    address: str
    certificate: Path | None
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    contacts: int = 0
    """TCP connections, whatever came of them."""
    plaintext: bytes = b""
    """Everything that was sent, decrypted."""
    received: list[Received] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._context = None
        if self.certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(self.certificate)
        self._sock = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((self.address, PORT))
        self._sock.listen(64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            self.contacts += 1
            connection.settimeout(5)
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        # A client that refuses the certificate, or goes away, is what some of the tests are about.
        with contextlib.suppress(OSError, ValueError), connection:
            stream = connection
            if self._context is not None:
                stream = self._context.wrap_socket(connection, server_side=True)
            with stream:
                got = b""
                while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < _length(got):
                    piece = stream.recv(65536)
                    if not piece:
                        break
                    got += piece
                    self.plaintext += piece
                head, _, body = got.partition(b"\r\n\r\n")
                line, *headers = head.decode("latin-1").split("\r\n")
                self.received.append(Received(line, dict(_header(one) for one in headers), body))
                stream.sendall(self.answer)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _length(got: bytes) -> int:
    lines = got.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return int(dict(map(_header, lines)).get("content-length", 0))


def trusted(facts: Any) -> Path:
    """The certificate file of a receiver that the platform trusts."""
    return Path(facts["internet"]["receiver"]["trusted_pem"])


def untrusted(facts: Any) -> Path:
    """The certificate file of a receiver whose authority nobody knows."""
    return Path(facts["internet"]["receiver"]["untrusted_pem"])


@contextlib.contextmanager
def receiver(
    rivet: Any, certificate: Callable[[Any], Path] | None = trusted, **options: Any
) -> Iterator[tuple[str, Receiver]]:
    """A receiver on the sandbox's internet with a name of its own, and that name."""
    name, address = fresh_name(), fresh_address()
    give(rivet.facts, name, address)
    with Receiver(address, None if certificate is None else certificate(rivet.facts), **options) as running:
        yield name, running
