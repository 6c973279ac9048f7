"""TLS 1.3 servers that are honest up to the end of the handshake, and then send records that no library's server would.

The keys of a connection come from the key log of Python's own server; with them any record can be made, and faster than it is read.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from hostile_servers import LET_IN, asked_for_tls

ALERT, HANDSHAKE, DATA = 21, 22, 23
LARGEST = 16_384
Says = Callable[["Records", threading.Event], None]


class Records:
    """What the server of one connection sends after its handshake, record by record."""

    def __init__(self, sock: socket.socket, secret: bytes) -> None:
        """`secret` is the server's application traffic secret (RFC 8446 §7.1) of a connection with SHA-384."""
        self.sock = sock
        self._take(secret)

    def _take(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher, self._iv, self._number = AESGCM(_expand(secret, b"key", 32)), _expand(secret, b"iv", 12), 0

    def send(self, kind: int, content: bytes, padding: int = 0) -> None:
        """One record of that kind."""
        inner = content + bytes([kind]) + bytes(padding)
        head = struct.pack("!BHH", DATA, 0x0303, len(inner) + 16)
        nonce = (int.from_bytes(self._iv, "big") ^ self._number).to_bytes(12, "big")
        self._number += 1
        self.sock.sendall(head + self._cipher.encrypt(nonce, inner, head))

    def renew(self, *, asks: bool) -> None:
        """A message that the keys change, which asks for the same where it says so (RFC 8446 §4.6.3)."""
        self.send(HANDSHAKE, bytes([24, 0, 0, 1, asks]))
        self._take(_expand(self._secret, b"traffic upd", 48))


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    name = b"tls13 " + label
    return HKDFExpand(hashes.SHA384(), length, struct.pack("!HB", length, len(name)) + name + b"\0").derive(secret)


def _repeated(send: Callable[[Records], None]) -> Says:
    def says(records: Records, stop: threading.Event) -> None:
        while not stop.is_set():
            send(records)

    return says


def _drip(records: Records, stop: threading.Event) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Drip: " + b"x" * 100_000:
        records.send(DATA, bytes([byte]))
        if stop.wait(0.2):
            return


def _garbage(records: Records, _stop: threading.Event) -> None:
    records.sock.sendall(b"\x17\x03\x03\x00\x40" + bytes(range(64)))


_ONE_TICKET = b"\x04\x00\x00\x0e" + struct.pack("!IIB", 1, 1, 0) + struct.pack("!H", 1) + b"t" + b"\x00\x00"
FLOODS: dict[str, Says] = {
    "tickets": _repeated(lambda records: records.send(HANDSHAKE, _ONE_TICKET * (LARGEST // len(_ONE_TICKET)))),
    "new keys": _repeated(lambda records: records.renew(asks=False)),
    "new keys asked for": _repeated(lambda records: records.renew(asks=True)),
    "empty records": _repeated(lambda records: records.send(DATA, b"")),
    "padding": _repeated(lambda records: records.send(DATA, b"", padding=LARGEST - 1)),
    "warnings": _repeated(lambda records: records.send(ALERT, b"\x01\x5a")),
    "a fatal alert": lambda records, _: records.send(ALERT, b"\x02\x28"),
    "another certificate asked for": lambda records, _: records.send(HANDSHAKE, b"\x0d\x00\x00\x04\x00\x00\x01\x00"),
    "a hello that asks for a new handshake": _repeated(lambda records: records.send(HANDSHAKE, bytes(4) * 4_000)),
    "a message of sixteen megabytes": _repeated(lambda records: records.send(HANDSHAKE, b"\x04\xff\xff\xff" + bytes(LARGEST - 4))),
    "a record larger than any": lambda records, _: records.send(DATA, bytes(LARGEST + 200)),
    "data without end": _repeated(lambda records: records.send(DATA, b"x" * LARGEST)),
    "a drip": _drip,
    "bytes that are no record": _garbage,
    "silence": lambda _, stop: stop.wait(30) and None,
}  # fmt: skip


def _keys_and_reading(records: Records, stop: threading.Event) -> None:
    """Ask for new keys without end, and read what is sent for that: each answer is a sign of life, and none is an answer."""

    def read() -> None:
        with contextlib.suppress(OSError):
            while records.sock.recv(65_536):
                pass

    threading.Thread(target=read, daemon=True).start()
    while not stop.is_set():
        records.renew(asks=True)


KEYS_AND_READING: Says = _keys_and_reading


def behaving(
    certificate: Path, says: Says, before: Callable[[socket.socket], None] | None = None
) -> Callable[[socket.socket, threading.Event], None]:
    """What a server does with each connection: a true handshake, the request awaited, then what it says.

    `before` is what goes before the handshake, where a protocol asks for TLS first.
    """

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        if before is not None:
            before(connection)
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(OSError, ValueError):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.num_tickets = 0
            context.keylog_filename = f"{folder}/keys"
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.settimeout(5)
                secure.recv(4_096)
                lines = Path(context.keylog_filename).read_text().splitlines()
                (secret,) = (one.split()[2] for one in lines if one.startswith("SERVER_TRAFFIC_SECRET_0 "))
                with socket.socket(fileno=secure.detach()) as bare:
                    bare.settimeout(20)
                    says(Records(bare, bytes.fromhex(secret)), stop)

    return behave


def of_postgresql(
    certificate: Path, says: Says, *, logged_in: bool
) -> Callable[[socket.socket, threading.Event], None]:
    """A PostgreSQL server that speaks TLS: it floods before the login's answer, or lets anybody in and floods at the first statement."""

    def then(records: Records, stop: threading.Event) -> None:
        if logged_in:
            records.send(DATA, LET_IN)
            records.sock.recv(65_536)
        says(records, stop)

    return behaving(certificate, then, asked_for_tls)
