"""Tokens are short-lived, sessions end when they are ended, and the role is the one that the database has now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

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
    if me(rivet, rivet.facts["expired_access_token"]) != 401:
        found.add("expired accepted")
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


def promptness_violations(rivet: Any) -> set[str]:
    """What is wrong with how fast a lowered role, a disabled account and a removed member take effect."""
    found = set()
    name, password = f"temp-{uuid4().hex[:8]}@example.com", uuid4().hex
    members = rivet.path("acme", "/members")
    invited = rivet.call("POST", members, "acme-owner", json={"email": name, "role": "admin"}).json()
    body = {"invitation_token": invited["invitation_token"], "password": password}
    accepted = rivet.call("POST", "/v1/invitations/accept", json=body)
    assert accepted.status_code == 201
    member = f"{members}/{invited['id']}"
    old = accepted.json()

    def as_old(path: str) -> int:
        headers = {"Authorization": f"Bearer {old['access_token']}"}
        status: int = rivet.call("GET", path, headers=headers).status_code
        return status

    assert as_old(members) == 200
    assert rivet.call("PUT", f"{member}/role", "acme-owner", json={"role": "viewer"}).json()["role"] == "viewer"
    if as_old(members) != 403:
        found.add("old role kept")
    assert rivet.call("POST", f"{member}/disable", "acme-owner").status_code == 200
    if as_old("/v1/me") != 401 or refresh(rivet, old["refresh_token"]).status_code != 401:
        found.add("disabled account kept its session")
    assert rivet.call("POST", "/v1/tokens", json={"email": name, "password": password}).status_code == 403
    assert rivet.call("POST", f"{member}/enable", "acme-owner").status_code == 200
    if as_old("/v1/me") != 401 and "disabled account kept its session" not in found:
        found.add("enabling brings sessions back")
    again = rivet.call("POST", "/v1/tokens", json={"email": name, "password": password}).json()
    assert rivet.call("DELETE", member, "acme-owner").status_code == 204
    assert me(rivet, again["access_token"]) == 401
    return found


def test_roles_and_accounts_are_looked_at_in_every_request(rivet: Any) -> None:
    assert promptness_violations(rivet) == set()


def test_an_invitation_works_once(rivet: Any) -> None:
    members = rivet.path("globex", "/members")
    email = f"once-{uuid4().hex[:8]}@example.com"
    invited = rivet.call("POST", members, "globex-admin", json={"email": email, "role": "viewer"}).json()
    body = {"invitation_token": invited["invitation_token"], "password": uuid4().hex}
    assert rivet.call("POST", "/v1/invitations/accept", json={**body, "password": "short"}).status_code == 422
    assert rivet.call("POST", "/v1/invitations/accept", json=body).status_code == 201
    assert rivet.call("POST", "/v1/invitations/accept", json=body).status_code == 401
    assert rivet.call("POST", members, "globex-admin", json={"email": email, "role": "viewer"}).status_code == 409
    assert rivet.call("DELETE", f"{members}/{invited['id']}", "globex-admin").status_code == 204


def test_a_new_password_ends_every_other_session(rivet: Any) -> None:
    identity = rivet.identity("globex-burn4")
    first, second = log_in(rivet, "globex-burn4"), log_in(rivet, "globex-burn4")
    headers = {"Authorization": f"Bearer {first['access_token']}"}

    def change(old: str, new: str) -> int:
        body = {"password": old, "new_password": new}
        status: int = rivet.call("PUT", "/v1/me/password", json=body, headers=headers).status_code
        return status

    new = uuid4().hex
    assert change("wrong", new) == 403
    assert change(identity["password"], "short") == 422
    assert change(identity["password"], new) == 204
    assert (me(rivet, first["access_token"]), me(rivet, second["access_token"])) == (200, 401)
    assert change(new, identity["password"]) == 204


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "tokens", "promptness"),
    [
        (
            ("tokens_live_30_days", "token_alg_none_accepted", "refresh_tokens_reusable", "old_session_keeps_its_role"),
            {"lives long", "alg none accepted", "refresh token reused"},
            {"old role kept"},
        ),
        (
            ("token_expiry_not_checked", "revoked_tokens_accepted"),
            {"expired accepted", "session outlives a reused refresh token", "revoked accepted", "revoked refreshed"},
            {"enabling brings sessions back"},
        ),
        (
            ("token_of_other_key_accepted", "disabled_account_keeps_its_session"),
            {"other key accepted", "altered accepted"},
            {"disabled account kept its session"},
        ),
    ],
)
def test_sabotages(
    sabotaged_rivets: Callable[..., Any], names: tuple[str, ...], tokens: set[str], promptness: set[str]
) -> None:
    rivet = sabotaged_rivets(*names)
    assert violations(rivet) == tokens
    assert promptness_violations(rivet) == promptness


def stored_as_sent(rivet: Any, tokens: list[str]) -> set[str]:
    """Which of these refresh tokens the database holds as they were sent."""
    with psycopg.connect(rivet.postgres("superuser")) as db:
        kept = b" ".join(bytes(digest) for (digest,) in db.execute("SELECT digest FROM app.refresh_tokens"))
    return {token for token in tokens if token.encode() in kept}


def test_a_refresh_token_is_kept_as_a_digest(rivet: Any) -> None:
    assert stored_as_sent(rivet, [log_in(rivet, "acme-owner")["refresh_token"]]) == set()


def test_a_refresh_token_is_kept_as_it_was_sent(sabotaged_rivet: Callable[..., Any]) -> None:
    rivet = sabotaged_rivet("refresh_tokens_kept_plain")
    token = log_in(rivet, "acme-owner")["refresh_token"]
    assert stored_as_sent(rivet, [token]) == {token}
    assert refresh(rivet, token).status_code == 200
