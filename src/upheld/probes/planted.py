"""The journal of what the auditor plants and changes: on the disk before it is so, and gone from there once it is undone.

A journal is a file of JSON lines, one for each process of a run. A thing is noted before it is made, with all that is needed
to take it away or put it back; what is learnt about it (its identifier) is noted as soon as it is known; and that it is
gone. The last line may be cut off by a crash: then what it speaks of was not begun yet, or is undone once more, which
harms nothing. Whoever writes a journal holds a lock on its file, so that those which nobody writes any more can be told.
Secrets are taken out of every text before it is written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORMAT = "upheld-planted/1"
SUFFIX = ".planted.jsonl"
RESET = "reset"
"""What a thing becomes when a reset of the whole deployment begins: its identifier may be something else's afterwards."""
_MOST = 1 << 20
"""Bytes that a line of a journal may have."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One thing that was planted or changed, and how to undo it. `title` says in words what it is.

    `what` is `object` (made by `operation` of the API, a `kind` of its recipes, with `id` once it is known, and until then
    `mark`, the SHA-256 of the canary in it), `row` (`id` in `id_column` of `table`), `file` (its absolute path), `call` (undone by
    calling `operation` of `api` as `identity` for `objects` with `body`), `credential` (of the flow `kind`, belonging to `id`),
    `left` (the target names no way to undo it), or RESET (the deployment was reset since, or somebody began to).
    """

    what: str
    title: str
    api: str = ""
    operation: str = ""
    identity: str = ""
    objects: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    kind: str = ""
    id: str = ""
    mark: str = ""
    table: str = ""
    id_column: str = ""
    role: str = ""
    file: str = ""


_FIELDS = tuple(one.name for one in dataclasses.fields(Planted))


class Note:
    """A line of the journal: something that is there, or may be, until it is said to be gone."""

    def __init__(self, journal: Journal, number: int, planted: Planted) -> None:
        self._journal = journal
        self._number = number
        self.planted = planted
        self.open = True

    def known(self, identifier: str) -> None:
        """Note the identifier that the thing turned out to have."""
        self.planted = dataclasses.replace(self.planted, id=identifier)
        self._journal.write({"number": self._number, "id": identifier})

    def gone(self) -> None:
        """Note that there is nothing to undo any more."""
        if self.open:
            self.open = False
            self._journal.forget(self._number)


