"""Files, trees and blobs, as the forge shows them."""

from __future__ import annotations

import base64
from fnmatch import fnmatchcase

from dulwich.objects import Tree

from upheld_reference.forge.accounts import Json, node_id
from upheld_reference.forge.world import World

_OWNERS = ".github/CODEOWNERS"


def encoded(content: bytes) -> str:
    """Base64 with line breaks, as the forge writes it."""
    return base64.encodebytes(content).decode("ascii")


def content(world: World, path: str, commit: str) -> Json | list[Json] | None:
    """The file at a path, or what is in the folder there; None for nothing."""
    files = world.record.commits[commit].files
    if path in files:
        found = world.record.blobs[files[path]]
        return {**_entry(world, path, files[path], commit), "content": encoded(found), "encoding": "base64"}
    folder = f"{path}/" if path else ""
    inside = sorted(one for one in files if one.startswith(folder))
    if not inside:
        return None
    names = dict.fromkeys(one.removeprefix(folder).partition("/")[0] for one in inside)
    return [_listed(world, f"{folder}{name}", commit) for name in names]


def _listed(world: World, path: str, commit: str) -> Json:
    one = world.record.commits[commit]
    if path in one.files:
        return _entry(world, path, one.files[path], commit)
    return _entry(world, path, tree_id(world, one.tree, path) or "", commit, folder=True)


def tree_id(world: World, root: str, path: str) -> str | None:
    """The id of the tree of a folder, from the tree ``root`` downwards."""
    sha = root
    for name in path.split("/"):
        entries = {entry["path"]: entry for entry in _entries(world, sha)}
        if name not in entries or entries[name]["type"] != "tree":
            return None
        sha = entries[name]["sha"]
    return sha


def _entry(world: World, path: str, sha: str, commit: str, *, folder: bool = False) -> Json:
    at = f"{world.api}/contents/{path}?ref={commit}"
    kind = "tree" if folder else "blob"
    git = f"{world.api}/git/{kind}s/{sha}"
    web = f"{world.web}/{kind}/{commit}/{path}"
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": sha,
        "size": 0 if folder else len(world.record.blobs[sha]),
        "url": at,
        "html_url": web,
        "git_url": git,
        "download_url": None if folder else f"{world.web}/raw/{commit}/{path}",
        "type": "dir" if folder else "file",
        "_links": {"self": at, "git": git, "html": web},
    }


def tree(world: World, sha: str, *, recursive: bool) -> Json | None:
    """A tree, with everything below when ``recursive``; None for none."""
    if sha not in world.record.trees:
        return None
    entries = _entries(world, sha)
    if recursive:
        entries = list(_below(world, entries, ""))
    return {"sha": sha, "url": f"{world.api}/git/trees/{sha}", "tree": entries, "truncated": False}


def _entries(world: World, sha: str) -> list[Json]:
    found = Tree.from_string(world.record.trees[sha])
    entries: list[Json] = []
    for name, mode, entry in found.items():
        number, kind = entry.decode("ascii"), "tree" if mode == 0o040000 else "blob"
        size = {} if kind == "tree" else {"size": len(world.record.blobs[number])}
        one = {"path": name.decode("utf-8"), "mode": f"{mode:06o}", "type": kind, "sha": number, **size}
        entries.append({**one, "url": f"{world.api}/git/{kind}s/{number}"})
    return entries


def _below(world: World, entries: list[Json], folder: str) -> list[Json]:
    found: list[Json] = []
    for entry in entries:
        path = f"{folder}{entry['path']}"
        found.append({**entry, "path": path})
        if entry["type"] == "tree":
            found += _below(world, _entries(world, entry["sha"]), f"{path}/")
    return found


def blob(world: World, sha: str) -> Json | None:
    """A blob; None for none."""
    found = world.record.blobs.get(sha)
    if found is None:
        return None
    return {
        "sha": sha,
        "node_id": node_id("Blob", sha),
        "size": len(found),
        "url": f"{world.api}/git/blobs/{sha}",
        "content": encoded(found),
        "encoding": "base64",
    }


def owners_errors(world: World, commit: str) -> list[Json]:
    """The lines of the owners file that name no team or account of the organisation."""
    sha = world.record.commits[commit].files.get(_OWNERS)
    known = {f"@rivet/{slug}" for slug in world.accounts.teams()}
    known |= {f"@{login}" for login in world.accounts.members()}
    errors: list[Json] = []
    lines = world.record.blobs[sha].decode("utf-8").splitlines() if sha else []
    for number, line in enumerate(lines, 1):
        owners = line.partition("#")[0].split()[1:]
        errors += [
            _owner_error(number, line, owner)
            for owner in owners
            if owner not in known and not fnmatchcase(owner, "*@*.*")
        ]
    return errors


def _owner_error(number: int, line: str, owner: str) -> Json:
    column = line.index(owner) + 1
    return {
        "line": number,
        "column": column,
        "kind": "Unknown owner",
        "source": line,
        "suggestion": f"make sure {owner} exists and has write access to the repository",
        "message": f"Unknown owner on line {number}: make sure {owner} exists\n\n  {line}\n  {' ' * (column - 1)}^",
        "path": _OWNERS,
    }
