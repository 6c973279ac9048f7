"""Stored passwords in every form that systems give them, in a real PostgreSQL."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from upheld import Finding, LeftOut, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.passwords import Passwords, form_of

from ..loopback import ROOT

CHECKS = Catalogue.load(ROOT / "checks")
PASSWORD = "Correct-Horse-7"
SALT = b64encode(b"0123456789abcdef").decode()
HASH = b64encode(hashlib.sha256(b"x").digest()).decode()


@pytest.mark.parametrize(
    ("value", "scheme", "cost"),
    [
        ("$2b$12$" + "a" * 53, "bcrypt", 12),
        ("$2y$10$" + "B" * 53, "bcrypt", 10),
        (f"$argon2id$v=19$m=19456,t=2,p=1${SALT.rstrip('=')}${HASH.rstrip('=')}", "Argon2", 38912),
        (f"scrypt$16384$8$1${SALT}${HASH}", "scrypt", 16384),
        ("scrypt:32768:8:1$abcdefghABCDEFGH$" + "0" * 128, "scrypt", 32768),
        (f"scrypt$abcdefghijkl$16384$8$1${HASH}", "scrypt", 16384),
        (f"pbkdf2_sha256$600000$abcdefghijkl${HASH}", "PBKDF2", 600000),
        ("pbkdf2:sha256:260000$abcdefgh$" + "0" * 64, "PBKDF2", 260000),
        ("$6$rounds=656000$saltsalt$" + "a" * 86, "SHA-crypt", 656000),
        (hashlib.sha256(b"x").hexdigest(), "bare digest", 0),
        (hashlib.md5(b"x").hexdigest(), "bare digest", 0),
        ("{SSHA}abcdefghijklmnopqrstuvwx", "bare digest", 0),
        ("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "bare digest", 0),
        (b64encode(hashlib.sha1(b"x").digest()).decode(), "bare digest", 0),
        ("sha1$abcdef$" + "0" * 40, "bare digest", 0),
        ("hunter2", "plain text", 0),
        ("$y$j9T$abc$def", "unknown", 0),
    ],
)
def test_forms_are_recognised(value: str, scheme: str, cost: int) -> None:
    assert form_of(value)[:2] == (scheme, cost)


def good() -> str:
    return (
        f"scrypt$16384$8$1${b64encode(secrets.token_bytes(16)).decode()}${b64encode(secrets.token_bytes(32)).decode()}"
    )


@pytest.fixture
def run(postgres: Any, session_of: Callable[..., Session]) -> Callable[..., list[Any]]:
    def go(check: str, values: list[str | None]) -> list[Any]:
        url = postgres.database("CREATE TABLE people (id serial, word text)")
        with psycopg.connect(url) as db:
            for value in values:
                db.execute("INSERT INTO people (word) VALUES (%s)", (value,))
        place = {"table": "people", "column": "word", "what": "words"}
        session = session_of(
            database={"url": "env:DATABASE"},
            tenants=[{"name": "one", "id": "1"}],
            identities=[
                {"name": "anna", "tenant": "one", "role": "r", "login": "x", "secrets": {"password": "env:PASSWORD"}}
            ],
            stored_passwords={"columns": [place], "digests": [place]},
            secret_values={"DATABASE": url, "PASSWORD": PASSWORD},
        )
        return list(CHECKS[f"credentials.{check}"].function(session.probe(Passwords)))

    return go


def test_salted_slow_hashes_pass(run: Callable[..., list[Any]]) -> None:
    [found] = run("passwords_are_salted_slow_hashes", [good(), good(), None])
    assert found.passed
    assert found.observed == "2 values: scrypt at cost 16384"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (PASSWORD, "the harness's own password, as it is"),
        (hashlib.sha256(PASSWORD.encode()).hexdigest(), "as its bare SHA256 digest"),
        (hashlib.md5(PASSWORD.encode()).hexdigest().upper(), "as its bare MD5 digest"),
        ("somebody else's", "plain text"),
        (hashlib.sha256(b"other").hexdigest(), "a bare digest (SHA-256)"),
        ("$2b$04$" + "a" * 53, "bcrypt at cost 4, less than 10"),
        (f"pbkdf2_sha256$1000$abcdefghijkl${HASH}", "PBKDF2 at cost 1000"),
        (f"scrypt$16384$8$1${b64encode(b'abc').decode()}${HASH}", "a salt of 3 bytes"),
    ],
)
def test_anything_weaker_fails(run: Callable[..., list[Any]], value: str, words: str) -> None:
    [found] = run("passwords_are_salted_slow_hashes", [good(), value])
    assert isinstance(found, Finding)
    assert not found.passed
    assert words in found.observed


def test_equal_values_fail_and_unknown_or_no_values_are_not_seen(run: Callable[..., list[Any]]) -> None:
    same = good()
    [found] = run("passwords_are_salted_slow_hashes", [same, same])
    assert "equal to another" in found.observed
    for values, words in (([], "holds no password"), ([good(), "$y$j9T$abc$def"], "not known")):
        [found] = run("passwords_are_salted_slow_hashes", values)
        assert isinstance(found, NotObserved)
        assert words in found.reason


def test_sessions_are_digests_or_not(run: Callable[..., list[Any]]) -> None:
    digest = hashlib.sha256(b"s").hexdigest()
    assert run("session_secrets_are_kept_as_digests", [digest])[0].passed
    assert isinstance(run("session_secrets_are_kept_as_digests", [])[0], LeftOut)
    for odd in ("482913", "eyJhbGciOi.J9.abc", "reset-me-please"):
        [found] = run("session_secrets_are_kept_as_digests", [digest, odd])
        assert found.observed == "1 of 2 values are no digests"
