"""How MySQL and MariaDB greet a caller: the server speaks first, offers TLS in its greeting, and says after the login whether one is in.

No password is sent in plain text. MariaDB answers every login there alike, with "access denied", so that the server is asked over TLS
whether it takes others than encrypted ones (require_secure_transport).
"""

from __future__ import annotations

import importlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable
from upheld.probes import database_mysql

if TYPE_CHECKING:
    import socket
    import ssl

_PROTOCOL_41 = 0x200
_SECURE_CONNECTION = 0x8000
_TLS = 0x800
_READ = 16 * 1024
_ERROR, _OK, _MORE, _SWITCH = 0xFF, 0x00, 0x01, 0xFE
_ACCESS_DENIED = frozenset({1045, 1698})
_ONLY_ENCRYPTED = 3159
_NO_TLS = 2026
_LOST = frozenset({2006, 2013})


@dataclass(frozen=True, slots=True)
class Login:
    """What became of a login; `only_encrypted` is whether the server takes no other logins, None where it does not say."""

    let_in: bool
    how: str
    only_encrypted: bool | None = None


def log_in(plain: socket.socket, context: ssl.SSLContext, host: str, user: str, password: str, seconds: float) -> Login:
    """What becomes of a login over TLS with the certificate that the context has."""
    try:
        pymysql: Any = importlib.import_module("pymysql")
    except ImportError:
        raise Unobservable("logins of MySQL cannot be tried here: pip install 'upheld[mysql]'") from None

    connection = pymysql.connect(
        host=host,
        user=user,
        password=password,
        ssl=context,
        connect_timeout=max(1, int(seconds)),
        read_timeout=max(1, int(seconds)),
        write_timeout=max(1, int(seconds)),
        local_infile=False,
        # A server that asks for the password itself does not get it.
        auth_plugin_map={b"mysql_clear_password": _Refusing, b"dialog": _Refusing},
        defer_connect=True,
    )
    try:
        connection.connect(plain)
    except pymysql.err.MySQLError as error:
        number = database_mysql.number(error)
        cause = error.__cause__ or error.__context__ or getattr(error, "original_exception", None)
        if isinstance(cause, OSError):
            raise cause from None  # What a broken connection means is for whoever made it.
        if number in _ACCESS_DENIED:
            return Login(False, f"error {number}: access denied")
        if number == _NO_TLS:
            raise Unobservable(f"{host} offers no TLS") from None
        if number in _LOST:
            return Login(False, "the connection was closed")
        raise Unobservable(f"{host} answered with the error {number}") from None
    with connection:
        cipher = getattr(connection._sock, "cipher", lambda: None)()  # noqa: SLF001  (the driver has no name for it)
        if cipher is None:
            raise Unobservable(f"{host} offers no TLS")
        return Login(True, f"logged in over {cipher[1]}", _only_encrypted(connection, pymysql.err.MySQLError))


def _only_encrypted(connection: Any, errors: type[Exception]) -> bool | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@GLOBAL.require_secure_transport")
            return bool(cursor.fetchone()[0])
    except errors:
        return None


def ask_plainly(plain: socket.socket, user: str, shown: str) -> Login | None:
    """What becomes of a login without TLS and without a password; None where it is denied as any login would be."""
    first = _packet(plain, shown)
    if not first:
        return Login(False, "the connection was closed")
    if first[0] == _ERROR:
        number = _number(first)
        raise Unobservable(f"{shown} answered with the error {number} before any login")
    if first[0] != 10:
        raise Unobservable(f"{shown} gave an answer that is not MySQL's")
    flags = _PROTOCOL_41 | _SECURE_CONNECTION
    login = struct.pack("<IIB23x", flags, 1 << 24, 45) + user.encode() + b"\0\0"
    plain.sendall(struct.pack("<I", len(login))[:3] + b"\x01" + login)
    answer = _packet(plain, shown)
    if not answer:
        return Login(False, "the connection was closed")
    kind = answer[0]
    if kind == _ERROR:
        number = _number(answer)
        if number == _ONLY_ENCRYPTED:
            return Login(False, f"error {number}: only encrypted connections are taken")
        if number in _ACCESS_DENIED:
            return None if _offers_tls(first) else Login(True, "took a login in plain text, and offers no TLS")
        raise Unobservable(f"{shown} answered with the error {number}")
    if kind in {_OK, _MORE, _SWITCH}:
        return Login(True, "logged in" if kind == _OK else "asked for the password")
    raise Unobservable(f"{shown} gave an answer that is not MySQL's")


class _Refusing:
    """Gives a password away to nobody."""

    def __init__(self, *_: object) -> None:
        raise Unobservable("the server asks for the password in plain text, which it does not get")


def _offers_tls(greeting: bytes) -> bool:
    """Whether the first packet of a server says that it speaks TLS: after its version, a number and half of the challenge."""
    _, _, rest = greeting[1:].partition(b"\0")
    return bool(int.from_bytes(rest[13:15], "little") & _TLS)


def _packet(plain: socket.socket, shown: str) -> bytes:
    head = _exactly(plain, 4)
    if len(head) < 4:
        return b""
    length = int.from_bytes(head[:3], "little")
    if length > _READ:
        raise Unobservable(f"{shown} gave an answer that is not MySQL's")
    return _exactly(plain, length)


def _exactly(plain: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length and (piece := plain.recv(length - len(found))):
        found += piece
    return found


def _number(packet: bytes) -> int:
    return int.from_bytes(packet[1:3], "little")
