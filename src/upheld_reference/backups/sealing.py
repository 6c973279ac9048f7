"""Encryption of backup objects: AES-256-GCM with a key of its own, each object bound to its name in the store."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = b"\x01"
"""The first byte of every object."""
KEY_BYTES = 32
"""Length of a backup key: 256 bits."""
KEY_ID_BYTES = 8
"""Length of a key's identifier, in ASCII characters."""
NONCE_BYTES = 12
"""Length of a nonce (NIST SP 800-38D §8.2 recommends 96 bits)."""
TAG_BYTES = 16
"""Length of the authentication tag at the end of an object."""
HEADER_BYTES = len(VERSION) + KEY_ID_BYTES + NONCE_BYTES
"""Length of what stands before the ciphertext: version, key identifier, nonce."""

_CHUNK_BYTES = 1 << 18


class SealError(Exception):
    """An object does not open: wrong key, wrong name, cut off or altered."""


class BackupKey:
    """The key that backups are encrypted with; it lies in a file on the host that only the platform's user reads.

    An object is: 1 byte version, 8 bytes key identifier, 12 bytes nonce, ciphertext, 16 bytes tag. Its associated data is
    its name in the store, so that one object cannot take the place of another. One nonce serves at most 64 GiB
    (NIST SP 800-38D §5.2.1.1), which no object here comes near.
    """

    def __init__(self, key_id: str, key: bytes) -> None:
        """Takes the raw key and its identifier of `KEY_ID_BYTES` ASCII characters."""
        self.key_id = key_id
        self._key = key

    @classmethod
    def create(cls, folder: Path) -> BackupKey:
        """Makes a new key and keeps it in ``folder`` as backup-<key id>.key."""
        key = cls(secrets.token_hex(KEY_ID_BYTES // 2), secrets.token_bytes(KEY_BYTES))
        path = key.file(folder)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(key._key)
        return key

    @classmethod
    def load(cls, path: Path) -> BackupKey:
        """The key in the file that `create` made; raises SealError for a file that is none."""
        key_id, key = path.stem.removeprefix("backup-"), path.read_bytes()
        if len(key_id) != KEY_ID_BYTES or len(key) != KEY_BYTES:
            raise SealError(f"{path.name} is no backup key: expected backup-<8 characters>.key with {KEY_BYTES} bytes")
        return cls(key_id, key)

    def file(self, folder: Path) -> Path:
        """Where `create` keeps it in ``folder``."""
        return folder / f"backup-{self.key_id}.key"

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for another purpose (HKDF-SHA256, RFC 5869), from which nobody gets back to this one."""
        return HKDF(SHA256(), KEY_BYTES, None, purpose.encode("utf-8")).derive(self._key)

    def seal(self, name: str, plain: Iterable[bytes | memoryview]) -> Iterator[bytes]:
        """The object ``name`` with the content ``plain``, piece by piece."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        encryptor = Cipher(algorithms.AES(self._key), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(name.encode("utf-8"))
        yield VERSION + self.key_id.encode("ascii") + nonce
        for piece in plain:
            yield encryptor.update(piece)
        yield encryptor.finalize() + encryptor.tag

    def open_into(self, name: str, sealed: IO[bytes], target: IO[bytes]) -> None:
        """Writes the content of the object ``name`` to ``target``.

        Raises SealError when the object does not authenticate; what is in ``target`` by then must not be used.
        """
        size = sealed.seek(0, 2)
        sealed.seek(0)
        header = sealed.read(HEADER_BYTES)
        if size < HEADER_BYTES + TAG_BYTES or not header.startswith(VERSION + self.key_id.encode("ascii")):
            raise SealError(f"{name} was not sealed with the key {self.key_id}")
        sealed.seek(size - TAG_BYTES)
        tag = sealed.read(TAG_BYTES)
        sealed.seek(HEADER_BYTES)
        nonce = header[-NONCE_BYTES:]
        decryptor = Cipher(algorithms.AES(self._key), modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(name.encode("utf-8"))
        left = size - HEADER_BYTES - TAG_BYTES
        while left:
            piece = sealed.read(min(left, _CHUNK_BYTES))
            left -= len(piece)
            target.write(decryptor.update(piece))
        try:
            target.write(decryptor.finalize())
        except InvalidTag as error:
            raise SealError(f"{name} does not authenticate") from error
