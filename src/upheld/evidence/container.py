"""The file that a bundle is: a zip archive of which every byte is determined by the names and contents of its parts.

Any program opens it, and this one opens it strictly: order, times, flags and attributes are fixed, nothing stands between, before
or behind the parts, and the archive's comment holds the SHA-256 of all bytes before it. So a damaged file is known for one,
and nothing travels in a bundle that its statement does not name. Nothing is unpacked past the size that its header says.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from upheld.errors import UpheldError

LARGEST_FILE = 512 << 20
"""Bytes that a bundle may have."""
LARGEST_TOTAL = 2 << 30
"""Bytes that all its parts may have together."""
MOST_PARTS = 4096

_COMMENT = b"upheld-evidence/1 sha256:"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NAME = re.compile(r"[a-z0-9](?:[A-Za-z0-9._-]|/(?=[A-Za-z0-9])){0,199}")
_VERSION, _UTF8, _DEFLATED, _TIME, _DATE, _FROM_UNIX, _MODE = 20, 0x0800, 8, 0, 0x21, 0x0314, 0o100644 << 16


class Damaged(UpheldError):
    """The file is no bundle, or not the one that somebody made; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it lies in the file: `stored` is its raw deflated content, which is `size` bytes long once it is unpacked."""

    name: str
    size: int
    crc: int
    stored: bytes

    @classmethod
    def of(cls, name: str, content: bytes) -> Part:
        """The part of that name with that content."""
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        return cls(name, len(content), zlib.crc32(content), packer.compress(content) + packer.flush())

    def content(self, largest: int = LARGEST_TOTAL) -> bytes:
        """What it holds; raises Damaged when that is not what its header says, or more than `largest` bytes."""
        if self.size > largest:
            raise Damaged(f"{self.name} would be {self.size:,} bytes large, and {largest:,} are the most")
        unpacker = zlib.decompressobj(-15)
        try:
            content = unpacker.decompress(self.stored, self.size + 1)
        except zlib.error as error:
            raise Damaged(f"{self.name} cannot be unpacked: {error}") from None
        if len(content) != self.size or not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
            raise Damaged(f"{self.name} is not as large as its header says")
        if zlib.crc32(content) != self.crc:
            raise Damaged(f"{self.name} is not what its header says (CRC-32)")
        return content

    def stored_digest(self) -> str:
        """The SHA-256 of its bytes in the file, in hexadecimal."""
        return hashlib.sha256(self.stored).hexdigest()


def pack(parts: Mapping[str, Part]) -> bytes:
    """The file with these parts, in their order; raises ValueError for a name that no bundle has, or for too much."""
    for name, part in parts.items():
        if name != part.name or not _NAME.fullmatch(name):
            raise ValueError(f"no part of a bundle is called {name!r}")
    if len(parts) > MOST_PARTS or sum(part.size for part in parts.values()) > LARGEST_TOTAL:
        raise ValueError(f"a bundle has at most {MOST_PARTS} parts of {LARGEST_TOTAL >> 20} MiB in all")
    body = b"".join(_laid_out(parts.values()))
    if len(body) > LARGEST_FILE:
        raise ValueError(f"a bundle has at most {LARGEST_FILE >> 20} MiB")
    return body + _COMMENT + hashlib.sha256(body).hexdigest().encode()


def _laid_out(parts: Iterable[Part]) -> list[bytes]:
    """The pieces of the file with these parts, up to the comment."""
    pieces: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for part in parts:
        name = part.name.encode()
        same = (_UTF8, _DEFLATED, _TIME, _DATE, part.crc, len(part.stored), part.size, len(name), 0)
        head = _LOCAL.pack(b"PK\3\4", _VERSION, *same) + name
        directory.append(_CENTRAL.pack(b"PK\1\2", _FROM_UNIX, _VERSION, *same, 0, 0, 0, _MODE, offset) + name)
        pieces += [head, part.stored]
        offset += len(head) + len(part.stored)
    count, size = len(directory), sum(map(len, directory))
    end = _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, len(_COMMENT) + 64)
    return [*pieces, *directory, end]


def read(path: Path) -> bytes:
    """The bytes of the bundle at `path`, one more than are unpacked at the most; raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(LARGEST_FILE + 1)


def unpack(data: bytes) -> dict[str, Part]:
    """The parts of a bundle, nothing of which is unpacked yet; raises Damaged for what is none."""
    if len(data) > LARGEST_FILE:
        raise Damaged(f"the file is larger than {LARGEST_FILE >> 20} MiB")
    length = len(_COMMENT) + 64
    body, comment = data[:-length], data[-length:]
    if len(body) < _END.size or not comment.startswith(_COMMENT):
        raise Damaged("the file is no bundle, or its end is missing (upheld verify-share verifies pages and PDFs)")
    if comment[len(_COMMENT) :] != hashlib.sha256(body).hexdigest().encode():
        raise Damaged("the file was damaged or changed: it does not have the digest that stands at its end")
    parts = _listed(body)
    # What was read is laid out anew: whatever a header holds besides, or stands between parts, shows here.
    place = 0
    for piece in _laid_out(parts.values()):
        if body[place : place + len(piece)] != piece:
            raise Damaged(f"something stands in the file that belongs to no part (near byte {place})")
        place += len(piece)
    if place != len(body):
        raise Damaged("something stands in the file that belongs to no part")
    return parts


def _listed(body: bytes) -> dict[str, Part]:
    """The parts by the directory at the end, wherever it says that they are."""
    mark, _, _, count, _, size, start, _ = _END.unpack_from(body, len(body) - _END.size)
    place, end = start, len(body) - _END.size
    if mark != b"PK\5\6" or count > MOST_PARTS or start + size != end:
        raise Damaged("the file's directory is not where it should be")
    parts: dict[str, Part] = {}
    for _ in range(count):
        if place + _CENTRAL.size > end:
            raise Damaged("the file's directory is cut off")
        fields = _CENTRAL.unpack_from(body, place)
        crc, stored, unpacked, length, offset = *fields[7:11], fields[16]
        name = body[place + _CENTRAL.size : place + _CENTRAL.size + length].decode("ascii", "replace")
        if not _NAME.fullmatch(name) or name in parts:
            raise Damaged(f"no part of a bundle is called {name!r}, or it is there twice")
        begin = offset + _LOCAL.size + length
        if begin + stored > start:
            raise Damaged(f"{name} lies outside of the file")
        parts[name] = Part(name, unpacked, crc, body[begin : begin + stored])
        place += _CENTRAL.size + length
    if sum(part.size for part in parts.values()) > LARGEST_TOTAL:
        raise Damaged(f"the parts would be larger than {LARGEST_TOTAL >> 20} MiB in all")
    return parts
