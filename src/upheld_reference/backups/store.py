"""The backup store: a folder that stands for object storage elsewhere, and so gets nothing but encrypted objects."""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from upheld_reference.backups.sealing import BackupKey

_PARTIAL = ".partial"


@dataclass(frozen=True)
class Stored:
    """What was written to the store as one object."""

    size_bytes: int
    sha256: str
    """Of the object as it lies in the store, in hexadecimal."""


class Store:
    """Objects by name; a name may have folders in it."""

    def __init__(self, folder: Path) -> None:
        """Keeps the objects below ``folder``, which need not exist yet."""
        self.folder = folder

    def put(self, name: str, pieces: Iterable[bytes]) -> Stored:
        """Writes the object ``name``, which appears when all of it is there, or not at all.

        Whatever ``pieces`` raises is passed on.
        """
        path = self.path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(path.name + _PARTIAL)
        digest, size = hashlib.sha256(), 0
        try:
            with partial.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                    digest.update(piece)
                    size += len(piece)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return Stored(size, digest.hexdigest())

    def path(self, name: str) -> Path:
        """The file of the object ``name``."""
        return self.folder / name

    def date(self, name: str, at: datetime) -> None:
        """Gives the object ``name`` the date ``at``."""
        os.utime(self.path(name), (at.timestamp(), at.timestamp()))

    def remove(self, name: str) -> None:
        """Removes the object ``name`` if it is there."""
        self.path(name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """The names of all objects, the catalogue's file among them."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != _PARTIAL)
        return {path.relative_to(self.folder).as_posix() for path in files}

    def read(self, name: str, key: BackupKey) -> bytes:
        """The decrypted and unpacked content of the object ``name``; raises SealError, OSError or zlib.error."""
        plain = io.BytesIO()
        with self.path(name).open("rb") as sealed:
            key.open_into(name, sealed, plain)
        return zlib.decompress(plain.getvalue())


def compressed(plain: Iterable[bytes]) -> Iterator[bytes]:
    """``plain`` in the zlib format (RFC 1950); the fastest level, for it runs beside a live platform."""
    packer = zlib.compressobj(level=1)
    for piece in plain:
        yield packer.compress(piece)
    yield packer.flush()
