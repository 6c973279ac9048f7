"""Writes a history as a git repository with a working tree, without git."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dulwich.index import index_entry_from_stat
from dulwich.object_format import SHA1
from dulwich.objects import ObjectID
from dulwich.pack import write_pack
from dulwich.refs import Ref, write_packed_refs
from dulwich.repo import Repo

from upheld_reference.codebase import record
from upheld_reference.codebase.history import DEPLOY, Built
from upheld_reference.codebase.record import Record

_FASTEST = 1
"""The compression that takes the least time (RFC 1951 leaves the effort to the writer)."""


def write(built: Built, folder: Path) -> None:
    """Makes ``folder``, a new one, the repository: one pack, the heads of branches and pull requests, the files of main.

    Pack and references are written as they are, for the object store would read the whole pack back, which takes as long
    again, and sync each reference to the disk by itself.
    """
    repository = Repo.init(folder, mkdir=True, default_branch=record.BRANCH.encode("ascii"))
    try:
        _write_pack(built, folder / ".git" / "objects" / "pack")
        _write_refs(built.record, folder / ".git" / "packed-refs")
        files = built.record.commits[built.record.main[0]].files
        _write_files(built.record, files, folder)
        index = repository.open_index()
        for path, sha in files.items():
            index[path.encode("utf-8")] = index_entry_from_stat((folder / path).lstat(), ObjectID(sha.encode("ascii")))
        index.write()
    finally:
        repository.close()


def _write_pack(built: Built, folder: Path) -> None:
    names = b"".join(sorted(one.id for one in built.objects))
    name = hashlib.sha1(names, usedforsecurity=False).hexdigest()
    write_pack(str(folder / f"pack-{name}"), built.objects, SHA1, deltify=False, compression_level=_FASTEST)


def _write_refs(made: Record, path: Path) -> None:
    heads = {f"refs/heads/{name}": sha for name, sha in made.branches.items()}
    heads |= {f"refs/pull/{pull.number}/head": pull.head for pull in made.pulls}
    with path.open("wb") as file:
        write_packed_refs(file, {Ref(name.encode()): ObjectID(sha.encode("ascii")) for name, sha in heads.items()})


def _write_files(made: Record, files: Mapping[str, str], folder: Path) -> None:
    for place in {(folder / path).parent for path in files}:
        place.mkdir(parents=True, exist_ok=True)
    for path, sha in files.items():
        (folder / path).write_bytes(made.blobs[sha])


def write_deploy_log(made: Record, path: Path) -> None:
    """Writes one JSON object a line for each deploy to production, the oldest first."""
    lines = [json.dumps(entry) for entry in deploy_log(made)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def deploy_log(made: Record) -> list[dict[str, Any]]:
    """What the deploy log says: which commit went where, by which run and for which pull request, let in by whom, when, how it ended."""
    return [
        {
            "at": deploy.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "environment": "production",
            "commit": deploy.commit,
            "branch": deploy.branch,
            "pull_request": deploy.pull,
            "workflow": DEPLOY,
            "run": deploy.run,
            "started_by": deploy.actor,
            "allowed_by": deploy.allowed_by,
            "result": "success",
        }
        for deploy in made.deploys
    ]