class Journal:
    """What this process planted and did not undo yet. Safe to use from several threads."""

    def __init__(
        self, folder: Path, *, target: str = "", durable: bool = False, clean: Callable[[str], str] = str
    ) -> None:
        """Writes nothing until something is planted. `durable`: each line is on the disk itself before anything is made.

        `clean` takes secrets out of a text.
        """
        self._folder = folder
        self._target = target
        self.durable = durable
        self._clean = clean
        self._notes: dict[int, Note] = {}
        self._count = 0
        self._path: Path | None = None
        self._descriptor: int | None = None
        self._lock = threading.RLock()

    def about(self, planted: Planted) -> Note:
        """Note that this is about to be made or changed; it is written when this returns."""
        with self._lock:
            self._count += 1
            note = Note(self, self._count, planted)
            # Not by asdict, which copies every identifier of a large tenant for each object that is made there.
            # Nor what it does not have, which is most of it.
            told = {
                name: value
                for name, value in ((one, getattr(planted, one)) for one in _FIELDS)
                if value not in ("", None)
            }
            self.write({"number": self._count, **told})
            self._notes[self._count] = note
            return note

    @property
    def kept(self) -> tuple[Note, ...]:
        """What is still there, the last planted first."""
        with self._lock:
            return tuple(reversed(self._notes.values()))

    def forget(self, number: int) -> None:
        """Note that the thing of that number is gone; a journal of nothing is removed."""
        with self._lock:
            self._notes.pop(number, None)
            if self._notes:
                self.write({"number": number, "gone": True})
            else:
                self.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Add one line, without secrets."""
        with self._lock:
            descriptor = self._descriptor if self._descriptor is not None else self._begin()
            self._append(descriptor, line)

    def close(self) -> None:
        """Let go of the file; one that names nothing any more is removed."""
        with self._lock:
            if self._path is not None and not self._notes:
                self._path.unlink(missing_ok=True)
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = self._path = None

    def _begin(self) -> int:
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%SZ}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._path = self._folder / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        head = {"format": FORMAT, "target": self._target, "process": os.getpid(), "at": now.isoformat("T", "seconds")}
        self._append(self._descriptor, head)
        if self.durable:
            _sync_folder(self._folder)
        return self._descriptor

    def _append(self, descriptor: int, line: Mapping[str, Any]) -> None:
        cleaned = {name: _without_secrets(value, self._clean) for name, value in line.items()}
        text = json.dumps(cleaned, ensure_ascii=False, default=str)
        os.write(descriptor, f"{text}\n".encode())
        if self.durable:
            os.fsync(descriptor)


class Changes:
    """Things that are changed for a while, each noted in the journal from its first change until it is as it was."""

    def __init__(self, journal: Journal) -> None:
        """Notes nothing yet."""
        self._journal = journal
        self._open: dict[str, Note] = {}

    def about(self, name: str, planted: Planted) -> None:
        """Note how the thing of that name is put back, unless it is changed already: then the first state counts."""
        if name not in self._open:
            self._open[name] = self._journal.about(planted)

    def has(self, name: str, note: Note) -> None:
        """Take over what is noted already under that name."""
        self._open[name] = note

    def back(self, name: str) -> None:
        """Note that the thing of that name is as it was."""
        if name in self._open:
            self._open.pop(name).gone()

    def first(self, name: str) -> Planted | None:
        """How the thing of that name is put back; None for one that is not changed."""
        return self._open[name].planted if name in self._open else None


class LeftBehind:
    """A journal that nobody writes any more, held so that nobody else cleans by it: what it names is still there, or may be."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """`descriptor` is the open file, locked."""
        self.path = path
        self._descriptor = descriptor
        lines = self._lines()
        head = lines[0] if lines else {}
        self.at = str(head.get("at", ""))
        self.process = str(head.get("process", ""))
        self._entries = _entries(lines)

    @property
    def planted(self) -> tuple[tuple[int, Planted], ...]:
        """What it names, the last planted first, by number."""
        return tuple(reversed(self._entries.items()))

    def gone(self, number: int) -> None:
        """Note that the thing of that number is gone; the journal is removed with the last one."""
        self._entries.pop(number, None)
        os.write(self._descriptor, f"{json.dumps({'number': number, 'gone': True})}\n".encode())
        os.fsync(self._descriptor)

    def reset_begins(self) -> None:
        """Note that nothing of it can be undone by its identifier from now on, whatever becomes of the reset."""
        lines = [json.dumps({"number": number, "reset": True}) for number in self._entries]
        if lines:
            os.write(self._descriptor, "".join(f"{one}\n" for one in lines).encode())
            os.fsync(self._descriptor)
        self._entries = {number: dataclasses.replace(one, what=RESET) for number, one in self._entries.items()}

    def close(self) -> None:
        """Let go of it; one that names nothing any more is removed."""
        if not self._entries:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _lines(self) -> list[dict[str, Any]]:
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            stream.seek(0)
            raw = stream.read()
        found: list[dict[str, Any]] = []
        # What follows the last line's end was cut off by a crash.
        for line in raw.split(b"\n")[:-1]:
            try:
                read = json.loads(line) if len(line) <= _MOST else None
            except (ValueError, RecursionError):
                read = None
            found.append(read if isinstance(read, dict) else {"damaged": True})
        return found


@contextlib.contextmanager
def left_behind(folder: Path) -> Iterator[list[LeftBehind]]:
    """The journals in `folder` that nobody writes any more, the newest first; inside the block they are nobody else's."""
    found: list[LeftBehind] = []
    try:
        for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue  # Whoever wrote it has just removed it.
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            found.append(LeftBehind(path, descriptor))
        yield found
    finally:
        for one in found:
            one.close()


def busy(folder: Path) -> int:
    """How many journals in `folder` are being written now."""
    count = 0
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                count += 1
    return count


def _entries(lines: list[dict[str, Any]]) -> dict[int, Planted]:
    found: dict[int, Planted] = {}
    for place, line in enumerate(lines, 1):
        number = line.get("number")
        if line.get("format") == FORMAT and place == 1:
            continue
        if not isinstance(number, int) or line.get("damaged"):
            found[-place] = Planted("left", f"something that line {place} of the journal told, which is damaged")
        elif line.get("gone"):
            found.pop(number, None)
        elif line.get("reset"):
            if number in found:
                found[number] = dataclasses.replace(found[number], what=RESET)
        elif "what" in line:
            try:
                found[number] = Planted(**{name: value for name, value in line.items() if name in _FIELDS})
            except TypeError:
                found[number] = Planted("left", f"something that line {place} of the journal told, which is not whole")
        elif number in found:
            found[number] = dataclasses.replace(found[number], id=str(line.get("id", "")))
    return found


def _without_secrets(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _without_secrets(one, clean) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(one, clean) for one in value]
    return value


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
