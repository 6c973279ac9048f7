"""Folders whose files are kept only for a period: walking over them, and writing a file that is dated back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from upheld.errors import Refused, Unobservable

FILES_LIMIT = 1_000_000
"""Files of one store that are walked over; more are Unobservable."""
HEAD = 1 << 20
"""Bytes of a file in which a planted canary is looked for."""


def files_in(folder: Path, pattern: str, store: str) -> Iterator[tuple[str, Path, datetime]]:
    """Each file below `folder` that the pattern fits, with its tenant and the instant of its last change.

    Raises Unobservable when there is no such folder, when a folder below it cannot be listed, or when there are too many.
    """
    if not folder.is_dir():
        raise Unobservable(f"{store}: there is no folder {folder.name}")
    fits = _expression(pattern)
    count = 0

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # A folder that went away meanwhile holds nothing.
            raise Refused(f"{store}: a folder cannot be listed: {error.strerror}") from error

    for parent, _, names in os.walk(folder, onerror=refuse):
        for name in sorted(names):
            path = Path(parent, name)
            match = fits.fullmatch(path.relative_to(folder).as_posix())
            if match is None:
                continue
            count += 1
            if count > FILES_LIMIT:
                raise Unobservable(f"{store} holds more than {FILES_LIMIT} files")
            try:
                changed = path.lstat().st_mtime
            except FileNotFoundError:
                continue
            yield match.groupdict().get("tenant") or "", path, datetime.fromtimestamp(changed, UTC)


def write_dated(path: Path, folder: Path, content: str, at: datetime, store: str) -> None:
    """Write a new file that was last changed `at`; under root it belongs to the folder's owner. Raises Refused."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
        if hasattr(os, "chown") and os.geteuid() == 0:
            owner = folder.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
        os.utime(path, (at.timestamp(), at.timestamp()))
    except OSError as error:
        raise Refused(f"{store}: a file cannot be planted: {error.strerror}") from error


def head_of(path: Path) -> bytes:
    """The beginning of a file; nothing when it is no longer there. Raises Refused."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Refused(f"a file cannot be read: {error.strerror}") from error


def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern of a file store as an expression over the path below its folder, with the tenant as a group."""
    pieces = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    expression = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\{tenant\})", pattern):
        if part == "{tenant}":
            expression += "(?P=tenant)" if "(?P<tenant>" in expression else r"(?P<tenant>[^/]+)"
        else:
            expression += pieces.get(part, re.escape(part))
    return re.compile(expression, re.DOTALL)
