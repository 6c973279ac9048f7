"""Packing a job: the policy, its checks and waivers, the target, and the small files that it names.

Where a path leads is known by what its field is (`upheld.target.places`). Documents (certificates, OpenAPI) and folders of records
(registers, statements, recorded facts) travel; what changes or is large (logs, repositories, stores) does not: its relative path
becomes the absolute one of the controller's machine, and a worker that has no such path sees nothing there. Nothing travels that a secret is kept in.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from upheld import documents
from upheld.catalogue import Catalogue
from upheld.errors import InputError, Mistake
from upheld.fleet.hosts import hosts_of
from upheld.fleet.jobs import LEASE_SECONDS, TIME_LIMIT, Job, Packable, machine
from upheld.fleet.plain import as_yaml
from upheld.policies import load as load_policy
from upheld.policies.waivers import FILE_NAME
from upheld.resources import check_folders
from upheld.target.load import written_out
from upheld.target.manners import MACHINE
from upheld.target.model import Target
from upheld.target.parts import Lies
from upheld.target.places import Location, Named, named_paths

LARGEST_FILE = 4 << 20
LARGEST_FOLDER = 16 << 20
LARGEST_JOB = 64 << 20
MOST_FILES = 1_000
_KEY = b"PRIVATE KEY-----"
_REFERENCE = re.compile(rb"""["']?\$ref["']?\s*:\s*["']?([^"'#\s{}\[\],]+)""")
_WAIVERS = "waivers/waivers.yaml"
_HERE = frozenset({"local", "docker", "podman", "lxc"})
_TARGET = "target/target.yaml"
Files = dict[str, bytes]


def pack(
    member: Packable,
    attempt: int,
    share: Mapping[str, Any],
    *,
    fleet: str,
    ticket: str,
    processes: int = 0,
    lease: float = LEASE_SECONDS,
    time_limit: float = TIME_LIMIT,
) -> Job:
    """The job of one attempt at a member of the fleet's run `fleet`; raises InputError with what cannot be packed.

    `share` has the shape of a target's `limits`, and may be empty.
    """
    policy = _policy(member.policy.resolve())
    files = dict(policy.files)
    if member.waivers is not None:
        files[_WAIVERS] = _read(member.waivers)
    packing = _Packing(member, files)
    files[_TARGET] = as_yaml(packing.target())
    total = sum(map(len, files.values()))
    if total > LARGEST_JOB:
        message = f"the target's policy, checks and documents are {total:,} bytes large"
        raise InputError([Mistake(member.name, 0, 0, message, expected=f"at most {LARGEST_JOB:,}")])
    return Job(
        fleet=fleet,
        member=member.name,
        attempt=attempt,
        ticket=ticket,
        files=tuple(files.items()),
        policy=policy.path,
        target=_TARGET,
        waivers=_WAIVERS if member.waivers is not None else "",
        claims=tuple(member.claims),
        share=dict(share),
        processes=processes,
        lease=lease,
        time_limit=time_limit,
        modified=tuple(packing.modified.items()),
        machine=machine() if packing.stays else "",
    )


# --- the policy --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Policy:
    """A policy as it travels: its files, and where it stands among them."""

    files: Files
    path: str


@lru_cache(maxsize=64)
def _policy(path: Path) -> _Policy:
    """The policy in that file, with its own waivers; read once, so that a fleet has one and the same throughout."""
    folders = check_folders(path)
    policy = load_policy(path, Catalogue.load(*folders), today=datetime.now(UTC).date())
    data = documents.load(path).data
    named = data.get("waivers") if isinstance(data, dict) else None
    waivers = _plain(path.parent / (named if isinstance(named, str) else FILE_NAME))
    sources = {path, *(_plain(Path(file)) for file in policy.files)}
    if waivers.exists():
        sources.add(waivers)
    root = Path(os.path.commonpath([file.parent for file in sources]))

    def place(file: Path) -> str:
        return f"policy/{file.relative_to(root).as_posix()}"

    files = {place(file): _read(file) for file in sorted(sources)}
    if len(folders) > 1:
        files |= {place(path.parent / file.relative_to(folders[1].parent)): _read(file) for file in _below(folders[1])}
    return _Policy(files, place(path))


def _plain(path: Path) -> Path:
    """The path as it is written, from the root and without `..`; a link stays one."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _below(folder: Path) -> list[Path]:
    found = [one for one in sorted(folder.rglob("*")) if "__pycache__" not in one.parts and one.is_file()]
    if len(found) > MOST_FILES:
        raise InputError([Mistake(str(folder), 0, 0, "has too many files", expected=f"at most {MOST_FILES:,}")])
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FOLDER + 1)
    except OSError as error:
        raise InputError([Mistake(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    if len(content) > LARGEST_FOLDER:
        raise InputError([Mistake(str(path), 0, 0, "is too large", expected=f"at most {LARGEST_FOLDER:,} bytes")])
    return content


# --- the target --------------------------------------------------------------------------------------------------------


class _Packing:
    """One target's description, and the files that travel with it."""

    def __init__(self, member: Packable, files: Files) -> None:
        self._base = _plain(member.base)
        self._data = deepcopy(dict(member.target))
        self._files = files
        self._number = 0
        self.modified: dict[str, int] = {}
        target = _validated(member)
        named = list(named_paths(target))
        self.stays = any(_local(host) for host in hosts_of(target))
        """Whether something of it is looked at on the controller's machine itself."""
        self._secret = {
            _plain(self._base / one.value.removeprefix("file:")).resolve()
            for one in named
            if one.lies is Lies.SECRET and one.value.startswith("file:")
        }
        for one in named:
            _put(self._data, one.location, self._moved(one))

    def target(self) -> dict[str, Any]:
        """The description as it travels."""
        return self._data

    def _moved(self, named: Named) -> str:
        """What stands for a path in the description that travels: an absolute one, or where the file travels."""
        value, kind = named.value, named.lies
        path, given = value.removeprefix("file:"), value.startswith("file:")
        elsewhere = path.startswith("/") or "://" in value
        here = self._base / path
        if kind in {Lies.SECRET, Lies.RECORDED}:
            return f"file:{here}" if given else value
        if elsewhere or (kind is Lies.ARGUMENT and not ("/" in value and here.exists())):
            return value
        if kind is Lies.OPENAPI:
            return self._document(here, self._parts(here)) or f"file:{here}"
        if kind is Lies.PATTERN:
            return str(Path(glob.escape(str(self._base)), value))
        moved = self._document(here) if kind is Lies.DOCUMENT else self._records(here) if kind is Lies.RECORDS else ""
        return moved or str(self._base / value)

    def _document(self, file: Path, parts: Collection[Path] = ()) -> str:
        """Where a document travels, with its parts beside it; empty where it does not."""
        root = Path(os.path.commonpath([one.parent for one in (file, *parts)]))
        contents = {one: self._content(one) for one in (file, *parts)}
        if contents[file] is None:
            return ""
        place = self._next()
        for one, content in contents.items():
            if content is not None:
                self._files[f"target/{place}/{one.relative_to(root).as_posix()}"] = content
        return f"{place}/{file.relative_to(root).as_posix()}"

    def _content(self, file: Path) -> bytes | None:
        """The content of a small regular file in which there is no secret; None for any other."""
        try:
            if not file.is_file() or file.resolve() in self._secret:
                return None
            with file.open("rb") as stream:
                content = stream.read(LARGEST_FILE + 1)
        except (OSError, ValueError):
            return None
        return None if len(content) > LARGEST_FILE or _KEY in content else content

    def _parts(self, file: Path) -> set[Path]:
        """The files that a document of OpenAPI leads to, below the description's folder, or its own."""
        roots = [root.resolve() for root in (self._base, file.parent) if root.is_dir()]
        found: set[Path] = set()
        waiting = [file]
        while waiting and len(found) < MOST_FILES:
            here = waiting.pop()
            for raw in _REFERENCE.findall(self._content(here) or b""):
                there = _plain(here.parent / raw.decode("utf-8", "replace"))
                inside = any(there.resolve().is_relative_to(root) for root in roots)
                if inside and there != file and there not in found and there.is_file():
                    found.add(there)
                    waiting.append(there)
        return found

    def _records(self, folder: Path) -> str:
        """Where a folder of records travels; empty where it does not: one that is large, or holds links or secrets.

        A file that is left out would be one that does not exist, which says something; so all of it travels, or nothing.
        """
        contents: Files = {}
        moments: dict[str, int] = {}
        size = 0
        try:
            for path in sorted(folder.rglob("*")):
                if path.is_symlink() or not (path.is_file() or path.is_dir()):
                    return ""
                if path.is_dir():
                    continue
                content = self._content(path)
                if content is None:
                    return ""
                size += len(content)
                if size > LARGEST_FOLDER or len(contents) >= MOST_FILES:
                    return ""
                name = path.relative_to(folder).as_posix()
                contents[name], moments[name] = content, path.stat().st_mtime_ns
        except OSError:
            return ""
        if not contents:
            return ""
        place = self._next()
        for name, content in contents.items():
            self._files[f"target/{place}/{name}"] = content
            self.modified[f"target/{place}/{name}"] = moments[name]
        return place

    def _next(self) -> str:
        self._number += 1
        return f"files/{self._number:03}"


def _local(host: str) -> bool:
    """Whether one of `hosts_of` is this machine, or a container on it."""
    kind, _, way = host.rpartition(" ")
    return kind == MACHINE and way.partition("://")[0] in _HERE


def _validated(member: Packable) -> Target:
    return Target.model_validate(written_out(dict(member.target)))


def _put(data: Any, location: Location, value: str) -> None:
    for part in location[:-1]:
        data = data[part]
    data[location[-1]] = value
