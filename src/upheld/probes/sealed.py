"""Sealed columns: what stands in them, and whether it opens with the declared keys. Keys and plain values never leave here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.database import CELL_LIMIT, Database, table_of
from upheld.probes.database_rows import rows_of
from upheld.probes.sending import Sending, reading
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.data import Encryption, SealedColumn

VALUES_LIMIT = 20_000
"""Values of one column that are opened; a column with more is Unobservable."""

_BLOCK = 16
_TAG = 16
_KEY_BYTES = (16, 24, 32)
_KNOWN_LIMIT = (
    500  # Plain values that the redactor learns; they never leave the probe, this only guards the other sinks.
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the target declares, and what it holds."""

    table: str
    column: str
    what: str

    def __str__(self) -> str:
        """`table.column (what it holds)`."""
        return f"{self.table}.{self.column} ({self.what})"


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One stored value, without anything that it holds.

    `key_bits` is the strength of the key that opened it (0: none did), `mode` the mode in which it opened. `readable_as` says what it is
    when it can be read without a key. The digests are equal where the things are equal, within one run.
    """

    row: str
    length: int
    mode: str
    key_bits: int
    key_id: str
    authenticates: bool
    tampered_authenticates: bool
    nonce: str
    ciphertext: str
    plaintext: str
    readable_as: str
    repeats_blocks: bool


class Sealed(Probe):
    """The columns under `encryption` in the target."""

    name = "sealed"
    needs = ("database", "encryption")
    sends: ClassVar[Sending] = dict.fromkeys(
        ("values", "key_strings_in"), reading("sealed_url", "of sealed columns") + reading("url", "of sealed columns")
    )

    def __init__(self, session: Session) -> None:
        """Reads nothing yet."""
        super().__init__(session)
        self._digest_key = secrets.token_bytes(32)
        self._keys: dict[str, tuple[bytes, ...]] = {}
        self._learnt = 0

    @look
    def columns(self) -> tuple[Column, ...]:
        """The declared columns; raises Unobservable when there is none."""
        if not self._encryption.columns:
            raise Unobservable("the target declares no sealed column (encryption.columns)")
        return tuple(Column(one.table, one.column, one.what) for one in self._encryption.columns)

    @look
    def values(self, column: Column) -> tuple[SealedValue, ...]:
        """Every value of the column that is neither NULL nor empty, opened with the declared keys."""
        described = next(
            (one for one in self._encryption.columns if (one.table, one.column) == (column.table, column.column)), None
        )
        if described is None:
            raise Unobservable(f"the target declares no sealed column {column.table}.{column.column}")
        return tuple(value for value, _, _ in self.rows(described))

    @look
    def key_strings_in(self, column: Column) -> tuple[str, ...]:
        """The identifiers of the keys that values of the column open with; never the keys."""
        return tuple(dict.fromkeys(value.key_id for value in self.values(column) if value.authenticates))

    def key_texts(self, names: Iterable[str]) -> tuple[str, ...]:
        """For probes that look for keys: each key's bytes in hexadecimal and in base64."""
        keys = [key for name in names for key in self._key(name)]
        return tuple(
            dict.fromkeys(text for key in keys for text in (key.hex(), base64.b64encode(key).decode().rstrip("=")))
        )

    @property
    def _encryption(self) -> Encryption:
        if self.target.encryption is None:
            raise Unobservable("the target does not describe how sensitive columns are sealed (encryption)")
        return self.target.encryption

    @property
    def _role(self) -> str:
        """The role that reads sealed columns: one of its own where the target names one."""
        return "sealed" if self.target.database and self.target.database.sealed_url else "auditor"

    def rows(self, described: SealedColumn) -> Iterator[tuple[SealedValue, bytes, bytes | None]]:
        """For probes that follow a value: each one with its stored bytes, and what it holds when it opens."""
        if not self._encryption.keys:
            raise Unobservable("the target names no key (encryption.keys)")
        named = re.findall(r"\{(\w+)\}", described.associated_data)
        columns = dict.fromkeys((described.id, described.column, *named))
        table = table_of(described.table, *columns)
        stored = table.c[described.column]
        statement = sa.select(*(table.c[name] for name in columns)).where(stored.is_not(None)).limit(VALUES_LIMIT + 1)
        name = f"{described.table}.{described.column}"
        with (
            cast("Database", self.session.probe(Database)).reading(self._role) as connection,
            closing(rows_of(connection, statement, name, kept_limit=None)) as found_rows,
        ):
            for number, row in enumerate(found_rows):
                if number == VALUES_LIMIT:
                    raise Unobservable(f"{name} holds more than {VALUES_LIMIT} values")
                value = _bytes(row[described.column])
                if len(value) > CELL_LIMIT:
                    raise Unobservable(f"{name}: a value is longer than {CELL_LIMIT} bytes")
                if value:
                    associated = _filled(described.associated_data, row)
                    found, plaintext = self._value(str(row[described.id]), value, associated.encode())
                    yield found, value, plaintext

    def _value(self, row: str, stored: bytes, associated: bytes) -> tuple[SealedValue, bytes | None]:
        shape = self._encryption
        # A column of text may hold the sealed bytes as base64 or hexadecimal.
        for value in dict.fromkeys((stored, *_decoded(stored))):
            key_id = self._key_id(value)
            nonce = value[shape.header_bytes : shape.header_bytes + shape.nonce_bytes]
            body = value[shape.header_bytes + shape.nonce_bytes :]
            if len(body) < _TAG or len(nonce) != shape.nonce_bytes:
                continue
            for key in self._candidates(key_id):
                plaintext = _opened(key, nonce, body, associated)
                if plaintext is None:
                    continue
                self._learn(plaintext)
                tampered = bytes([body[0] ^ 1]) + body[1:]
                found = SealedValue(
                    row=row,
                    length=len(stored),
                    mode="AES-GCM",
                    key_bits=_strength(key),
                    key_id=key_id,
                    authenticates=True,
                    tampered_authenticates=_opened(key, nonce, tampered, associated) is not None,
                    nonce=self._digest(nonce),
                    ciphertext=self._digest(body[:-_TAG]),
                    plaintext=self._digest(plaintext),
                    readable_as="",
                    repeats_blocks=_repeats(body[:-_TAG]),
                )
                return found, plaintext
        return self._unopened(row, stored)

    def _unopened(self, row: str, stored: bytes) -> tuple[SealedValue, bytes | None]:
        """What can be said of a value that no key opens: whether it can be read as it is, or as AES-ECB, and what it holds then."""
        header = self._encryption.header_bytes
        bodies = tuple(dict.fromkeys((stored, stored[header:], stored[header + self._encryption.nonce_bytes :])))
        key_id = self._key_id(stored)
        readable = next((found for body in bodies if (found := _readable(body))), "")
        mode, bits, plaintext = "", 0, None
        for key in () if readable else self._candidates(key_id):
            opened = next((text for body in bodies if (text := _opened_as_ecb(key, body)) is not None), None)
            if opened is not None:
                mode, bits, plaintext = "AES-ECB", _strength(key), opened
        value = SealedValue(
            row=row,
            length=len(stored),
            mode=mode,
            key_bits=bits,
            key_id=key_id if key_id in self._encryption.keys else "",
            authenticates=False,
            tampered_authenticates=False,
            nonce="",
            ciphertext=self._digest(bodies[1] or stored),
            plaintext="",
            readable_as=readable,
            repeats_blocks=any(_repeats(body) for body in bodies),
        )
        return value, plaintext

    def _key_id(self, value: bytes) -> str:
        shape = self._encryption
        raw = value[shape.key_id_offset : shape.key_id_offset + shape.key_id_bytes]
        text = raw.decode("latin-1")
        # An identifier that names no key may be a piece of a plain value: it does not leave the probe.
        return next(
            (name for name in shape.keys if text in {name, name.ljust(shape.key_id_bytes, "\0")} or raw.hex() == name),
            "",
        )

    def _candidates(self, key_id: str) -> Iterator[bytes]:
        """The keys to try: the named one, or all when a value names none."""
        for name in [key_id] if key_id else list(self._encryption.keys):
            yield from self._key(name)

    def _key(self, name: str) -> tuple[bytes, ...]:
        """The key called `name` in each way in which its text may be meant: the one that opens a value is the right one."""
        if name not in self._keys:
            text = resolve(self._encryption.keys[name], self.session.target_folder)
            raw = text.encode("utf-8", "surrogateescape")
            for shown in (
                (raw.hex(), text.strip()) if text.isprintable() else (raw.hex(), base64.b64encode(raw).decode())
            ):
                self.session.redactor.add(shown, f"encryption key {name}")
            found = [raw, raw.strip(), *_decoded(raw.strip())]
            keys = tuple(dict.fromkeys(one for one in found if len(one) in _KEY_BYTES))
            if not keys:
                raise Unobservable(
                    f"the encryption key {name} is no AES key (16, 24 or 32 bytes, raw, hexadecimal or base64)"
                )
            self._keys[name] = keys
        return self._keys[name]

    def _learn(self, plaintext: bytes) -> None:
        text = plaintext.decode("utf-8", "replace")
        if self._learnt < _KNOWN_LIMIT and len(text) >= 12 and text.isprintable():
            self._learnt += 1
            self.session.redactor.add(text, f"sealed value {self._learnt}")

    def _digest(self, value: bytes) -> str:
        """Equal for equal values of this run, and of no use to find the value."""
        return hmac.new(self._digest_key, value, hashlib.sha256).hexdigest()[:32]


