"""The storage checks against real ciphertext in a real PostgreSQL: what is sealed, and every way of sealing badly."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from upheld import Finding, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes.base import Session, plain
from upheld.probes.sealed import Sealed, SealedValue

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
KEY_ID = b"key-0001"
TOKENS = tuple(f"EAAG{secrets.token_hex(20)}" for _ in range(4))
Seal = Callable[[bytes, bytes, str], bytes]


def gcm(key: bytes, plaintext: bytes, where: str, nonce: bytes | None = None) -> bytes:
    nonce = nonce or os.urandom(12)
    return b"\x01" + KEY_ID + nonce + AESGCM(key).encrypt(nonce, plaintext, where.encode())


def ecb(key: bytes, plaintext: bytes, where: str) -> bytes:
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return b"\x01" + KEY_ID + encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize()


def unbound(key: bytes, plaintext: bytes, where: str) -> bytes:
    return gcm(key, plaintext, "elsewhere")


class Store:
    """A database with two sensitive columns."""

    def __init__(self, postgres: Any, session_of: Callable[..., Session], folder: Path) -> None:
        self.url = postgres.database(
            "CREATE SCHEMA vault; CREATE TABLE vault.tokens (id int PRIMARY KEY, sealed bytea);"
            "CREATE TABLE vault.keys (id int PRIMARY KEY, sealed text)"
        )
        self.session_of = session_of
        self.folder = folder
        self.key = os.urandom(32)

    def put(self, table: str, values: list[bytes | None]) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for number, value in enumerate(values):
                shown = value if table == "tokens" or value is None else base64.b64encode(value).decode()
                connection.execute(f"INSERT INTO vault.{table} VALUES (%s, %s)", (number, shown))  # type: ignore[arg-type]

    def seal(self, table: str, how: Seal = gcm, plaintexts: tuple[str, ...] = TOKENS) -> None:
        self.put(table, [how(self.key, text.encode(), f"vault.{table}:{n}") for n, text in enumerate(plaintexts)])

    def session(self, key: bytes | None = None, tables: tuple[str, ...] = ("tokens", "keys")) -> Session:
        (self.folder / "vault.key").write_bytes(self.key if key is None else key)
        columns = [
            {"table": f"vault.{table}", "column": "sealed", "what": table, "associated_data": f"vault.{table}:{{id}}"}
            for table in tables
        ]
        shape = {"header_bytes": 9, "key_id_offset": 1, "key_id_bytes": 8, "nonce_bytes": 12}
        encryption = {"columns": columns, **shape, "keys": {KEY_ID.decode(): "file:vault.key"}}
        return self.session_of(
            database={"url": "env:AUDITOR"}, encryption=encryption, secret_values={"AUDITOR": self.url}
        )

    def run(self, check: str, session: Session | None = None, **parameters: Any) -> list[Any]:
        session = session or self.session()
        with session.recording("t") as recorder:
            found = list(CHECKS[f"storage.{check}"].function(session.probe(Sealed), **parameters))
        kept = json.dumps(plain(tuple(recorder.observations)))
        assert self.key.hex() not in kept
        assert not any(token in kept for token in TOKENS)
        return found


@pytest.fixture
def store(postgres: Any, session_of: Callable[..., Session], tmp_path: Path) -> Store:
    return Store(postgres, session_of, tmp_path)


def outcomes(found: list[Any]) -> list[bool | str]:
    return [one.passed if isinstance(one, Finding) else one.reason for one in found]


def test_well_sealed_columns_pass(store: Store) -> None:
    store.seal("tokens", plaintexts=(*TOKENS, TOKENS[0]))
    store.seal("keys")
    for check in ("sensitive_columns_are_sealed", "nonces_are_fresh", "same_plaintext_gives_different_ciphertext"):
        found = store.run(check)
        assert found
        assert all(outcomes(found)), found
        assert all(isinstance(one, Finding) for one in found)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (ecb, "AES-ECB"),
        (unbound, "does not open with any declared key"),
        (lambda key, text, where: text, "plain text"),
        (lambda key, text, where: base64.b64encode(text), "base64 text"),
        (lambda key, text, where: text.hex().encode(), "hex text"),
        (lambda key, text, where: json.dumps({"token": text.decode()}).encode(), "JSON"),
        (lambda key, text, where: b"\x01" + KEY_ID + os.urandom(12) + base64.b64encode(text), "base64 text"),
        (lambda key, text, where: gcm(os.urandom(32), text, where), "does not open with any declared key"),
        (lambda key, text, where: os.urandom(8), "does not open"),
    ],
    ids=[
        "ECB",
        "not bound",
        "plain",
        "base64",
        "hexadecimal",
        "JSON",
        "base64 behind a header",
        "another key",
        "too short",
    ],
)
def test_what_is_not_sealed_is_refuted_and_named(store: Store, how: Seal, words: str) -> None:
    store.seal("tokens", how)
    store.seal("keys")
    tokens, keys = store.run("sensitive_columns_are_sealed")
    assert not tokens.passed
    assert words in tokens.observed
    assert "4 of 4 values" in tokens.observed
    assert keys.passed


def test_one_bad_value_among_many_is_refuted(store: Store) -> None:
    store.seal("tokens")
    store.put(
        "keys",
        [
            gcm(store.key, b"x" * 20, "vault.keys:0"),
            None,
            b"",
            gcm(store.key, b"x", "vault.keys:3"),
            TOKENS[0].encode(),
        ],
    )
    _, keys = store.run("sensitive_columns_are_sealed")
    assert "1 of 3 values: not encrypted, readable as base64 text (row 4)" in keys.observed


@pytest.mark.parametrize(
    ("key", "bits"),
    [
        (os.urandom(16), 128),
        (os.urandom(24), 192),
        (secrets.token_hex(16).encode(), 128),
        (b"correct horse battery staple 1!!", 192),
    ],
    ids=["128 bits", "192 bits", "32 hexadecimal digits as bytes", "a sentence"],
)
def test_a_weaker_key_is_refuted(store: Store, key: bytes, bits: int) -> None:
    store.key = key
    store.seal("tokens")
    (tokens,) = store.run("sensitive_columns_are_sealed", store.session(tables=("tokens",)))
    assert not tokens.passed
    assert f"the key has {bits} bits" in tokens.observed
    assert outcomes(store.run("sensitive_columns_are_sealed", store.session(tables=("tokens",)), key_bits=128)) == [
        bits >= 128
    ]


@pytest.mark.parametrize(
    "spelt",
    [bytes.hex, lambda key: base64.b64encode(key).decode(), lambda key: base64.urlsafe_b64encode(key).decode() + "\n"],
)
def test_a_key_may_be_given_as_text(store: Store, spelt: Callable[[bytes], str]) -> None:
    store.seal("tokens")
    session = store.session(spelt(store.key).encode(), tables=("tokens",))
    assert outcomes(store.run("sensitive_columns_are_sealed", session)) == [True]


def test_a_repeated_nonce_is_refuted_across_columns(store: Store) -> None:
    nonce = os.urandom(12)
    store.seal("tokens", lambda key, text, where: gcm(key, text, where, nonce if where.endswith(":2") else None))
    store.seal("keys", lambda key, text, where: gcm(key, text, where, nonce if where.endswith(":1") else None))
    found = store.run("nonces_are_fresh")
    assert outcomes(found) == [False, False]
    assert "1 of 4 values: row 2 shares it with vault.keys.sealed (keys), row 1" in found[0].observed


def test_equal_secrets_with_equal_ciphertext_are_refuted(store: Store) -> None:
    nonce = os.urandom(12)
    store.seal("tokens", lambda key, text, where: gcm(key, text, where, nonce), (TOKENS[0], TOKENS[0]))
    store.seal("keys", ecb, (TOKENS[1], TOKENS[1], TOKENS[2]))
    assert outcomes(store.run("same_plaintext_gives_different_ciphertext")) == [False, False]


@pytest.mark.parametrize(("apart", "named"), [(1, "row 0 and row 2"), (0, "row 1 and row 2")])
def test_the_rows_that_share_a_ciphertext_are_named(store: Store, apart: int, named: str) -> None:
    nonce = os.urandom(12)
    store.seal(
        "tokens",
        lambda key, text, where: gcm(key, text, where, None if where.endswith(f":{apart}") else nonce),
        (TOKENS[0], TOKENS[0], TOKENS[0]),
    )
    (found,) = store.run("same_plaintext_gives_different_ciphertext", store.session(tables=("tokens",)))
    assert not found.passed
    assert found.observed == f"equal secrets give the same ciphertext: {named}"


def test_values_that_do_not_open_show_no_nonce(store: Store) -> None:
    store.seal("tokens", unbound)
    store.seal("keys")
    tokens, keys = store.run("nonces_are_fresh")
    assert isinstance(tokens, NotObserved)
    assert "none of its values opens" in tokens.reason
    assert keys.passed


def test_nothing_to_compare_is_not_observed(store: Store) -> None:
    store.seal("tokens", plaintexts=TOKENS[:1])
    session = store.session(tables=("tokens",))
    assert "only one sealed value" in store.run("nonces_are_fresh", session)[0].reason
    (found,) = store.run("same_plaintext_gives_different_ciphertext", session)
    assert isinstance(found, NotObserved)
    assert "none of the 1 stored values" in found.reason


def test_an_empty_or_missing_column_is_not_observed_and_the_others_are(store: Store) -> None:
    store.seal("tokens")
    for check in ("sensitive_columns_are_sealed", "nonces_are_fresh"):
        tokens, keys, missing = store.run(check, store.session(tables=("tokens", "keys", "nothing")))
        assert tokens.passed
        assert isinstance(keys, NotObserved)
        assert "no value" in keys.reason
        assert isinstance(missing, NotObserved)
        assert "does not exist" in missing.reason


def test_a_key_that_is_no_key_is_not_observed(store: Store) -> None:
    store.seal("tokens")
    (found,) = store.run("sensitive_columns_are_sealed", store.session(b"too short", tables=("tokens",)))
    assert "is no AES key" in found.reason


def test_values_give_nothing_away(store: Store) -> None:
    store.seal("tokens")
    session = store.session(tables=("tokens",))
    probe = session.probe(Sealed)
    assert isinstance(probe, Sealed)
    first: tuple[SealedValue, ...] = probe.values(probe.columns()[0])
    assert len({value.plaintext for value in first}) == len(TOKENS)
    assert session.redactor.text(f"log: {TOKENS[0]} {store.key.hex()}").count("[redacted:") == 2
    other = store.session(tables=("tokens",)).probe(Sealed)
    assert isinstance(other, Sealed)
    assert other.values(other.columns()[0])[0].plaintext != first[0].plaintext
