"""What can be made of an object without a key: formats, compressed data, text, low entropy, and secrets in it."""

from __future__ import annotations

import base64
import binascii
import bz2
import lzma
import math
import re
import string
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

HEAD = 1 << 16
"""Bytes at the beginning of an object that are tried as every format."""
OFFSETS = 65
"""How far behind a header of its own something readable is looked for."""
_BLOCK = 1 << 14
_ENOUGH = 4096

_MAGICS: tuple[tuple[str, bytes], ...] = (
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("xz", b"\xfd7zXZ\0"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("lz4, old format", b"\x02\x21\x4c\x18"),
    ("lzop", b"\x89LZO\0\r\n\x1a\n"),
    ("snappy", b"\xff\x06\0\0sNaPpY"),
    ("zip", b"PK\x03\x04"),
    ("7-Zip", b"7z\xbc\xaf\x27\x1c"),
    ("a custom dump of PostgreSQL", b"PGDMP"),
    ("SQLite", b"SQLite format 3\0"),
)
_ARMOUR = re.compile(
    rb"-----BEGIN (PGP MESSAGE|AGE ENCRYPTED FILE)-----(.*?)(?:\r?\n=[A-Za-z0-9+/]{4})?\s*(?:-----END|\Z)", re.DOTALL
)
_SECRETS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a private key", re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    ("an age identity", re.compile(rb"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{20,}")),
)
_PRINTABLE = frozenset(string.printable.encode()) | frozenset(range(0x80, 0x100))
_BASE64 = frozenset((string.ascii_letters + string.digits + "+/=-_\r\n").encode())


@dataclass(frozen=True, slots=True)
class Looked:
    """One object, read to its end: its size, what it can be read as without a key, its lowest entropy, secrets found in it.

    `entropy` is in bits for each byte, that of the least random block; None for an object too small to tell.
    """

    size: int
    readable_as: tuple[str, ...]
    entropy: float | None
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needle:
    """Something that is looked for: what it is, and its spellings."""

    what: str
    spellings: tuple[bytes, ...]


def needle(what: str, secret: bytes) -> Needle | None:
    """What finds `secret` in its usual spellings: raw, hexadecimal, base64 at each alignment; None when it is too short to tell."""
    if len(secret) < 8:
        return None
    spelt = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret)
        piece = encoded[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6]
        spelt += [piece, piece.translate(bytes.maketrans(b"+/", b"-_"))]
    # Of a key that is written in lines, each long one gives it away.
    spelt += [line.strip() for line in secret.splitlines() if len(line.strip()) >= 32 and not line.startswith(b"-----")]
    return Needle(what, tuple(dict.fromkeys(spelt)))


