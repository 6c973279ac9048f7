"""Credentials at rest, as anybody with the database and the key file sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from upheld_reference.vault.sealing import WEBHOOK_SECRETS, WHATSAPP_TOKENS, Sealer, SealError


def sealed_values(rivet: Any) -> list[tuple[str, Any, bytes]]:
    values = []
    with psycopg.connect(rivet.postgres("vault_auditor")) as db:
        for column in rivet.facts["sensitive_columns"]:
            where = f"{column['schema']}.{column['table']}.{column['column']}"
            query = f"SELECT {column['id_column']}, {column['column']} FROM {column['schema']}.{column['table']}"
            values += [(where, row_id, bytes(sealed)) for row_id, sealed in db.execute(query).fetchall()]
    return values


def violations(rivet: Any) -> set[str]:
    found = set()
    [described] = rivet.facts["vault_keys"]
    key = Path(described["file"]).read_bytes()
    if len(key) != 32:
        found.add("key length")
    values = sealed_values(rivet)
    if len({sealed[9:21] for _, _, sealed in values}) < len(values):
        found.add("nonce repeated")
    for where, row_id, sealed in values:
        if sealed[:9] != b"\x01" + described["id"].encode():
            found.add(f"{where} no header")
        try:
            AESGCM(key).decrypt(sealed[9:21], sealed[21:], f"{where}:{row_id}".encode())
        except (InvalidTag, ValueError):
            found.add(f"{where} opens not")
    return found


def test_every_sensitive_column_is_sealed_with_the_256_bit_key(rivet: Any) -> None:
    assert violations(rivet) == set()
    columns = [where for where, _, _ in sealed_values(rivet)]
    assert len(set(columns)) == 3
    assert all(columns.count(where) >= 3 for where in columns)


def test_only_the_platform_reads_the_key_file(rivet: Any) -> None:
    path = Path(rivet.facts["vault_keys"][0]["file"])
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_value_entered_twice_has_two_ciphertexts(rivet: Any) -> None:
    key = Path(rivet.facts["vault_keys"][0]["file"]).read_bytes()
    opened: dict[bytes, set[bytes]] = {}
    for where, row_id, sealed in sealed_values(rivet):
        plain = AESGCM(key).decrypt(sealed[9:21], sealed[21:], f"{where}:{row_id}".encode())
        opened.setdefault(plain, set()).add(sealed[21:])
    assert max(len(ciphertexts) for ciphertexts in opened.values()) == 2


def test_a_rotated_token_replaces_the_stored_one(rivet: Any) -> None:
    account = rivet.workspace("acme")["objects"]["whatsapp_accounts"][0]
    query = "SELECT sealed FROM vault.whatsapp_tokens WHERE account_id = %s"
    with psycopg.connect(rivet.postgres("vault_auditor"), autocommit=True) as db:
        [(before,)] = db.execute(query, [account]).fetchall()
        path = rivet.path("acme", f"/whatsapp/{account}/rotate")
        assert rivet.call("POST", path, "acme-owner", json={"code": f"AQ{uuid4().hex}"}).status_code == 200
        [(after,)] = db.execute(query, [account]).fetchall()
    assert before != after
    assert violations(rivet) == set()


def test_a_sealed_value_opens_only_at_its_place(tmp_path: Path) -> None:
    vault, here, elsewhere = Sealer.create(tmp_path), uuid4(), uuid4()
    sealed = vault.seal(b"secret", WHATSAPP_TOKENS, here)
    assert vault.open(sealed, WHATSAPP_TOKENS, here) == b"secret"
    for where, row_id in ((WHATSAPP_TOKENS, elsewhere), (WEBHOOK_SECRETS, here)):
        with pytest.raises(SealError):
            vault.open(sealed, where, row_id)


@pytest.mark.parametrize("position", [0, 1, 9, 21, -1])
def test_an_altered_value_does_not_open(tmp_path: Path, position: int) -> None:
    vault, row_id = Sealer.create(tmp_path), uuid4()
    sealed = bytearray(vault.seal(b"secret", WHATSAPP_TOKENS, row_id))
    sealed[position] ^= 1
    with pytest.raises(SealError):
        vault.open(bytes(sealed), WHATSAPP_TOKENS, row_id)


def test_another_key_and_a_short_value_do_not_open(tmp_path: Path) -> None:
    vault, other, row_id = Sealer.create(tmp_path / "a"), Sealer.create(tmp_path / "b"), uuid4()
    for sealed in (vault.seal(b"secret", WHATSAPP_TOKENS, row_id), b"", b"\x01"):
        with pytest.raises(SealError):
            other.open(sealed, WHATSAPP_TOKENS, row_id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vault_key_128_bits", {"key length"}),
        ("vault_nonce_repeated", {"nonce repeated"}),
        ("one_sensitive_column_plain", {"vault.integration_keys.sealed opens not"}),
        ("vault_base64_only", {"vault.integration_keys.sealed opens not", "vault.webhook_secrets.sealed opens not"}),
        ("vault_aes_ecb", {"nonce repeated", "vault.whatsapp_tokens.sealed opens not"}),
    ],
)
def test_sabotage(sabotaged_rivet: Callable[[str], Any], name: str, expected: set[str]) -> None:
    rivet = sabotaged_rivet(name)
    assert violations(rivet) >= expected
    conversation = rivet.workspace("acme")["objects"]["conversations"][0]
    body = {"conversation_id": conversation, "text": "still sent"}
    assert rivet.call("POST", rivet.path("acme", "/messages"), "acme-agent", json=body).status_code == 201
    assert '/messages" 200' in rivet.log("graph-access")
