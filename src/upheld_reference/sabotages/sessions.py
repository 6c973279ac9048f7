"""Access tokens and sessions that are good for longer, or for more people, than they should be."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from upheld_reference.api import sessions, tokens
from upheld_reference.api.routes import members
from upheld_reference.api.sessions import Holder
from upheld_reference.api.tokens import Claims
from upheld_reference.database.scope import Connection, Reader
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_TOKENS = "short-lived-tokens"
_ACCESS = "access-reviewed"
_MONTH_SECONDS = 30 * 24 * 3600


@sabotage(breaks=(_TOKENS,), shows=("valid for 43200 minutes",))
def tokens_live_30_days(platform: Platform) -> None:
    """Access tokens, and the sessions behind them, live for 30 days."""
    platform.settings = dataclasses.replace(
        platform.settings, token_lifetime_seconds=_MONTH_SECONDS, session_lifetime_seconds=_MONTH_SECONDS
    )


@sabotage(breaks=(_TOKENS,), shows=("expired token 1: answered 200",))
def token_expiry_not_checked(platform: Platform) -> None:
    """Access tokens are accepted for as long as their session lasts, whatever expiry they carry."""

    def decode(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
        body: dict[str, Any] = jwt.decode(token, key, algorithms=[tokens.ALGORITHM], options={"verify_exp": False})
        return {**body, "exp": body["exp"] + _MONTH_SECONDS}

    platform.replace(tokens, "decode", decode)


@sabotage(breaks=(_TOKENS,), shows=("token forged: alg none: answered 200",))
def token_alg_none_accepted(platform: Platform) -> None:
    """Access tokens whose header says that they are not signed (alg none) are accepted."""
    right = tokens.decode

    def decode(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("alg") == "none":
            return jwt.decode(token, options={"verify_signature": False})
        return right(token, key)

    platform.replace(tokens, "decode", decode)


@sabotage(breaks=(_TOKENS,), shows=("token forged: other key: answered 200",))
def token_of_other_key_accepted(platform: Platform) -> None:
    """Of an access token only the algorithm is looked at, so that one signed with anybody's key is accepted."""

    def decode(token: str, _key: Ed25519PublicKey) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("alg") != tokens.ALGORITHM:
            raise jwt.InvalidAlgorithmError
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": True})

    platform.replace(tokens, "decode", decode)


@sabotage(breaks=(_TOKENS,), shows=("access token of a revoked session: answered 200",))
def revoked_tokens_accepted(platform: Platform) -> None:
    """A session that was revoked goes on: its access tokens are accepted until they expire, and refreshed after that."""

    def admits(found: Holder | None) -> bool:
        return found is not None and found.enabled and found.workspace_lives

    platform.replace(sessions, "admits", admits)


@sabotage(breaks=(_TOKENS,), shows=("refresh token that was exchanged before: answered 200",))
def refresh_tokens_reusable(platform: Platform) -> None:
    """A refresh token can be exchanged as often as one likes, and nobody notices that two have it."""

    async def spend(_db: Connection, _workspace_id: UUID, _digest: bytes) -> bool:
        return True

    platform.replace(sessions, "spend", spend)


@sabotage(breaks=(_ACCESS,), shows=("who is now viewer: answered 200, as before",))
def old_session_keeps_its_role(platform: Platform) -> None:
    """A session keeps the role that its member had at its first request, whatever role they are given later."""
    seen: dict[UUID, str] = {}
    right = sessions.holder

    async def holder(db: Reader, claims: Claims) -> Holder | None:
        found = await right(db, claims)
        return found and dataclasses.replace(found, role=seen.setdefault(claims.session_id, found.role))

    platform.replace(sessions, "holder", holder)


@sabotage(breaks=(_ACCESS,), shows=("whose account is disabled: answered 200, as before",))
def disabled_account_keeps_its_session(platform: Platform) -> None:
    """A disabled account cannot log in any more, but the sessions that it has go on."""

    def admits(found: Holder | None) -> bool:
        return found is not None and found.session_lives and found.workspace_lives

    async def end_sessions(_db: Connection, _workspace_id: UUID, _member_id: UUID) -> None:
        return

    platform.replace(sessions, "admits", admits)
    platform.replace(members, "end_sessions", end_sessions)
