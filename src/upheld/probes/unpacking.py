"""xz as a stream in bounded memory: its header may ask for a window of gigabytes, and Python's own reader would give it."""

from __future__ import annotations

import io
import lzma
from pathlib import Path
from typing import IO, Any

WINDOW_LIMIT = 128 * 1024 * 1024
"""Bytes of memory that unpacking may take; `xz -9` asks for 65 MiB."""
_PIECE = 1 << 18


class Xz(io.RawIOBase):
    """An xz file of one stream or more; raises lzma.LZMAError for damage and for too large a window, EOFError at an early end."""

    def __init__(self, packed: Path | IO[bytes]) -> None:
        self._file = packed.open("rb") if isinstance(packed, Path) else packed
        self._unpacker = self._new()

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what comes next; gives how much that is, 0 at the end."""
        found = b""
        while not found:
            if self._unpacker.eof:
                # Streams may follow one another, with zeros between them and behind the last.
                rest = (self._unpacker.unused_data or self._file.read(_PIECE)).lstrip(b"\0")
                while not rest and (more := self._file.read(_PIECE)):
                    rest = more.lstrip(b"\0")
                if not rest:
                    return 0
                self._unpacker = self._new()
                found = self._unpacker.decompress(rest, len(buffer))
                continue
            packed = self._file.read(_PIECE) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                raise EOFError("the compressed file ends early")
            found = self._unpacker.decompress(packed, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=WINDOW_LIMIT)


def open_xz(packed: Path | IO[bytes], _mode: str = "rb") -> io.BufferedReader:
    """The content of an xz file, or of a stream of one, as a stream."""
    return io.BufferedReader(Xz(packed), 1 << 18)
