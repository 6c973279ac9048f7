"""Access tokens: short-lived JSON web tokens, signed with Ed25519 (RFC 8037)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "EdDSA"
_ISSUER = "rivet"
_REMEMBERED_TOKENS = 5_000


@dataclass(frozen=True)
class Claims:
    """Who a token speaks for."""

    member_id: UUID
    workspace_id: UUID
    session_id: UUID
    """The session that the token belongs to; it ends with it."""


class TokenSigner:
    """Issues access tokens and verifies them, with a key that lives as long as the process."""

    def __init__(self, lifetime_seconds: int) -> None:
        """Makes a new key; tokens are valid for ``lifetime_seconds``."""
        self.lifetime_seconds = lifetime_seconds
        self._key = Ed25519PrivateKey.generate()
        self._public_key = self._key.public_key()
        self._verified: dict[str, tuple[float, Claims]] = {}

    def issue(self, claims: Claims, at: datetime | None = None) -> str:
        """A token for ``claims`` that is valid from ``at`` on, which is now unless it is said."""
        now = at or datetime.now(UTC)
        body = {
            "iss": _ISSUER,
            "sub": str(claims.member_id),
            "workspace": str(claims.workspace_id),
            "sid": str(claims.session_id),
            "iat": now,
            "exp": now + timedelta(seconds=self.lifetime_seconds),
            "jti": str(uuid4()),
        }
        return jwt.encode(body, self._key, algorithm=ALGORITHM)

    def verify(self, token: str) -> Claims | None:
        """The claims of ``token``, or None unless it is one of this signer's that has not expired.

        A signature that was right once stays right, so it is computed once for each token; the expiry is looked at each time.
        """
        known = self._verified.get(token)
        if known is not None:
            return known[1] if time.time() < known[0] else None
        try:
            body = decode(token, self._public_key)
            claims = Claims(UUID(body["sub"]), UUID(body["workspace"]), UUID(body["sid"]))
        except (jwt.InvalidTokenError, ValueError):
            return None
        if len(self._verified) >= _REMEMBERED_TOKENS:
            self._verified.clear()
        self._verified[token] = (float(body["exp"]), claims)
        return claims


def decode(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
    """The body of a token that ``key`` verifies and that has not expired; raises jwt.InvalidTokenError."""
    required = ["exp", "iat", "sub", "workspace", "sid"]
    return jwt.decode(token, key, algorithms=[ALGORITHM], issuer=_ISSUER, options={"require": required})


def bearer(header: str | None) -> str | None:
    """The token in the value of an Authorization header (RFC 6750 §2.1), or None when there is none."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
