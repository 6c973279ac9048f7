"""The files of a working copy as one tree of git objects, read in the place of those at the head of the audited branch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree, and the folders in which its objects lie: those made for it first, then the repository's own."""

    tree: str
    objects: tuple[Path, ...]

    def opened(self) -> Objects:
        """Its objects, to be read."""
        from dulwich.object_store import DiskObjectStore  # noqa: PLC0415  (only where it is needed)

        return Objects([DiskObjectStore(str(folder)) for folder in self.objects])


class Objects:
    """Several stores of objects as one; raises KeyError for what none of them has."""

    def __init__(self, stores: list[Any]) -> None:
        self._stores = stores

    def __getitem__(self, sha: bytes) -> Any:
        """The object of that id."""
        for store in self._stores:
            try:
                return store[sha]
            except KeyError:
                continue
        raise KeyError(sha)

    def close(self) -> None:
        """Close them all."""
        for store in self._stores:
            store.close()
