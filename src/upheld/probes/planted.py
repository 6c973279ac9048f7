"""The journal of what the auditor planted: written before a thing exists for good, so that nothing is left after a crash."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_PATTERN = "planted-*.jsonl"


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted row (`table`, the name of its id column, its id) or file (`file`, an absolute path)."""

    table: str = ""
    id_column: str = ""
    id: str = ""
    file: str = ""


class Journal:
    """What this process planted and did not remove yet, as a file of JSON lines in the run's scratch folder."""

    def __init__(self, scratch: Path) -> None:
        """Writes nothing until something is planted."""
        self._path = scratch / f"planted-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._kept: list[Planted] = []

    def add(self, planted: Planted) -> None:
        """Note that this is about to exist; it is on the disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(planted)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._kept.append(planted)

    def remove(self, planted: Planted) -> None:
        """Note that this is gone."""
        if planted in self._kept:
            self._kept.remove(planted)
        if not self._kept:
            self._path.unlink(missing_ok=True)

    @property
    def kept(self) -> tuple[Planted, ...]:
        """What is still there, the last planted first."""
        return tuple(reversed(self._kept))


def left_behind(scratch: Path) -> Iterator[tuple[Path, tuple[Planted, ...]]]:
    """Each journal in `scratch` with what it names, the last planted first; a line cut off by a crash names nothing."""
    for path in sorted(scratch.glob(_PATTERN)):
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(Planted(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        yield path, tuple(reversed(found))