def _filled(template: str, row: Mapping[Any, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(row[match.group(1)]), template)


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, default=str).encode()


def _opened(key: bytes, nonce: bytes, body: bytes, associated: bytes) -> bytes | None:
    try:
        return AESGCM(key).decrypt(nonce, body, associated or None)
    except (InvalidTag, ValueError):  # ValueError: a nonce of a length that GCM does not take.
        return None


def _opened_as_ecb(key: bytes, body: bytes) -> bytes | None:
    """What `body` decrypts to block by block, where that is padded or printable text: then equal blocks show, and nothing is authenticated."""
    if not body or len(body) % _BLOCK:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305  (the defect that is looked for)
    plain = decryptor.update(body) + decryptor.finalize()
    pad = plain[-1]
    if 1 <= pad <= _BLOCK and plain.endswith(bytes([pad]) * pad) and _printable(plain[:-pad]):
        return plain[:-pad]
    return plain.rstrip(b"\0") if _printable(plain.rstrip(b"\0")) else None


def _strength(key: bytes) -> int:
    """Bits of the key, counting what a key spelt in text can hold at most: 4 a hexadecimal digit, 6 a printable character."""
    if re.fullmatch(rb"[0-9a-fA-F]+", key):
        return len(key) * 4
    if re.fullmatch(rb"[\x20-\x7e]+", key):
        return len(key) * 6
    return len(key) * 8


