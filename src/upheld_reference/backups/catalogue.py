"""The catalogue of the store: which object is what, since when, and how it must look; authenticated with the backup key."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from upheld_reference.backups.sealing import BackupKey

FILE_NAME = "catalogue.jsonl"
"""The name of its file in the store."""
FORMAT = "rivet-backups/1"
"""What the first line says the file is."""

Kind = Literal["base", "wal", "label"]
"""``base``: a base backup; ``wal``: a segment; ``label``: what PostgreSQL archives beside segments."""


@dataclass(frozen=True)
class Entry:
    """One object of the store. Times are in UTC, as RFC 3339."""

    name: str
    kind: Kind
    origin: Literal["agent", "seed"]
    """``seed`` for the history that a deployment starts with."""
    taken_at: str
    """When its making began; for a segment: when the agent took it from the spool."""
    finished_at: str
    size_bytes: int
    """Of the object in the store."""
    sha256: str
    """Of the object in the store."""
    plain_bytes: int
    """Before compression and encryption."""
    key_id: str
    timeline: int
    start_lsn: str
    """Where recovery from it begins; for a segment: its first position."""
    end_lsn: str
    """What recovery from it must reach to be consistent; for a segment: the position after it."""
    start_segment: str
    end_segment: str
    """The first and the last segment with those positions; a segment's own name."""

    @property
    def finished(self) -> datetime:
        """When it was finished."""
        return datetime.fromisoformat(self.finished_at)


class CatalogueError(Exception):
    """The catalogue is not as the agent wrote it."""


class Catalogue:
    """A file with one line of JSON for each object, in the order in which they were entered.

    Each line carries an HMAC-SHA256 over itself and the line before, so that a line that was changed, moved, added or taken
    out shows. The last line's is kept on the host too (``head``), so that the loss of the last lines shows there. Where
    objects are removed, the whole file is written anew under the next generation. Safe to use from several threads.
    """

    def __init__(self, path: Path, key: BackupKey, head: Path | None = None) -> None:
        """A catalogue that is empty until `load` or `add` is called."""
        self.path = path
        self._head = head
        self._key_id = key.key_id
        self._mac_key = key.derive("catalogue of the backup store")
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}
        self._generation = 0
        self._last = ""
        self._cut_off = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in their order."""
        with self._lock:
            return tuple(self._entries.values())

    def get(self, name: str) -> Entry | None:
        """The entry of the object ``name``, if there is one."""
        return self._entries.get(name)

    def load(self) -> Catalogue:
        """Reads the file and returns itself; a last line that was cut off by a crash is left out.

        Raises CatalogueError when a line does not authenticate, or when lines are missing that the host knows of.
        """
        with self._lock:
            # The head first: the agent may write between the two looks, and must not seem to have lost what it adds.
            head = self._read_head()
            text = self.path.read_text(encoding="utf-8")
            self._cut_off = not text.endswith("\n")
            lines = text[: text.rfind("\n") + 1].splitlines()
            macs = []
            self._last = ""
            self._entries.clear()
            for number, line in enumerate(lines, 1):
                content = self._verified(number, line)
                macs.append(self._last)
                if number == 1:
                    self._begin(content)
                else:
                    self._entries[content["name"]] = Entry(**content)
            if not lines:
                raise CatalogueError("the catalogue is empty")
            self._compare(head, macs)
        return self

    def add(self, entries: Iterable[Entry]) -> None:
        """Enters objects that are in the store; an object that is entered already is entered anew."""
        with self._lock:
            fresh = list(entries)
            if self._generation == 0 or self._cut_off or any(entry.name in self._entries for entry in fresh):
                self._entries |= {entry.name: entry for entry in fresh}
                self._write_all()
                return
            lines = [self._line(asdict(entry)) for entry in fresh]
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(lines)
            self._entries |= {entry.name: entry for entry in fresh}
            self._keep_head()

    def remove(self, names: Collection[str]) -> None:
        """Takes out the entries of objects that are no more."""
        with self._lock:
            for name in names:
                self._entries.pop(name, None)
            self._write_all()

    def _write_all(self) -> None:
        self._generation += 1
        self._last = ""
        written_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        first = {
            "catalogue": FORMAT,
            "generation": self._generation,
            "key_id": self._key_id,
            "written_at": written_at,
        }
        lines = [self._line(first), *(self._line(asdict(entry)) for entry in self._entries.values())]
        partial = self.path.with_suffix(".partial")
        partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_text("".join(lines), encoding="utf-8")
        partial.replace(self.path)
        self._cut_off = False
        self._keep_head()

    def _line(self, content: dict[str, Any]) -> str:
        self._last = self._mac(self._last, content)
        return json.dumps({**content, "mac": self._last}) + "\n"

    def _mac(self, before: str, content: dict[str, Any]) -> str:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hmac.new(self._mac_key, f"{before}\n{text}".encode(), "sha256").hexdigest()

    def _verified(self, number: int, line: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(line)
            mac = str(content.pop("mac"))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise CatalogueError(f"line {number} of the catalogue is no entry") from error
        expected = self._mac(self._last, content)
        if not hmac.compare_digest(mac.encode(), expected.encode()):
            raise CatalogueError(f"line {number} of the catalogue does not authenticate")
        self._last = expected
        return content

    def _begin(self, content: dict[str, Any]) -> None:
        if content.get("catalogue") != FORMAT:
            raise CatalogueError(f"the catalogue is not of the format {FORMAT}")
        self._generation = int(content["generation"])

    def _keep_head(self) -> None:
        if self._head is not None:
            head = {"generation": self._generation, "lines": len(self._entries) + 1, "mac": self._last}
            partial = self._head.with_suffix(".partial")
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(head), encoding="utf-8")
            partial.replace(self._head)

    def _read_head(self) -> dict[str, Any] | None:
        if self._head is None or not self._head.exists():
            return None
        head: dict[str, Any] = json.loads(self._head.read_text(encoding="utf-8"))
        return head

    def _compare(self, head: dict[str, Any] | None, macs: list[str]) -> None:
        """Raises CatalogueError when lines that the host noted are missing from ``macs``.

        A crash between the two writes leaves the file one step ahead of the host's note, never behind it.
        """
        if head is None or head["generation"] < self._generation:
            return
        same = head["generation"] == self._generation and head["lines"] <= len(macs)
        if not same or macs[head["lines"] - 1] != head["mac"]:
            raise CatalogueError("the catalogue lacks lines that were written to it")
