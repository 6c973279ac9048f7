"""What answers as PostgreSQL or MySQL does as far as the login, and then does as it likes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

Says = Callable[[socket.socket, threading.Event], None]


def message(kind: bytes, content: bytes) -> bytes:
    """One message of the protocol."""
    return kind + struct.pack("!I", len(content) + 4) + content


_ROW = message(b"T", struct.pack("!H", 1) + b"n\0" + struct.pack("!IHIhiH", 0, 0, 25, -1, -1, 0))


def _silence(_: socket.socket, stop: threading.Event) -> None:
    stop.wait(60)


def _drip(connection: socket.socket, stop: threading.Event) -> None:
    for byte in message(b"C", b"SELECT 1\0" * 1_000):
        connection.sendall(bytes([byte]))
        if stop.wait(0.2):
            return


def _rows(connection: socket.socket, stop: threading.Event) -> None:
    many = message(b"D", struct.pack("!Hi", 1, 1_000) + b"x" * 1_000) * 1_000
    connection.sendall(_ROW)
    while not stop.is_set():
        connection.sendall(many)


def _tiny_rows(connection: socket.socket, stop: threading.Event) -> None:
    many = message(b"D", struct.pack("!Hi", 1, 0)) * 100_000
    connection.sendall(_ROW)
    while not stop.is_set():
        connection.sendall(many)


def _one_value(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(_ROW + b"D" + struct.pack("!IHI", 0x3FFFFFFF, 1, 0x3FFFFFF5))
    while not stop.is_set():
        connection.sendall(bytes(1 << 20))


def _notices(connection: socket.socket, stop: threading.Event) -> None:
    many = message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 200 + b"\0\0") * 5_000
    while not stop.is_set():
        connection.sendall(many)


def _garbage(connection: socket.socket, _stop: threading.Event) -> None:
    connection.sendall(bytes(range(256)) * 64)


POSTGRESQL: dict[str, Says] = {
    "silence": _silence,
    "a drip": _drip,
    "rows without end": _rows,
    "empty rows without end": _tiny_rows,
    "a value of a gigabyte": _one_value,
    "notices without end": _notices,
    "garbage": _garbage,
}


LET_IN = message(b"R", bytes(4)) + b"".join(
    message(b"S", one)
    for one in (b"server_version\x0017.2\0", b"client_encoding\0UTF8\0", b"standard_conforming_strings\0on\0")
) + message(b"Z", b"I")  # fmt: skip
"""What a PostgreSQL server says to somebody whom it asks for no password."""


def of_postgresql(says: Says) -> Callable[[socket.socket, threading.Event], None]:
    """What a server does with each connection: it lets anybody in, and answers the first statement as it likes."""

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        with contextlib.suppress(OSError):
            connection.settimeout(60)
            while struct.unpack("!II", connection.recv(8))[1] != 196608:
                connection.sendall(b"N")  # No TLS, and no encryption by GSSAPI.
            connection.recv(4_096)
            connection.sendall(LET_IN)
            connection.recv(65_536)
            says(connection, stop)

    return behave


def asked_for_tls(connection: socket.socket) -> None:
    """Say yes to PostgreSQL's request for TLS."""
    while struct.unpack("!II", connection.recv(8))[1] != 80877103:
        connection.sendall(b"N")  # No encryption by GSSAPI.
    connection.sendall(b"S")


def _dripped_handshake(connection: socket.socket, stop: threading.Event) -> None:
    for byte in b"\x16\x03\x03\x3f\xff" + bytes(16_000):
        connection.sendall(bytes([byte]))
        if stop.wait(0.2):
            return


def _endless_handshake(connection: socket.socket, stop: threading.Event) -> None:
    while not stop.is_set():
        connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x02\xff\xff\xff" + bytes(16_380))


def _warnings(connection: socket.socket, stop: threading.Event) -> None:
    while not stop.is_set():
        connection.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 1_000)


HANDSHAKES: dict[str, Says] = {
    "silence": _silence,
    "a drip": _dripped_handshake,
    "a message without end": _endless_handshake,
    "warnings": _warnings,
    "garbage": _garbage,
}
"""What may come where a handshake should."""


def with_handshake(says: Says) -> Callable[[socket.socket, threading.Event], None]:
    """What a PostgreSQL server does with each connection that asks for TLS: whatever it likes, in the place of a handshake."""

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        with contextlib.suppress(OSError, struct.error):
            asked_for_tls(connection)
            says(connection, stop)

    return behave


def _packet(content: bytes, number: int) -> bytes:
    return struct.pack("<I", len(content))[:3] + bytes([number]) + content


def _dripped(connection: socket.socket, stop: threading.Event) -> None:
    for byte in _packet(b"x" * 1_000, 1):
        connection.sendall(bytes([byte]))
        if stop.wait(0.2):
            return


def _selected(connection: socket.socket, stop: threading.Event) -> None:
    column = b"\x03def\0\0\0\x01n\x01n\x0c" + struct.pack("<HIBHBH", 45, 1_000, 253, 0, 0, 0)
    connection.sendall(_packet(b"\x01", 1) + _packet(column, 2) + _packet(b"\xfe\0\0\x02\0", 3))
    many = b"".join(_packet(b"\xfc" + struct.pack("<H", 1_000) + b"x" * 1_000, (4 + n) % 256) for n in range(256))
    while not stop.is_set():
        connection.sendall(many)


def _dripped_rows(connection: socket.socket, stop: threading.Event) -> None:
    column = b"\x03def\0\0\0\x01n\x01n\x0c" + struct.pack("<HIBHBH", 45, 1_000, 253, 0, 0, 0)
    connection.sendall(_packet(b"\x01", 1) + _packet(column, 2) + _packet(b"\xfe\0\0\x02\0", 3))
    for number in range(4, 1_000):
        connection.sendall(_packet(b"\x01x", number % 256))
        if stop.wait(0.2):
            return


MYSQL: dict[str, Says] = {
    "rows that drip": _dripped_rows,
    "silence": _silence,
    "a drip": _dripped,
    "rows without end": _selected,
    "garbage": _garbage,
}
_FINE = b"\0\0\0\x02\0\0\0"
_GREETING = (
    b"\x0a8.0.40\0" + struct.pack("<I", 7) + b"saltsalt\0" + struct.pack("<HBHH", 0xA20F, 45, 2, 0x0008) + b"\x15"
    + bytes(10) + b"saltsaltsalt\0mysql_native_password\0"
)  # fmt: skip


def of_mysql(says: Says, *, at_once: bool = False) -> Callable[[socket.socket, threading.Event], None]:
    """As `of_postgresql`; `at_once` before the login."""

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        with contextlib.suppress(OSError):
            connection.settimeout(60)
            if not at_once:
                connection.sendall(_packet(_GREETING, 0))
                connection.recv(4_096)
                connection.sendall(_packet(_FINE, 2))
                while b"SELECT" not in connection.recv(65_536).upper():
                    connection.sendall(_packet(_FINE, 1))
            says(connection, stop)

    return behave
