"""Passwords that are not kept as salted slow hashes, or whose hashes get out, and tokens that are not kept as digests."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt

from upheld_reference import passwords
from upheld_reference.api import logins, session, sessions, tokens
from upheld_reference.api.routes import accounts
from upheld_reference.api.tokens import Claims, TokenSigner
from upheld_reference.platform import Platform
from upheld_reference.sabotages import routes, sabotage
from upheld_reference.services import Services

_CLAIMS = ("no-plaintext-credentials",)
_TOKENS = ("short-lived-tokens",)


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


@sabotage(breaks=_TOKENS, shows=("getMe (GET /v1/me): a password hash (Argon2) at /password_hash",))
def own_account_shows_its_password_hash(platform: Platform) -> None:
    """Whoever asks the API for their own account is told all that the login reads of it, with the hash of their password."""

    async def get_me(caller: session.Authenticated) -> dict[str, Any]:
        """The caller."""
        async with caller.services.pool.connection() as db:
            row = await (await db.execute("SELECT * FROM app.member_for_login(%s)", [caller.email])).fetchone()
        return {"email": caller.email, "role": caller.role, **(row or {})}

    routes.answer_by(platform, accounts, "getMe", get_me, narrowed=False)


@sabotage(breaks=_TOKENS, shows=("a password hash (Argon2) at /part 2/password",))
def password_hash_in_access_token(platform: Platform) -> None:
    """Access tokens carry the hash of their member's password, so that they end when it is changed."""
    hashes: dict[UUID, str] = {}
    right, issue = logins.prove, tokens.TokenSigner.issue

    async def prove(shared: Services, email: str, password: str) -> dict[str, Any]:
        row = await right(shared, email, password)
        hashes[row["id"]] = row["password_hash"]
        return row

    def issue_with_hash(self: TokenSigner, claims: Claims, at: datetime | None = None) -> str:
        body = jwt.decode(issue(self, claims, at), options={"verify_signature": False})
        return jwt.encode({**body, "password": hashes.get(claims.member_id)}, self._key, tokens.ALGORITHM)

    platform.replace(logins, "prove", prove)
    platform.replace(TokenSigner, "issue", issue_with_hash)
