"""The store of backups: listing its objects, telling what each is by its name, and reading them piece by piece."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upheld.errors import Refused, Unobservable
from upheld.probes.backup_places import admit

if TYPE_CHECKING:
    from upheld.probes.scope import Scope
    from upheld.target.backups import Backups

OBJECTS_LIMIT = 500_000
"""Objects of a store that are listed; more are Unobservable."""
PIECE = 1 << 18
"""Bytes that are read at once."""
PIECES_AT_ONCE = 16
"""Pieces that one request to the store brings."""
LISTED_AT_ONCE = 1000
"""Objects that one answer of the store lists (Amazon S3, ListObjectsV2)."""
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "timeModified", "created")
_SEGMENT = "(?P<segment>[0-9A-F]{24})"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the store. `kind` is base, increment, wal or other; `segment` is the name of a WAL segment."""

    name: str
    kind: str
    size: int
    modified: datetime | None
    segment: str = ""


class Gone(Exception):
    """The object was listed, but is not there any more: it was kept no longer."""


class BackupStore:
    """The objects below the store's URL, through fsspec."""

    def __init__(
        self,
        description: Backups,
        base: Path,
        secrets: Mapping[str, str],
        scope: Scope,
        pace: Callable[[], None],
    ) -> None:
        """Connects to nothing yet; `secrets` are further options of the store. `pace` is asked before each call over a network.

        Raises Unobservable without fsspec, for a URL that it does not know, and for a store whose hosts are not declared.
        """
        self._description = description
        self._scope = scope
        self._networked = admit(description, {**description.store_options, **secrets}, scope)
        self._pace = pace if self._networked else lambda: None
        with self._fenced():
            self._filesystem, self._root = _opened(description, base, secrets)
        self._shapes = [
            (kind, _shape(pattern))
            for kind, patterns in (
                ("wal", description.wal),
                ("base", description.base),
                ("increment", description.increments),
            )
            for pattern in patterns
        ]
        self._odd: set[str] = set()
        self._readable = [(_shape(pattern), reason) for pattern, reason in description.readable.items()]

    def objects(self) -> list[StoredObject]:
        """Every object, by name; raises Unobservable when the store cannot be listed, or is empty."""
        with self._asking("be listed"):
            self._filesystem.invalidate_cache()
            self._pace()
            if not self._filesystem.exists(self._root):
                raise Unobservable(f"there is no backup store {self._description.store}")
            found = dict(self._found())
        if len(found) > OBJECTS_LIMIT:
            raise Unobservable(f"the backup store holds more than {OBJECTS_LIMIT:,} objects")
        if not found:
            raise Unobservable("the backup store is empty")
        return [self._object(path, details) for path, details in sorted(found.items())]

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of an object; raises Gone when it is not there any more, Unobservable when it cannot be read."""
        path = f"{self._root}/{name}"
        if name in self._odd:  # A pipe could keep the reader waiting for ever.
            raise Unobservable(f"{name} is no regular file")
        try:
            self._pace()
            with self._fenced():
                opened = self._filesystem.open(path, "rb", block_size=PIECE * PIECES_AT_ONCE)
            with opened as stream:
                for number in itertools.count():
                    if number % PIECES_AT_ONCE == 0:
                        self._pace()
                    with self._fenced():  # Never while whoever asked is at work with a piece.
                        piece = stream.read(PIECE)
                    if not piece:
                        break
                    yield piece
        except FileNotFoundError:
            raise Gone(name) from None
        except Unobservable:
            raise
        except Exception as error:  # Each kind of store raises its own errors.
            raise Refused(f"{name} cannot be read: {_said(error)}") from error

    def exists(self, name: str) -> bool:
        """Whether the object is there now."""
        with self._asking("be asked"):
            self._filesystem.invalidate_cache()
            self._pace()
            return bool(self._filesystem.exists(f"{self._root}/{name}"))

    def why_readable(self, name: str) -> str:
        """Why this object may be readable, as the target says; empty when it may not."""
        return next((reason for shape, reason in self._readable if shape.fullmatch(name)), "")

    def _object(self, path: str, details: Mapping[str, Any]) -> StoredObject:
        name = path.removeprefix(self._root).lstrip("/")
        kind, segment = "other", ""
        if details.get("type") == "other" and not details.get("islink"):
            self._odd.add(name)
        for known, shape in self._shapes:
            if found := shape.fullmatch(name):
                kind, segment = known, found.groupdict().get("segment") or ""
                break
        return StoredObject(name, kind, int(details.get("size") or 0), _modified(details), segment)

    def _found(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every object with its details.

        A file system that has a listing of its own for all below a path (object storage) is asked for that. The walk that the
        others share leaves out, without a word, a folder that it may not list; so these are walked here.
        """
        from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # noqa: PLC0415
        from fsspec.asyn import AsyncFileSystem  # type: ignore[import-untyped]  # noqa: PLC0415

        kind = type(self._filesystem)
        shared = kind.find is AbstractFileSystem.find or getattr(kind, "_find", None) is AsyncFileSystem._find  # noqa: SLF001
        if not shared:
            self._pace()
            for number, one in enumerate(self._filesystem.find(self._root, withdirs=False, detail=True).items(), 1):
                if number % LISTED_AT_ONCE == 0:
                    self._pace()  # The library pages by itself; what it has sent is counted.
                yield one
            return
        folders = [self._root]
        while folders:
            folder = folders.pop()
            self._pace()
            try:
                listed = self._filesystem.ls(folder, detail=True)
            except FileNotFoundError:  # A folder that went away meanwhile holds nothing.
                continue
            for details in listed:
                path = str(details["name"]).rstrip("/")
                if details.get("type") != "directory":
                    yield path, details
                elif path != folder:
                    folders.append(path)

    def _fenced(self) -> AbstractContextManager[None]:
        """Whatever the store's library does: redirects, look-ups, a search for credentials."""
        return self._scope.fence.up() if self._networked else nullcontext()

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            with self._fenced():
                yield
        except Unobservable:
            raise
        except Exception as error:  # Each kind of store raises its own errors; none of them says that nothing is there.
            raise Refused(f"the backup store cannot {what}: {_said(error)}") from error


