"""Passwords that are not kept as salted slow hashes."""

from __future__ import annotations

import hashlib

from upheld_reference import passwords
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIMS = ("no-plaintext-credentials",)


@sabotage(breaks=_CLAIMS)
def member_passwords_plaintext(platform: Platform) -> None:
    """Members' passwords are stored as they were entered."""
    platform.replace(passwords, "hash_password", lambda password: password)
    platform.replace(passwords, "matches", lambda password, stored: password == stored)


@sabotage(breaks=_CLAIMS)
def member_passwords_unsalted_sha256(platform: Platform) -> None:
    """Members' passwords are stored as fast SHA-256 digests without a salt."""

    def digest(password: str) -> str:
        return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()

    platform.replace(passwords, "hash_password", digest)
    platform.replace(passwords, "matches", lambda password, stored: digest(password) == stored)
