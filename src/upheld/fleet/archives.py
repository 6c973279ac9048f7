"""A run's folder as one archive, on its way from a worker to the controller, who trusts none of its bytes.

It is a tar file in gzip with regular files and folders only, whose names are short. What is read is read block by block in
bounded memory: a header that is anything else is refused before what follows it is looked at.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from upheld.errors import UpheldError
from upheld.reporting.folder import PREVIOUS

MOST_FILES = 20_000
LARGEST = 512 << 20
"""Bytes that all files of a run's folder have together at the most."""
LARGEST_PACKED = 128 << 20
"""Bytes of the archive at the most."""
_PIECE = 1 << 18
_BLOCK = tarfile.BLOCKSIZE
_LEVELS = 12
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}")
_LONGEST = 99
"""Bytes of a name: a header has room for a hundred."""


class NotPacked(UpheldError):
    """A folder that is not packed, or an archive that is not unpacked; the message says why."""


def pack_folder(folder: Path) -> bytes:
    """The archive of a run's folder, without the run before it; empty where there is no folder. Raises NotPacked, or OSError."""
    if not folder.is_dir():
        return b""
    packed = io.BytesIO()
    total = 0
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for number, (name, path) in enumerate(_files(folder)):
            if number >= MOST_FILES:
                raise NotPacked(f"it has more than {MOST_FILES:,} files")
            with path.open("rb") as stream:
                info = tarfile.TarInfo(name)
                info.size = path.stat().st_size
                total += info.size
                if total > LARGEST or packed.tell() > LARGEST_PACKED:
                    raise NotPacked(f"it is larger than {LARGEST >> 20} MiB ({LARGEST_PACKED >> 20} packed)")
                archive.addfile(info, stream)
    if packed.tell() > LARGEST_PACKED:
        raise NotPacked(f"it is larger than {LARGEST_PACKED >> 20} MiB when it is packed")
    return packed.getvalue()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if parts[0] == PREVIOUS or path.is_symlink() or not path.is_file():
            continue
        if parts[-1].startswith(".") or any(part.startswith(".") for part in parts):
            continue  # Left of a report that was being written.
        name = "/".join(parts)
        if _wrong(name):
            raise NotPacked(f"a file in it is called {name[:200]!r}")
        yield name, path


def unpack_folder(archive: bytes, folder: Path) -> None:
    """Put the files of an archive into `folder`, in the place of all that it holds; raises NotPacked and leaves it as it was.

    Nothing is written outside of it, no link is made, no mode or owner is taken over.
    """
    if len(archive) > LARGEST_PACKED:
        raise NotPacked(f"the archive is larger than {LARGEST_PACKED >> 20} MiB")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name[:50]}.", suffix=".part", dir=folder.parent))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as stream:
            _unpack(stream, beside)
        beside.chmod(0o755)
        if folder.is_symlink() or folder.is_file():
            raise NotPacked(f"{folder} is no folder")
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except (EOFError, OSError, zlib.error, tarfile.TarError, UnicodeError) as error:
        raise NotPacked(f"the archive cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _unpack(stream: gzip.GzipFile, folder: Path) -> None:
    seen: set[str] = set()
    total = 0
    while (header := _block(stream)) != bytes(_BLOCK):
        # Only this block is judged: a header that is continued (a long name, say) is of another kind, and refused.
        info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            raise NotPacked(f"{info.name[:200]!r} in the archive is no regular file")
        if why := _wrong(info.name):
            raise NotPacked(f"a file in the archive is called {info.name[:200]!r}: {why}")
        total += max(0, info.size)
        if info.size < 0 or total > LARGEST:
            raise NotPacked(f"the files in the archive are larger than {LARGEST >> 20} MiB")
        seen.add(info.name)
        if len(seen) > MOST_FILES:
            raise NotPacked(f"the archive has more than {MOST_FILES:,} files")
        path = folder / info.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:  # A name that is there twice is refused with it.
            _copy(stream, file, info.size)
    # To the very end, where the checksum of all of it stands.
    if any(rest := stream.read(tarfile.RECORDSIZE)) or stream.read(1):
        raise NotPacked(f"something stands behind the end of the archive ({len(rest):,} bytes or more)")


def _block(stream: gzip.GzipFile) -> bytes:
    block = stream.read(_BLOCK)
    if len(block) != _BLOCK:
        raise NotPacked("the archive ends early")
    return block


def _copy(stream: gzip.GzipFile, file: IO[bytes], size: int) -> None:
    left = size
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise NotPacked("the archive ends early")
        file.write(piece)
        left -= len(piece)
    stream.read(-size % _BLOCK)


def _wrong(name: str) -> str:
    """What is wrong with the name of a file in a run's folder; empty where nothing is."""
    parts = name.split("/")
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST or len(parts) > _LEVELS:
        return "it is too long"
    if not all(_PART.fullmatch(part) for part in parts):
        return "it is no plain name below the folder"
    return ""
