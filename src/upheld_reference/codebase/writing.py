"""Writes a history as a git repository with a working tree, without git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dulwich.index import index_entry_from_stat
from dulwich.objects import ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from upheld_reference.codebase import record
from upheld_reference.codebase.history import DEPLOY, Built
from upheld_reference.codebase.record import Record


def write(built: Built, folder: Path) -> None:
    """Makes ``folder``, a new one, the repository: one pack, the heads of branches and pull requests, the files of main."""
    repository = Repo.init(folder, mkdir=True, default_branch=record.BRANCH.encode("ascii"))
    try:
        repository.object_store.add_objects([(one, None) for one in built.objects])
        for name, sha in built.record.branches.items():
            repository.refs[Ref(f"refs/heads/{name}".encode())] = ObjectID(sha.encode("ascii"))
        for pull in built.record.pulls:
            repository.refs[Ref(f"refs/pull/{pull.number}/head".encode())] = ObjectID(pull.head.encode("ascii"))
        index = repository.open_index()
        for path, sha in built.record.commits[built.record.main[0]].files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(built.record.blobs[sha])
            index[path.encode("utf-8")] = index_entry_from_stat(place.lstat(), ObjectID(sha.encode("ascii")))
        index.write()
    finally:
        repository.close()


def write_deploy_log(made: Record, path: Path) -> None:
    """Writes one JSON object a line for each deploy to production, the oldest first."""
    lines = [json.dumps(entry) for entry in deploy_log(made)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def deploy_log(made: Record) -> list[dict[str, Any]]:
    """What the deploy log says: which commit went where, by which run and for which pull request, when, how it ended."""
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
            "result": "success",
        }
        for deploy in made.deploys
    ]