def look_at(pieces: Iterable[bytes], needles: Sequence[Needle]) -> Looked:
    """Read an object to its end in constant memory and say what can be made of it."""
    head, size, lowest = b"", 0, None
    longest = max((len(one) for each in needles for one in each.spellings), default=0)
    overlap = max(longest - 1, 256)
    found: dict[str, None] = {}
    readable: dict[str, None] = {}
    tail = b""
    for piece in _regular(pieces):
        if len(head) < HEAD:
            head += piece[: HEAD - len(head)]
        size += len(piece)
        window = tail + piece
        for each in needles:
            if each.what not in found and any(spelling in window for spelling in each.spellings):
                found[each.what] = None
        for what, pattern in _SECRETS:
            if what not in found and pattern.search(window):
                found[what] = None
        tail = window[-overlap:]
        # A header of its own may stand in plain text before ciphertext.
        first = 512 if size == len(piece) else 0
        for start in range(first, len(piece), len(piece) // 2 + 1):
            block = piece[start : start + _BLOCK]
            if len(block) >= _ENOUGH:
                bits = entropy(block)
                lowest = bits if lowest is None else min(lowest, bits)
    for what in readings(head, whole=size == len(head)):
        readable[what] = None
    if lowest is not None and lowest < expected_entropy(_ENOUGH) - 0.05 and not _armoured(head):
        readable[f"low entropy ({lowest:.2f} bits a byte)"] = None
    return Looked(size, tuple(readable), None if lowest is None else round(lowest, 4), tuple(found))


def readings(head: bytes, *, whole: bool) -> Iterator[str]:
    """As what the beginning of an object can be read; `whole` says that there is no more of it."""
    yield from _binary_readings(head, whole=whole)
    if _armoured(head):
        return
    if _textual(head):
        yield _text_kind(head)
    packed = head.translate(None, b"\r\n \t")
    if len(packed) >= 32 and all(byte in _BASE64 for byte in packed[:_ENOUGH]):
        try:
            decoded = base64.b64decode(packed[: len(packed) // 4 * 4].translate(bytes.maketrans(b"-_", b"+/")))
        except (binascii.Error, ValueError):
            return
        for what in _binary_readings(decoded, whole=whole):
            yield f"base64 of {what}"
        if _textual(decoded):
            yield "base64 of text"


def entropy(content: bytes) -> float:
    """Bits for each byte."""
    total = len(content)
    return -sum(n / total * math.log2(n / total) for n in Counter(content).values())


def expected_entropy(size: int) -> float:
    """What random bytes of that number have, on average (Miller's correction)."""
    return 8 - 255 / (2 * size * math.log(2))


def _binary_readings(head: bytes, *, whole: bool) -> Iterator[str]:
    for what, magic in _MAGICS:
        # A magic of few bytes turns up by chance behind the beginning.
        if head.startswith(magic) or (len(magic) >= 6 and magic in head[: OFFSETS + len(magic)]):
            yield what
    start = head.find(_MAGICS[0][1], 1, OFFSETS + 4)
    if (
        start > 0 and len(head) > start + 4 and not head[start + 4] & 0x18
    ):  # RFC 8878 §3.1.1.1.1: two bits are never set.
        yield f"zstd behind {start} bytes"
    if head[257:262] == b"ustar" or _tar_header(head):
        yield "tar"
    for offset in range(min(OFFSETS, len(head))):
        if what := _unpacked(head[offset:], whole=whole, first=offset == 0):
            yield what if offset == 0 else f"{what} behind {offset} bytes"
            break
    for offset in range(min(OFFSETS, len(head))):
        if _wal_page(head[offset : offset + 40]):
            yield "write-ahead log of PostgreSQL"
            break


def _unpacked(data: bytes, *, whole: bool, first: bool) -> str:
    """What decompresses the data: without an error to where it is cut off, or to an end whose checksum is right."""
    if data[:3] == b"\x1f\x8b\x08" and _inflates(data, 31, whole=whole):
        return "gzip"
    if (
        len(data) > 2
        and data[0] & 0x0F == 8
        and (data[0] << 8 | data[1]) % 31 == 0
        and _inflates(data, 15, whole=whole)
    ):
        return "zlib"
    if first and len(data) >= 64 and _inflates(data, -15, whole=whole):
        return "deflate"
    if data[:3] == b"BZh" and data[4:10] == b"1AY&SY":
        return "bzip2" if _flows(bz2.BZ2Decompressor(), data) else "bzip2, damaged"
    if data[:3] == b"\x5d\0\0" and _flows(lzma.LZMADecompressor(format=lzma.FORMAT_ALONE), data[:_ENOUGH]):
        return "lzma"
    return ""


def _inflates(data: bytes, window: int, *, whole: bool) -> bool:
    unpacker = zlib.decompressobj(window)
    try:
        plain = unpacker.decompress(data, 1 << 20)
    except zlib.error:
        return False
    if unpacker.eof:
        # Raw deflate has no checksum: an end that comes early, in random bytes, means nothing.
        return bool(plain) and (window > 0 or (whole and not unpacker.unused_data))
    # A thousand bytes of random data never pass for compressed ones.
    return bool(plain) and len(data) >= 1024


def _flows(unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes) -> bool:
    try:
        unpacker.decompress(data, 1 << 20)
    except (OSError, EOFError, ValueError, lzma.LZMAError):
        return False
    return True


def _tar_header(head: bytes) -> bool:
    """Whether the checksum of a tar header is right (POSIX pax: the sum of its bytes, with the field itself as spaces)."""
    if len(head) < 512 or not any(head[:100]):
        return False
    field = re.fullmatch(rb"[ 0]*([0-7]+)[\0 ]*", head[148:156])
    return field is not None and int(field[1], 8) == sum(head[:148]) + 8 * 0x20 + sum(head[156:512])


def _wal_page(page: bytes) -> bool:
    """Whether this is the long header of a segment's first page (xlog_internal.h: XLogLongPageHeaderData), of any version."""
    if len(page) < 40:
        return False
    magic, info = struct.unpack_from("<HH", page)
    segment, block = struct.unpack_from("<II", page, 32)
    return magic >> 8 in {0xD0, 0xD1} and bool(info & 2) and _power(segment) and _power(block)


def _power(number: int) -> bool:
    return number >= 1024 and number & (number - 1) == 0


def _textual(data: bytes) -> bool:
    if len(data) < 16:
        return False
    sample = data[:_ENOUGH]
    if sum(byte in _PRINTABLE for byte in sample) < 0.97 * len(sample):
        return False
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(sample) - 4
    return True


def _text_kind(head: bytes) -> str:
    start = head[:_ENOUGH].lstrip()
    if re.search(
        rb"(?i)PostgreSQL database|MySQL dump|MariaDB dump|^\s*(?:create|insert|copy|set) \S", start, re.MULTILINE
    ):
        return "SQL text"
    return "JSON text" if re.match(rb"[\[{]\s*[\[{\"]", start) else "text"


def _armoured(head: bytes) -> bool:
    """Whether it is ciphertext that was written as text: PGP's or age's armour around something that is no text."""
    found = _ARMOUR.match(head.lstrip())
    if found is None:
        return False
    body = found[2].rpartition(b"\n\n")[2] if b"\n\n" in found[2] else found[2]
    packed = body.translate(None, b"\r\n \t")
    try:
        decoded = base64.b64decode(packed[: len(packed) // 4 * 4])
    except (binascii.Error, ValueError):
        return False
    if found[1].startswith(b"AGE"):
        return decoded.startswith(b"age-encryption.org/v1")
    # Tags of encrypted packets (RFC 9580 §5.1): session keys come first, then what is encrypted.
    tag = (decoded[0] & 0x3F if decoded[0] & 0x40 else decoded[0] >> 2 & 0x0F) if decoded else 0
    return tag in {1, 3, 9, 18, 20}


def _regular(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, with small ones put together, so that each but the last is worth measuring."""
    pending = b""
    for piece in pieces:
        pending += piece
        if len(pending) >= HEAD:
            yield pending
            pending = b""
    if pending:
        yield pending
