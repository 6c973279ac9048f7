"""Passwords that are not kept as salted slow hashes, and tokens that are not kept as digests."""

from __future__ import annotations

import hashlib

from upheld_reference import passwords
from upheld_reference.api import sessions
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIMS = ("no-plaintext-credentials",)


@sabotage(breaks=_CLAIMS, shows=("the harness's own password, as it is",))
def member_passwords_plaintext(platform: Platform) -> None:
    """Members' passwords are stored as they were entered."""
    platform.replace(passwords, "hash_password", lambda password: password)
    platform.replace(passwords, "matches", lambda password, stored: password == stored)


@sabotage(breaks=_CLAIMS, shows=("the harness's own password, as its bare SHA256 digest",))
def member_passwords_unsalted_sha256(platform: Platform) -> None:
    """Members' passwords are stored as fast SHA-256 digests without a salt."""

    def digest(password: str) -> str:
        return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()

    platform.replace(passwords, "hash_password", digest)
    platform.replace(passwords, "matches", lambda password, stored: digest(password) == stored)


@sabotage(breaks=_CLAIMS, shows=("values are no digests",))
def refresh_tokens_kept_plain(platform: Platform) -> None:
    """Refresh tokens and invitations are stored as they were sent, instead of as digests."""
    for table in ("refresh_tokens", "invitations"):
        platform.schema.append(f"ALTER TABLE app.{table} DROP CONSTRAINT {table}_digest_check")
    platform.replace(sessions, "digest_of", lambda token: b"token=" + token.encode("utf-8", "surrogatepass"))
