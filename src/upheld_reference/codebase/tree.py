"""The files of the repository as they are today."""

from __future__ import annotations

from pathlib import Path

PACKAGE = "rivet"
"""What the platform's package is called in its own repository."""

_HERE = Path(__file__).parent
_INSTALLED = _HERE.parent
_STANDS_IN = {"codebase", "forge", "sabotages"}
"""Folders of the installed package that are not the platform's: they stand in for its repository and its forge, or spoil it."""
_STARTS = {
    "assembly.py",
    "cli.py",
    "deployment.py",
    "embedding.py",
    "facts.py",
    "server.py",
}
"""Modules that run a deployment on one machine, which no production host does."""
_NOT_KEPT = {"__pycache__", "node_modules"}
"""Folders that tools make and no repository keeps."""
_TEMPLATE = ".template"
"""The end of names that would mean something to the tools of the outer repository, and the start of hidden ones."""


def files() -> dict[str, bytes]:
    """Every file by its path: the platform's own code, as it is installed here, and what the folder ``tree`` adds.

    In the code, the name of the installed package is replaced by the one that it has in its own repository.
    """
    found: dict[str, bytes] = {}
    for path in sorted(_INSTALLED.rglob("*")):
        inside = path.relative_to(_INSTALLED)
        if _is_the_platforms(inside) and path.is_file():
            content = path.read_bytes().replace(_INSTALLED.name.encode("ascii"), PACKAGE.encode("ascii"))
            found[f"{PACKAGE}/{inside.as_posix()}"] = content
    extra = _HERE / "tree"
    for path in sorted(extra.rglob("*")):
        if path.is_file() and _NOT_KEPT.isdisjoint(path.parts):
            found[_name(path.relative_to(extra))] = path.read_bytes()
    return found


def _is_the_platforms(inside: Path) -> bool:
    if not _NOT_KEPT.isdisjoint(inside.parts) or inside.parts[0] in _STANDS_IN:
        return False
    return not (len(inside.parts) == 1 and (inside.name in _STARTS or inside.name.startswith("target_")))


def _name(inside: Path) -> str:
    name = inside.as_posix()
    if name.endswith(_TEMPLATE):
        name = name.removesuffix(_TEMPLATE)
        name = ".gitignore" if name == "gitignore" else name
    return name
