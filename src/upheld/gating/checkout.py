"""The working copy of the audited repository: its files as a tree of git, what differs from another one, and where lines went."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upheld.errors import InputError, Mistake, Unobservable
from upheld.probes.git_settings import look_at_settings
from upheld.probes.snapshot import Snapshot

SECONDS = 120
"""Within which git must have answered."""
_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_FILES = ("100644", "100755", "100664")


@dataclass(frozen=True, slots=True)
class Changed:
    """What differs between two trees: every path whose content does, and those of them that are only in one of the two."""

    paths: frozenset[str]
    come_or_gone: frozenset[str]


@dataclass(frozen=True, slots=True)
class Moves:
    """Where files and lines of an earlier tree are in a later one."""

    renamed: Mapping[str, str]
    hunks: Mapping[str, tuple[tuple[int, int, int, int], ...]] = field(default_factory=dict)
    """Of each path of the later tree: first line and number of lines then, and the same now."""
    gone: frozenset[str] = frozenset()

    def of(self, path: str, line: int) -> tuple[str, int] | None:
        """Where that line is now; None when it was changed or taken away."""
        if path in self.gone:
            return None
        now = self.renamed.get(path, path)
        shift = 0
        for start, count, _, new_count in self.hunks.get(now, ()):
            # Of a hunk that only adds, git names the line before it.
            if line < (start if count else start + 1):
                break
            if count and line < start + count:
                return None
            shift += new_count - count
        return now, line + shift


class Checkout:
    """A working copy that the target names as its repository."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError where git cannot read it."""
        look_at_settings(folder, str(folder))
        self.folder = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel")).rstrip("\n"))
        self.control = self._path("--git-dir")
        self.objects = self._path("--git-path", "objects")

    @classmethod
    def at(cls, folder: Path) -> Checkout | None:
        """The working copy that a folder is; None for a repository without one, and for no repository at all."""
        try:
            if not folder.is_dir() or _git(folder, "rev-parse", "--is-inside-work-tree").strip() != b"true":
                return None
            found = cls(folder)
        except (InputError, Unobservable):
            return None
        # A folder that lies inside of a working copy is no repository, for the probes that read it either.
        return found if found.folder.resolve() == folder.resolve() else None

    def snapshot(self, scratch: Path) -> Snapshot:
        """The files that git knows, as they lie there now with all that is not committed; new objects go below `scratch`."""
        made = scratch / "objects"
        made.mkdir(parents=True)
        index = scratch / "index"
        if (self.control / "index").is_file():
            # With its time: by that git knows which files it must read again, because they changed as the index was written.
            shutil.copy2(self.control / "index", index)
        more = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(made),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.objects),
        }
        _git(self.folder, "add", "--update", ".", more=more)
        tree = _git(self.folder, "write-tree", more=more).decode().strip()
        return Snapshot(tree, (made, self.objects))

    def unknown(self) -> int:
        """How many files lie there that git does not know and is not told to ignore."""
        return _git(self.folder, "ls-files", "--others", "--exclude-standard", "-z").count(b"\0")

    def commit(self, reference: str) -> str:
        """The commit from which the change goes: the last one that it has in common with `reference`. Raises InputError."""
        try:
            if reference.startswith("-"):
                raise Unobservable("it begins with a dash")
            named = _git(self.folder, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}").decode().strip()
            return _git(self.folder, "merge-base", named, "HEAD").decode().strip()
        except Unobservable as error:
            expected = "a commit that this clone has, and with which the change has one in common"
            mistake = Mistake("--since", 0, 0, "names no commit to start from", repr(reference), expected)
            raise InputError([mistake]) from error

    def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        return _git(self.folder, "rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()

    def has(self, tree: str, snapshot: Snapshot) -> bool:
        """Whether a tree is in this clone, so that it can be compared with."""
        try:
            return self._ask(snapshot, "cat-file", "-t", tree).strip() == b"tree"
        except Unobservable:
            return False

    def files(self, snapshot: Snapshot) -> dict[str, str]:
        """Every file of the snapshot with the id of its content; links and submodules are none."""
        found = {}
        for entry in self._ask(snapshot, "ls-tree", "-r", "-z", "--full-tree", snapshot.tree).split(b"\0"):
            about, _, path = entry.partition(b"\t")
            parts = about.decode().split(" ")
            if parts[0] in _FILES:
                found[path.decode("utf-8", "surrogateescape")] = parts[2]
        return found

    def changed(self, before: str, snapshot: Snapshot) -> Changed:
        """What differs between an earlier tree and the snapshot."""
        said = self._ask(snapshot, "diff-tree", "-r", "-z", "--no-renames", "--name-status", before, snapshot.tree)
        parts = said.decode("utf-8", "surrogateescape").split("\0")
        pairs = list(zip(parts[::2], parts[1::2], strict=False))
        return Changed(
            frozenset(path for _, path in pairs), frozenset(path for kind, path in pairs if kind in {"A", "D", "T"})
        )

    def moves(self, before: str, snapshot: Snapshot) -> Moves:
        """Where the files and lines of an earlier tree went."""
        names = ("diff-tree", "-r", "-z", "-M", "--name-status", before, snapshot.tree)
        parts = iter(self._ask(snapshot, *names).decode("utf-8", "surrogateescape").split("\0"))
        renamed: dict[str, str] = {}
        touched: dict[str, str] = {}
        gone: set[str] = set()
        for kind in parts:
            if not kind:
                continue
            old = next(parts)
            if kind.startswith("R"):
                renamed[old] = next(parts)
                touched[renamed[old]] = old
            elif kind == "D":
                gone.add(old)
            else:
                touched[old] = old
        hunks = {}
        for now, old in touched.items():
            pair = (f"{before}:{old}", f"{snapshot.tree}:{now}")
            try:
                said = self._ask(snapshot, "diff", "--no-ext-diff", "--no-textconv", "--text", "-U0", *pair)
            except Unobservable:
                continue  # A file that is new: nothing of it was there before.
            hunks[now] = tuple(
                (int(one[1]), int(one[2] or b"1"), int(one[3]), int(one[4] or b"1")) for one in _HUNK.finditer(said)
            )
        return Moves(renamed, hunks, frozenset(gone))

    def _ask(self, snapshot: Snapshot, *arguments: str) -> bytes:
        more = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(map(str, snapshot.objects))}
        return _git(self.folder, *arguments, more=more)

    def _path(self, *asked: str) -> Path:
        said = os.fsdecode(_git(self.folder, "rev-parse", "--path-format=absolute", *asked)).rstrip("\n")
        return Path(said)


def _git(folder: Path, *arguments: str, more: Mapping[str, str] | None = None) -> bytes:
    """What git says; raises Unobservable with what it says when it fails, and InputError where there is none."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    environment |= {"GIT_NO_REPLACE_OBJECTS": "1", **(more or {})}
    # Whoever owns the folder: nothing that its settings name is run.
    command = ["git", "-c", f"safe.directory={folder.resolve()}", "-c", "core.fsmonitor=false", "-c", "core.hooksPath="]
    try:
        done = subprocess.run(
            [*command, "-C", str(folder), *arguments],
            capture_output=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError([Mistake("git", 0, 0, "is not installed", expected="git on PATH")]) from error
    except subprocess.TimeoutExpired as error:
        raise Unobservable(f"git did not answer within {SECONDS} s") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Unobservable(f"git {arguments[0]} failed: {said[:300]}")
    return done.stdout
