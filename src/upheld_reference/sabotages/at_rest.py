"""Credentials that are not encrypted as promised."""

from __future__ import annotations

from base64 import b64decode, b64encode
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.vault import sealing
from upheld_reference.vault.sealing import Sealer

_CLAIM = "at-rest-aes256"
_EVERY_KIND = ("whatsapp-tokens-aes256", "webhook-secrets-aes256", "token-encrypted-on-receipt")
_ALSO = ("sensitive-encrypted",)
_FIXED_NONCE = bytes(sealing.NONCE_BYTES)


@sabotage(
    breaks=(_CLAIM, *_EVERY_KIND),
    also=_ALSO,
    shows=(
        "128",
        "its key has 128 bits",
    ),
)
def vault_key_128_bits(platform: Platform) -> None:
    """The vault's key has 128 bits."""
    platform.replace(sealing, "KEY_BYTES", 16)


@sabotage(
    breaks=(_CLAIM, *_EVERY_KIND),
    also=_ALSO,
    shows=(
        "ECB",
        "it is encrypted without authentication (AES-ECB)",
    ),
)
def vault_aes_ecb(platform: Platform) -> None:
    """The vault uses AES-256-ECB: the same value twice gives the same ciphertext, and nothing authenticates."""

    def seal(self: Sealer, plaintext: bytes, where: str, row_id: UUID) -> bytes:  # noqa: ARG001
        padder = PKCS7(128).padder()
        encryptor = _ecb(self).encryptor()
        return sealing.VERSION + self.key_id.encode() + encryptor.update(padder.update(plaintext) + padder.finalize())

    def open_(self: Sealer, sealed: bytes, where: str, row_id: UUID) -> bytes:  # noqa: ARG001
        unpadder = PKCS7(128).unpadder()
        padded = _ecb(self).decryptor().update(sealed[1 + sealing.KEY_ID_BYTES :])
        return unpadder.update(padded) + unpadder.finalize()

    platform.replace(Sealer, "seal", seal)
    platform.replace(Sealer, "open", open_)


def _ecb(self: Sealer) -> Cipher[modes.ECB]:
    return Cipher(algorithms.AES(self.key), modes.ECB())  # noqa: S305 - this is the defect


@sabotage(breaks=(_CLAIM,), also=_ALSO, shows=("nonce",))
def vault_nonce_repeated(platform: Platform) -> None:
    """The vault encrypts every value with the same nonce."""
    platform.replace(sealing, "fresh_nonce", lambda: _FIXED_NONCE)


@sabotage(
    breaks=(_CLAIM, "webhook-secrets-aes256", "no-plaintext-credentials"),
    also=_ALSO,
    shows=(
        "base64",
        "it lies there readable (base64 text)",
    ),
)
def vault_base64_only(platform: Platform) -> None:
    """Webhook secrets and integration keys are in base64 instead of encrypted."""
    # WhatsApp tokens stay encrypted: were they stored readable too, another claim would be broken by this one defect.
    encrypt, decrypt = Sealer.seal, Sealer.open
    encoded = {sealing.WEBHOOK_SECRETS, sealing.INTEGRATION_KEYS}

    def seal(self: Sealer, plaintext: bytes, where: str, row_id: UUID) -> bytes:
        return b64encode(plaintext) if where in encoded else encrypt(self, plaintext, where, row_id)

    def open_(self: Sealer, sealed: bytes, where: str, row_id: UUID) -> bytes:
        return b64decode(sealed) if where in encoded else decrypt(self, sealed, where, row_id)

    platform.replace(Sealer, "seal", seal)
    platform.replace(Sealer, "open", open_)


@sabotage(
    breaks=(_CLAIM, "no-plaintext-credentials"),
    also=_ALSO,
    shows=(
        "plain",
        "readable as plain text",
    ),
)
def one_sensitive_column_plain(platform: Platform) -> None:
    """Integration keys are stored as they were entered."""
    encrypt, decrypt = Sealer.seal, Sealer.open

    def seal(self: Sealer, plaintext: bytes, where: str, row_id: UUID) -> bytes:
        return plaintext if where == sealing.INTEGRATION_KEYS else encrypt(self, plaintext, where, row_id)

    def open_(self: Sealer, sealed: bytes, where: str, row_id: UUID) -> bytes:
        return sealed if where == sealing.INTEGRATION_KEYS else decrypt(self, sealed, where, row_id)

    platform.replace(Sealer, "seal", seal)
    platform.replace(Sealer, "open", open_)
