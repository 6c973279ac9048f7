"""Password hashes: Argon2id (RFC 9106), salted, slow and memory-hard on purpose."""

from __future__ import annotations

import secrets
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_SALT_BYTES, _HASH_BYTES = 16, 32
# The first choice of the OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=_HASH_BYTES, salt_len=_SALT_BYTES)


def hash_password(password: str) -> str:
    """A fresh salted hash in the PHC string format: ``$argon2id$v=19$m=…,t=…,p=…$salt$hash``."""
    return _HASHER.hash(_bytes(password))


def matches(password: str, stored: str) -> bool:
    """Whether ``stored`` is a hash of ``password``; takes the same time for every password."""
    try:
        return _HASHER.verify(stored, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def of_nobody() -> str:
    """A hash that looks like all others and belongs to no password that anybody knows."""
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode("ascii").rstrip("=") for length in (_SALT_BYTES, _HASH_BYTES)
    )
    costs = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


PLACEHOLDER = of_nobody()
"""What a password is compared with where there is no account, so that it takes as long as where there is one."""