def segment_number(name: str, segment_bytes: int) -> int:
    """The number of a segment within its timeline (xlog_internal.h of PostgreSQL: two parts of 32 bits)."""
    return int(name[8:16], 16) * ((1 << 32) // segment_bytes) + int(name[16:24], 16)


def segment_name(timeline: str, number: int, segment_bytes: int) -> str:
    """The name of the segment with that number on a timeline (its first eight hexadecimal digits)."""
    each = (1 << 32) // segment_bytes
    return f"{timeline}{number // each:08X}{number % each:08X}"


def missing_segments(names: Sequence[str], segment_bytes: int, limit: int) -> tuple[int, tuple[str, ...]]:
    """How many segments are missing between the first and the last of each timeline, and the names of the first `limit`."""
    count = 0
    shown: list[str] = []
    for timeline in sorted({name[:8] for name in names}):
        numbers = sorted({segment_number(name, segment_bytes) for name in names if name.startswith(timeline)})
        for before, after in itertools.pairwise(numbers):
            count += after - before - 1
            named = range(before + 1, min(after, before + 1 + limit - len(shown)))
            shown += [segment_name(timeline, number, segment_bytes) for number in named]
    return count, tuple(shown)


def _opened(description: Backups, base: Path, secrets: Mapping[str, str]) -> tuple[Any, str]:
    try:
        import fsspec  # noqa: PLC0415  (an extra)
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise Unobservable("looking at a backup store needs fsspec: pip install 'upheld[backups]'") from None
    url = description.store
    if "://" not in url and "::" not in url:
        url = f"file://{(base / url).absolute()}"
    options: dict[str, Any] = {**description.store_options, **secrets}
    try:
        filesystem, root = url_to_fs(url, use_listings_cache=False, **options)
    except Exception as error:  # An unknown scheme, a missing library, options that it does not take.
        raise Unobservable(f"there is no way to the backup store {description.store}: {_said(error)}") from error
    assert isinstance(filesystem, fsspec.AbstractFileSystem)  # noqa: S101  (what url_to_fs gives)
    return filesystem, str(root).rstrip("/")


def _shape(pattern: str) -> re.Pattern[str]:
    """A pattern of names as a regular expression."""
    parts = re.split(r"(\*\*/|\*\*|\*|\{segment\})", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    seen = False
    out = []
    for part in parts:
        if part == "{segment}":
            out.append("(?P=segment)" if seen else _SEGMENT)
            seen = True
        else:
            out.append(meaning.get(part, re.escape(part)))
    return re.compile("".join(out), re.DOTALL)


def _modified(details: Mapping[str, Any]) -> datetime | None:
    for name in _TIMES:
        value = details.get(name)
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            try:
                at = datetime.fromisoformat(value)
            except ValueError:
                continue
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return None


def _said(error: BaseException) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
