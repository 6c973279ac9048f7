"""The git repository that the target describes: the branch that production comes from, and the files at its head.

The history is read as git keeps it, never as a working copy shows it. What the branch itself ever was is its line of
first parents; what a merge brought along hangs from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.git_settings import look_at_settings

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.code import Repository

LONGEST = 2_000_000
"""Commits of one line of first parents that are followed."""
PAGE = 500
"""Commits that one look gives at the most."""
FILES = 200_000
"""Files of one tree that are listed."""
LARGEST_FILE = 32 * 1024 * 1024
"""Bytes of one file that are read."""
_CO_AUTHOR = "co-authored-by:"
_HEAD = re.compile(
    rb"tree [0-9a-f]+\n(?P<parents>(?:parent [0-9a-f]+\n)*)author (?P<author>[^\n]*)\n"
    rb"committer (?P<committer>[^\n]*) (?P<at>-?[0-9]{1,15}) [+-][0-9]{4}(?:\n|$)"
)
"""How a commit begins that git itself made."""
_COMMIT = 1
_FOLDER, _LINK, _MODULE = 0o040000, 0o120000, 0o160000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a commit names them."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that the branch once ended with. `also` are those whom its message names as authors, too."""

    sha: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    also: tuple[Person, ...]
    at: datetime
    title: str

    def __str__(self) -> str:
        """`1a2b3c4d5e6f "its title"`."""
        return f'{self.sha[:12]} "{self.title}"'


