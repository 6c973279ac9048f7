"""Files below one declared folder: nothing outside of it is read, and no link is followed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from upheld.errors import Refused, Unobservable

LARGEST_DOCUMENT = 256 << 20
"""Bytes of a document of which a digest is made."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A document that a register names: whether it exists, its SHA-256 in hexadecimal, and its bytes."""

    path: str
    exists: bool
    sha256: str
    size: int


class KeptFolder:
    """A folder from which files are read; every way out of it is Unobservable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """The file of that name below the folder, whether it exists or not; raises Unobservable where it lies outside or behind a link."""
        parts = PurePosixPath(name).parts
        if not parts or "\0" in name or name.startswith("/") or ".." in parts or not name.isprintable():
            raise Unobservable(f"{name!r} is no path below the declared folder, and was not read")
        path = self.folder
        if not path.is_dir():
            raise Unobservable(f"there is no folder {self.folder.name}")
        for part in parts:
            path = path / part
            try:
                if stat.S_ISLNK(path.lstat().st_mode):
                    raise Unobservable(f"{name} leads over a link, which was not followed")
            except FileNotFoundError:
                return self.folder.joinpath(*parts)
            except OSError as error:
                raise Refused(f"{name} cannot be looked at: {error.strerror}") from error
        return path

    def document(self, name: str) -> Document:
        """The document of that name, read in pieces; one that does not exist is a sight."""
        digest, size = hashlib.sha256(), 0
        try:
            with self.opened(name) as stream:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if size > LARGEST_DOCUMENT:
                        raise Unobservable(f"{name} is larger than {LARGEST_DOCUMENT >> 20} MiB")
                    digest.update(chunk)
        except Missing:
            return Document(name, exists=False, sha256="", size=0)
        return Document(name, exists=True, sha256=digest.hexdigest(), size=size)

    def content(self, name: str, limit: int) -> bytes:
        """The bytes of a small file; raises Missing where there is none, Unobservable where it is larger than `limit`."""
        with self.opened(name) as stream:
            raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise Unobservable(f"{name} is larger than {limit:,} bytes")
        return raw

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """The open file; raises Missing, Refused or Unobservable."""
        path = self.path(name)
        try:
            # O_NONBLOCK: a pipe must not keep the reader waiting before it is seen to be one.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags), "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise Unobservable(f"{name} is no regular file")
                yield stream
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(f"{name} does not exist") from None
        except IsADirectoryError:
            raise Unobservable(f"{name} is a folder") from None
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}") from error


class Missing(Unobservable):
    """The file does not exist."""
