"""Tokens are short-lived, sessions end when they are ended, and the role is the one that the database has now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LIFETIME_AT_MOST = timedelta(minutes=15)


def log_in(rivet: Any, name: str) -> dict[str, Any]:
    """The tokens of a new session of an identity."""
    identity = rivet.identity(name)
    body = {"email": identity["email"], "password": identity["password"]}
    response = rivet.call("POST", "/v1/tokens", json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def me(rivet: Any, access_token: str) -> int:
    """How a request with this access token is answered."""
    status: int = rivet.call("GET", "/v1/me", headers={"Authorization": f"Bearer {access_token}"}).status_code
    return status


def refresh(rivet: Any, refresh_token: str) -> Any:
    return rivet.call("POST", "/v1/tokens/refresh", json={"refresh_token": refresh_token})


def forged(claims: dict[str, Any]) -> dict[str, str]:
    """Tokens that say the same as a real one, by how they were forged."""
    return {
        "alg none": jwt.encode(claims, None, algorithm="none"),
        "other key": jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"),
        "other algorithm": jwt.encode(claims, "k" * 32, algorithm="HS256"),
    }


def violations(rivet: Any) -> set[str]:
    """What is wrong with how tokens are issued, expire, are refreshed and are revoked."""
    found = set()
    tokens = log_in(rivet, "acme-agent")
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    if timedelta(seconds=claims["exp"] - claims["iat"]) > LIFETIME_AT_MOST:
        found.add("lives long")
    assert me(rivet, tokens["access_token"]) == 200
    found |= {f"{how} accepted" for how, token in forged(claims).items() if me(rivet, token) != 401}
    altered = tokens["access_token"][:-8] + ("A" * 8)
    if me(rivet, altered) != 401:
        found.add("altered accepted")
    rotated = refresh(rivet, tokens["refresh_token"])
    assert rotated.status_code == 200
    assert me(rivet, rotated.json()["access_token"]) == 200
    if refresh(rivet, tokens["refresh_token"]).status_code != 401:
        found.add("refresh token reused")
    elif me(rivet, rotated.json()["access_token"]) != 401:
        found.add("session outlives a reused refresh token")
    for kind in ("access_token", "refresh_token"):
        session = log_in(rivet, "acme-agent")
        assert rivet.call("POST", "/v1/tokens/revoke", json={"token": session[kind]}).status_code == 200
        if me(rivet, session["access_token"]) != 401:
            found.add("revoked accepted")
        if refresh(rivet, session["refresh_token"]).status_code != 401:
            found.add("revoked refreshed")
    return found


def test_tokens_are_short_lived_and_end_with_their_session(rivet: Any) -> None:
    assert violations(rivet) == set()


def test_a_refresh_token_is_kept_as_a_digest_only(rivet: Any) -> None:
    token = log_in(rivet, "acme-viewer")["refresh_token"]
    with psycopg.connect(rivet.postgres("auditor")) as db:
        everything = db.execute("SELECT t::text FROM app.refresh_tokens t").fetchall()
    assert everything
    assert [row for row in everything if token in row[0] or token.encode().hex() in row[0]] == []


def test_revoking_what_is_no_token_says_nothing(rivet: Any) -> None:
    for token in ("x", "a.b.c", "A" * 43):
        response = rivet.call("POST", "/v1/tokens/revoke", json={"token": token})
        assert (response.status_code, response.json()) == (200, {})


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 5000, 7, None, {"a": 1}])
def test_refreshing_what_is_no_token_is_refused(rivet: Any, token: Any) -> None:
    assert refresh(rivet, token).status_code in {401, 422}