@dataclass(frozen=True, slots=True)
class CommitPage:
    """Some commits, the newest first; `following` asks for the next ones and is empty at the end."""

    commits: tuple[Commit, ...]
    following: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a commit is: `since` on the branch since the rules hold, `before` on it earlier, or `elsewhere`."""

    where: str


class Git(Probe):
    """The repository under `repository` in the target, read without a working copy."""

    name = "git"
    detached = True
    needs = ("repository",)

    def __init__(self, session: Session) -> None:
        """Opens nothing yet."""
        super().__init__(session)
        self._opened: Any = None
        self._line: list[bytes] | None = None
        self._places: dict[bytes, int] = {}
        self._counted = 0
        self._tree: dict[str, bytes] | None = None
        self._objects: Any = None

    @look
    def head(self) -> str:
        """The id of the commit that the branch ends with."""
        return self._head().decode("ascii")

    @look
    def commits(self, after: str = "") -> CommitPage:
        """What the branch was, one after the other since the rules hold, the newest first; `after` goes on behind a commit."""
        line = self._mainline()
        start = self._places[after.encode("ascii")] + 1 if after else 0
        end = min(start + PAGE, self._counted)
        shown = tuple(self._commit(sha) for sha in line[start:end])
        return CommitPage(shown, line[end - 1].decode("ascii") if end < self._counted and shown else "")

    @look
    def place(self, sha: str) -> Place:
        """Where a commit is, by its full id."""
        self._mainline()
        place = self._places.get(sha.lower().encode("ascii", "replace"))
        if place is None:
            return Place("elsewhere")
        return Place("since" if place < self._counted else "before")

    @look
    def commit(self, sha: str) -> Commit:
        """One commit that the branch was."""
        self._mainline()
        if sha.encode("ascii", "replace") not in self._places:
            raise Unobservable(f"{sha[:12]} is not on the branch {self._described.branch}")
        return self._commit(sha.encode("ascii"))

    @look
    def changed_files(self, sha: str) -> tuple[str, ...]:
        """The paths in which a commit differs from its first parent: for a merge, all that it brought."""
        from dulwich.diff_tree import tree_changes  # noqa: PLC0415  (only where it is needed)

        with self._reading():
            store = self._repository().object_store
            commit = store[sha.encode("ascii")]
            base = store[commit.parents[0]].tree if commit.parents else None
            paths: set[str] = set()
            for change in tree_changes(store, base, commit.tree):
                for side in (change.old, change.new):
                    if side is not None and side.path:
                        paths.add(side.path.decode("utf-8", "replace"))
                if len(paths) > FILES:
                    raise Unobservable(f"{sha[:12]} changes more than {FILES:,} files")
        return tuple(sorted(paths))

    # --- for other probes ------------------------------------------------------------------------------------------

    def paths(self) -> tuple[str, ...]:
        """Every file at the branch's head; links and submodules are none."""
        return tuple(self._files())

    def content(self, path: str) -> bytes:
        """A file at the branch's head; raises Unobservable when it is not there or too large."""
        sha = self._files().get(path)
        if sha is None:
            raise Unobservable(f"the branch {self._described.branch} has no file {path}")
        with self._reading():
            found: bytes = self._store()[sha].as_raw_string()
        if len(found) > LARGEST_FILE:
            raise Unobservable(f"{path} is larger than {LARGEST_FILE // 1024**2} MiB")
        return found

    def identity(self, path: str) -> str:
        """The id of a file's content at the branch's head; empty when it is not there."""
        return self._files().get(path, b"").decode("ascii")

    def text(self, path: str) -> str:
        """A text file at the branch's head."""
        try:
            return self.content(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unobservable(f"{path} is no UTF-8 text") from error

    def close(self) -> None:
        """Close the repository."""
        for opened in (self._opened, self._objects):
            if opened is not None:
                opened.close()

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Repository:
        if self.target.repository is None:
            raise Unobservable("the target describes no repository")
        return self.target.repository

    def _repository(self) -> Any:
        if self._opened is None:
            try:
                from dulwich.errors import NotGitRepository  # noqa: PLC0415  (only where it is needed)
                from dulwich.repo import Repo, UnsupportedExtension, UnsupportedVersion  # noqa: PLC0415  (only where it is needed)
            except ImportError as error:
                raise Unobservable("reading git needs dulwich: pip install 'upheld[code]'") from error
            folder = self.session.target_folder / self._described.path
            look_at_settings(folder, self._described.path)
            try:
                opened = Repo(str(folder))
            except NotGitRepository as error:
                raise Unobservable(f"{self._described.path} is no git repository") from error
            except (UnsupportedExtension, UnsupportedVersion) as error:
                reason = f"{type(error).__name__}: {error}"[:200]
                raise Unobservable(f"{self._described.path} is of a form that cannot be read ({reason})") from error
            except (OSError, ValueError) as error:
                raise Unobservable(
                    f"{self._described.path} cannot be read as a git repository: {type(error).__name__}"
                ) from error
            control = Path(opened.controldir())
            if (control / "shallow").exists():
                opened.close()
                raise Unobservable("the repository is a shallow clone: its history is cut off")
            if (control / "info" / "grafts").exists() or (control / "refs" / "replace").is_dir():
                opened.close()
                raise Unobservable("the repository has grafts or replaced objects: its history is not what was made")
            self._opened = opened
        return self._opened

    def _store(self) -> Any:
        """Where the audited files lie: in the snapshot of a change, where there is one, else in the repository."""
        snapshot = self.session.snapshot
        if snapshot is None:
            return self._repository().object_store
        if self._objects is None:
            try:
                self._objects = snapshot.opened()
            except ImportError as error:
                raise Unobservable("reading git needs dulwich: pip install 'upheld[code]'") from error
        return self._objects

    def _reading(self) -> _Mapped:
        self._store()
        return _Mapped()

    def _head(self) -> bytes:
        refs = self._repository().refs
        for prefix in ("refs/heads/", "refs/remotes/origin/"):
            try:
                found: bytes = refs[f"{prefix}{self._described.branch}".encode()]
                return found
            except KeyError:
                continue
            except (OSError, ValueError) as error:
                raise Unobservable(f"the branch {self._described.branch} cannot be read: {error}") from error
        raise Unobservable(f"the repository has no branch {self._described.branch}")

    def _mainline(self) -> list[bytes]:
        """All that the branch ever was, by first parents, and how much of it is since the rules hold."""
        if self._line is not None:
            return self._line
        line: list[bytes] = []
        places: dict[bytes, int] = {}
        since = self._described.since
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        # A commit's date is what its author says. Whatever came after the first one that is recent enough counts, so that
        # a date in the past does not hide a commit.
        counted = 0
        with self._reading():
            store = self._repository().object_store
            sha: bytes | None = self._head()
            while sha is not None:
                if sha in places or len(line) >= LONGEST:
                    raise Unobservable(f"the history is longer than {LONGEST:,} commits or goes in a circle")
                made = _read(store, sha)
                places[sha] = len(line)
                line.append(sha)
                if since is None or made.at >= since.timestamp():
                    counted = len(line)
                sha = made.parents[0] if made.parents else None
        first = self._described.since_commit
        if first is not None:
            if first.encode("ascii") not in places:
                raise Unobservable(f"since_commit {first[:12]} is not on the branch {self._described.branch}")
            counted = places[first.encode("ascii")]
        self._places, self._counted, self._line = places, counted, line
        return line

    def _commit(self, sha: bytes) -> Commit:
        with self._reading():
            made = _read(self._repository().object_store, sha)
            message = made.message.decode("utf-8", "replace")
            return Commit(
                sha=sha.decode("ascii"),
                parents=tuple(parent.decode("ascii") for parent in made.parents),
                author=_person(made.author),
                committer=_person(made.committer),
                also=co_authors(message),
                at=datetime.fromtimestamp(made.at, UTC),
                title=message.partition("\n")[0][:200],
            )

    def _files(self) -> dict[str, bytes]:
        if self._tree is None:
            with self._reading():
                store, snapshot = self._store(), self.session.snapshot
                root = store[self._head()].tree if snapshot is None else snapshot.tree.encode("ascii")
                found = dict(_walk(store, root))
            self._tree = dict(sorted(found.items()))
        return self._tree


def tree_of_branch(folder: Path, described: Repository) -> str:
    """The tree at the head of the described branch of the repository in a folder; raises Unobservable when it cannot be told."""
    look_at_settings(folder, described.path)
    try:
        from dulwich.repo import Repo  # noqa: PLC0415  (only where it is needed)
    except ImportError as error:
        raise Unobservable("reading git needs dulwich: pip install 'upheld[code]'") from error
    try:
        opened: Any
        with Repo(str(folder)) as opened:
            for prefix in ("refs/heads/", "refs/remotes/origin/"):
                name = f"{prefix}{described.branch}".encode()
                if name in opened.refs:
                    tree: bytes = opened.object_store[opened.refs[name]].tree
                    return tree.decode("ascii")
    except Exception as error:  # A repository that a stranger made may be broken in any way; then its tree is not told.
        raise Unobservable(f"{described.path} cannot be read: {type(error).__name__}") from error
    raise Unobservable(f"the repository has no branch {described.branch}")


class _Raw(NamedTuple):
    """A commit as git keeps it."""

    parents: tuple[bytes, ...]
    author: bytes
    committer: bytes
    at: int
    message: bytes


class _Mapped:
    """Maps what goes wrong while objects are read: a missing or broken one means that nothing was seen."""

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import zlib  # noqa: PLC0415  (only where it is needed)

        from dulwich.errors import ChecksumMismatch, FileFormatException, ObjectFormatException  # noqa: PLC0415  (only where it is needed)

        if isinstance(error, KeyError):
            raise Unobservable(f"the repository lacks an object of its history: {error}") from error
        broken = (OSError, zlib.error, ChecksumMismatch, FileFormatException, ObjectFormatException, ValueError)
        if isinstance(error, (*broken, AssertionError, OverflowError)):
            raise Unobservable(f"the repository cannot be read: {type(error).__name__}: {error}") from error


def co_authors(message: str) -> tuple[Person, ...]:
    """Those whom a commit's message names as its authors, too: `Co-authored-by: Name <address>` on a line of its own."""
    found = []
    for line in message.split("\n"):
        if line[: len(_CO_AUTHOR)].lower() == _CO_AUTHOR and (rest := line[len(_CO_AUTHOR) :].rstrip()).endswith(">"):
            name, bracket, email = rest[:-1].rpartition("<")
            if bracket and ">" not in email:
                found.append(Person(name.strip(), email))
    return tuple(found)


def _read(store: Any, sha: bytes) -> _Raw:
    """A commit by its first lines and what follows them: so a history of 100,000 is walked in seconds."""
    kind, raw = store.get_raw(sha)
    head = _HEAD.match(raw) if kind == _COMMIT else None
    if head is None:
        made = store[sha]
        if made.type_num != _COMMIT:
            raise Unobservable(f"{sha[:12].decode('ascii')} stands where a commit should, and is none")
        return _Raw(tuple(made.parents), made.author, made.committer, made.commit_time, made.message)
    parents = tuple(head["parents"].split()[1::2])
    return _Raw(parents, head["author"], head["committer"], int(head["at"]), raw.partition(b"\n\n")[2])


def _person(raw: bytes) -> Person:
    name, _, rest = raw.decode("utf-8", "replace").partition("<")
    return Person(name.strip(), rest.partition(">")[0].strip())


def _walk(store: Any, root: bytes) -> Iterator[tuple[str, bytes]]:
    waiting, found = [("", root)], 0
    while waiting:
        above, tree = waiting.pop()
        for entry in store[tree].items():
            name = entry.path.decode("utf-8", "surrogateescape")
            if name in {"", ".", "..", ".git"} or "/" in name or "\0" in name:
                raise Unobservable(f"the repository has a file with a name that git forbids in {above or 'its root'}")
            path = f"{above}{name}"
            if entry.mode == _FOLDER:
                waiting.append((f"{path}/", entry.sha))
            elif entry.mode not in {_LINK, _MODULE}:
                found += 1
                if found > FILES:
                    raise Unobservable(f"the branch has more than {FILES:,} files")
                yield path, entry.sha
