"""Sealing of credentials: AES-256-GCM, a fresh nonce for every value, bound to the place where the value is kept."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from pathlib import Path

VERSION = b"\x01"
"""The first byte of every sealed value."""
KEY_BYTES = 32
"""Length of a vault key: 256 bits."""
KEY_ID_BYTES = 8
"""Length of a key's identifier, in ASCII characters."""
NONCE_BYTES = 12
"""Length of a nonce (NIST SP 800-38D §8.2 recommends 96 bits)."""

WHATSAPP_TOKENS = "vault.whatsapp_tokens.sealed"
"""The column with the access tokens that came from Embedded Signup."""
WEBHOOK_SECRETS = "vault.webhook_secrets.sealed"
"""The column with the secrets that webhook deliveries are signed with."""
INTEGRATION_KEYS = "vault.integration_keys.sealed"
"""The column with the API keys of other services that customers entered."""

SENSITIVE_COLUMNS = (WHATSAPP_TOKENS, WEBHOOK_SECRETS, INTEGRATION_KEYS)
"""Every column that holds sealed values, as schema.table.column."""


class VaultError(Exception):
    """A sealed value does not open: wrong key, wrong place, or altered."""


def fresh_nonce() -> bytes:
    """A nonce that no value was sealed with before, as far as chance can promise."""
    return secrets.token_bytes(NONCE_BYTES)


def additional_data(where: str, row_id: UUID) -> bytes:
    """What binds a sealed value to its column and row, so that it opens nowhere else."""
    return f"{where}:{row_id}".encode("ascii")


class Vault:
    """Seals and opens values with one key, which lies in a file that only the platform's own user reads.

    A sealed value is: 1 byte version, 8 bytes key identifier, 12 bytes nonce, ciphertext, 16 bytes tag.
    """

    def __init__(self, key_id: str, key: bytes) -> None:
        """Takes the key, raw, and its identifier of `KEY_ID_BYTES` ASCII characters."""
        self.key_id = key_id
        self.key = key

    @classmethod
    def create(cls, folder: Path) -> Vault:
        """Makes a new key, keeps it in ``folder`` as vault-<key id>.key and returns the vault."""
        vault = cls(secrets.token_hex(KEY_ID_BYTES // 2), secrets.token_bytes(KEY_BYTES))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"vault-{vault.key_id}.key"
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(vault.key)
        return vault

    def seal(self, plaintext: bytes, where: str, row_id: UUID) -> bytes:
        """Encrypts ``plaintext`` for the column ``where`` (schema.table.column) of the row ``row_id``."""
        nonce = fresh_nonce()
        sealed = AESGCM(self.key).encrypt(nonce, plaintext, additional_data(where, row_id))
        return self._header() + nonce + sealed

    def open(self, sealed: bytes, where: str, row_id: UUID) -> bytes:
        """Decrypts what `seal` made for the same place; raises `VaultError` when it does not authenticate."""
        header, nonce = sealed[: 1 + KEY_ID_BYTES], sealed[1 + KEY_ID_BYTES :][:NONCE_BYTES]
        if header != self._header():
            raise VaultError(f"{where}:{row_id} was not sealed with the key {self.key_id}")
        try:
            ciphertext = sealed[1 + KEY_ID_BYTES + NONCE_BYTES :]
            return AESGCM(self.key).decrypt(nonce, ciphertext, additional_data(where, row_id))
        except (InvalidTag, ValueError) as error:
            raise VaultError(f"{where}:{row_id} does not authenticate") from error

    def _header(self) -> bytes:
        return VERSION + self.key_id.encode("ascii")
