"""The settings that lie in a repository, looked at before anything reads them: a repository is data that a stranger made.

Settings that include others would have whoever reads the repository read any file of this machine, a pipe that never ends
among them, and show a line of it in an error.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from upheld.errors import Unobservable

LARGEST = 1024 * 1024
"""Bytes of one file of settings."""
_INCLUDES = re.compile(rb"(?i)\[\s*include")
_POINTER = 4096


def look_at_settings(folder: Path, shown: str) -> None:
    """Raise Unobservable when the settings of the repository in `folder` are no plain files, or include others."""
    for path in _settings(folder, shown):
        held = _content(path, LARGEST, f"the settings of {shown}")
        if _INCLUDES.search(held):
            raise Unobservable(
                f"the settings of {shown} include other files, which are not read: audit a clone without that (git clone --mirror)"
            )


def _settings(folder: Path, shown: str) -> Iterator[Path]:
    control = folder / ".git" if (folder / ".git").exists() else folder
    if control.is_file():  # A working tree whose repository lies elsewhere.
        pointer = _content(control, _POINTER, f"the file .git of {shown}").decode("utf-8", "surrogateescape")
        control = folder / pointer.removeprefix("gitdir:").strip()
    yield control / "config"
    yield control / "config.worktree"
    if (control / "commondir").exists():
        common = _content(control / "commondir", _POINTER, f"the file commondir of {shown}")
        yield control / common.decode("utf-8", "surrogateescape").strip() / "config"


def _content(path: Path, limit: int, what: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unobservable(f"{what} are in no regular file")
        with path.open("rb") as stream:
            held = stream.read(limit + 1)
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        raise Unobservable(f"{what} cannot be read: {type(error).__name__}") from error
    if len(held) > limit:
        raise Unobservable(f"{what} are larger than {limit} bytes")
    return held
