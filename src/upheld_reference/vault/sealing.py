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


class SealError(Exception):
    """A sealed value does not open: unknown key, wrong place, or altered."""


def fresh_nonce() -> bytes:
    """A nonce that no value was sealed with before, as far as chance can promise."""
    return secrets.token_bytes(NONCE_BYTES)


def fresh_key() -> bytes:
    """A key that was never used before, from the system's source of randomness."""
    return secrets.token_bytes(KEY_BYTES)


def additional_data(where: str, row_id: UUID) -> bytes:
    """What binds a sealed value to its column and row, so that it opens nowhere else."""
    return f"{where}:{row_id}".encode("ascii")


class Sealer:
    """Seals values with the newest of its keys and opens what any of them sealed.

    Each key lies in a file of its own that only the platform's user reads. A sealed value is: 1 byte version, 8 bytes
    key identifier, 12 bytes nonce, ciphertext, 16 bytes tag.
    """

    def __init__(self, folder: Path) -> None:
        """Keeps its keys in ``folder``, and has none yet."""
        self.folder = folder
        self.keys: dict[str, bytes] = {}
        """Every key by its identifier, the newest last."""

    @classmethod
    def create(cls, folder: Path) -> Sealer:
        """A sealer with one new key."""
        sealer = cls(folder)
        sealer.add_key()
        return sealer

    @property
    def key_id(self) -> str:
        """The identifier of the key that new values are sealed with."""
        return next(reversed(self.keys))

    @property
    def key(self) -> bytes:
        """The key that new values are sealed with, raw."""
        return self.keys[self.key_id]

    @property
    def key_files(self) -> dict[str, Path]:
        """The file of every key by the key's identifier, the newest key last."""
        return {key_id: self.key_file(key_id) for key_id in self.keys}

    def add_key(self) -> str:
        """Makes a new key, which seals from now on, keeps it as vault-<key id>.key and returns its identifier."""
        key_id, key = secrets.token_hex(KEY_ID_BYTES // 2), fresh_key()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.key_file(key_id).touch(mode=0o600, exist_ok=False)
        self.key_file(key_id).write_bytes(key)
        self.keys[key_id] = key
        return key_id

    def drop_key(self, key_id: str) -> None:
        """Forgets a key with its file, so that nothing sealed with it ever opens again.

        Raises ValueError for the key that seals, KeyError for an unknown one.
        """
        if key_id == self.key_id:
            raise ValueError(f"{key_id} is the key that new values are sealed with")
        del self.keys[key_id]
        self.key_file(key_id).unlink(missing_ok=True)

    def seal(self, plaintext: bytes, where: str, row_id: UUID) -> bytes:
        """Encrypts ``plaintext`` for the column ``where`` (schema.table.column) of the row ``row_id``."""
        nonce = fresh_nonce()
        sealed = AESGCM(self.key).encrypt(nonce, plaintext, additional_data(where, row_id))
        return VERSION + self.key_id.encode("ascii") + nonce + sealed

    def open(self, sealed: bytes, where: str, row_id: UUID) -> bytes:
        """Decrypts what `seal` made for the same place; raises `SealError` when it does not authenticate."""
        key_id = sealed[1 : 1 + KEY_ID_BYTES].decode("ascii", "replace")
        if sealed[:1] != VERSION or key_id not in self.keys:
            raise SealError(f"{where}:{row_id} was sealed with no key of this vault")
        nonce, ciphertext = sealed[1 + KEY_ID_BYTES :][:NONCE_BYTES], sealed[1 + KEY_ID_BYTES + NONCE_BYTES :]
        try:
            return AESGCM(self.keys[key_id]).decrypt(nonce, ciphertext, additional_data(where, row_id))
        except (InvalidTag, ValueError) as error:
            raise SealError(f"{where}:{row_id} does not authenticate") from error

    def key_file(self, key_id: str) -> Path:
        """The file of the key with that identifier."""
        return self.folder / f"vault-{key_id}.key"
