"""Password hashes: scrypt, salted, slow on purpose."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

_N, _R, _P = 2**14, 8, 1
_SALT_BYTES, _HASH_BYTES = 16, 32


def hash_password(password: str) -> str:
    """A fresh salted hash, written as ``scrypt$n$r$p$salt$hash`` (salt and hash in base64)."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(password, salt, _N, _R, _P)
    return "$".join(["scrypt", str(_N), str(_R), str(_P), b64encode(salt).decode(), b64encode(digest).decode()])


def matches(password: str, stored: str) -> bool:
    """Whether ``stored`` is a hash of ``password``; takes the same time for every password."""
    _, n, r, p, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(password, b64decode(salt), int(n), int(r), int(p)), b64decode(digest))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, dklen=_HASH_BYTES, maxmem=64 * 1024 * 1024
    )


PLACEHOLDER = f"scrypt${_N}${_R}${_P}${b64encode(bytes(_SALT_BYTES)).decode()}${b64encode(bytes(_HASH_BYTES)).decode()}"
"""A well-formed hash that no password is known for."""