def _decoded(value: bytes) -> Iterator[bytes]:
    if re.fullmatch(rb"(?:\\x)?(?:[0-9a-fA-F]{2}){8,}", value):
        yield binascii.unhexlify(value.removeprefix(b"\\x"))
    if re.fullmatch(rb"[A-Za-z0-9+/_-]{8,}={0,2}", value):
        try:
            yield base64.b64decode(
                value.rstrip(b"=") + b"=" * (-len(value.rstrip(b"=")) % 4),
                b"-_" if re.search(rb"[-_]", value) else None,
            )
        except (binascii.Error, ValueError):
            return


def _printable(value: bytes) -> bool:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    return len(text) >= 4 and all(c.isprintable() or c in "\t\r\n" for c in text)


def _readable(value: bytes) -> str:
    """What `value` is when it can be read without a key; empty when it cannot."""
    if not _printable(value):
        return ""
    try:
        if isinstance(json.loads(value), dict | list):
            return "JSON"
    except (ValueError, RecursionError):
        pass
    opaque = False
    for decoded in _decoded(value):
        if _printable(decoded):
            return "hex text" if re.fullmatch(rb"(?:\\x)?[0-9a-fA-F]+", value) else "base64 text"
        opaque = opaque or (len(decoded) >= _TAG and _random(decoded))
    # Printable, and what it encodes is not: sealed bytes in base64 or hexadecimal that no key opens, or a random token.
    return "" if opaque and len(value) >= 4 * _TAG else "plain text"


def _random(value: bytes) -> bool:
    return any(byte >= 128 or byte < 32 for byte in value)


def _repeats(value: bytes) -> bool:
    blocks = [value[i : i + _BLOCK] for i in range(0, len(value) - _BLOCK + 1, _BLOCK)]
    return len(set(blocks)) < len(blocks)
