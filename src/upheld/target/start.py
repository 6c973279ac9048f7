"""Finding the target that a name or a path stands for, and starting it where it has to be started.

An installed package offers targets under the entry point group `upheld.targets`: a callable that takes the names of
sabotages and gives a context manager over the path of a target file. It raises LookupError for a sabotage that it does
not know, and any other exception when the target cannot be started. The context manager may have a method `begin` that
lets the target come up and does not wait for it; leaving it then ends what was begun, whether the block was entered or not.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from upheld.errors import InputError, Mistake, TargetUnavailable
from upheld.target.load import load_target

GROUP = "upheld.targets"
Provider = Callable[[Sequence[str]], AbstractContextManager[Path]]


@dataclass(frozen=True)
class TargetSource:
    """A target that can be audited: a file, or one that a provider starts."""

    name: str
    sabotages: tuple[str, ...] = ()
    file: Path | None = None
    entry: EntryPoint | None = None

    def begun(self) -> AbstractContextManager[Path] | None:
        """What `started` takes to go on from, where the target could be begun beside what else there is to do; else None.

        Raises InputError when a sabotage is wrong. What else keeps it from starting is for `started` to find.
        """
        if self.entry is None:
            return None
        with contextlib.suppress(TargetUnavailable), self._told():
            context = self._provided(self.entry)
            begin: Callable[[], object] | None = getattr(context, "begin", None)
            if begin is not None:
                begin()
                return context
        return None

    @contextlib.contextmanager
    def started(
        self, checks: Collection[str] | None = None, begun: AbstractContextManager[Path] | None = None
    ) -> Iterator[Path]:
        """The path of the target file, with what it describes started for the block; `checks` are the names of all there are.

        Raises InputError when the file or a sabotage is wrong, TargetUnavailable when the target does not start.
        """
        if self.file is not None:
            load_target(self.file, checks)
            yield self.file
            return
        assert self.entry is not None  # noqa: S101  (a source has a file or a provider)
        with self._told():
            context = self._provided(self.entry) if begun is None else begun
            path = context.__enter__()
        try:
            try:
                load_target(path)
            except InputError as error:
                # Nobody who runs the audit wrote that file: the target did not come up as it should.
                raise TargetUnavailable(f"{self.name} describes itself wrongly: {error}") from error
            yield path
        finally:
            context.__exit__(None, None, None)

    def _provided(self, entry: EntryPoint) -> AbstractContextManager[Path]:
        provider: Provider = entry.load()
        return provider(self.sabotages)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say why a target does not start as those who audit it are to hear it."""
        try:
            yield
        except LookupError as error:
            raise InputError([Mistake("--sabotage", 0, 0, str(error.args[0] if error.args else error))]) from error
        except (
            Exception
        ) as error:  # Whatever keeps the target from starting: no claim is decided, and the reason is kept.
            raise TargetUnavailable(f"{self.name} did not start: {type(error).__name__}: {error}") from error


def installed() -> dict[str, EntryPoint]:
    """The targets that installed packages offer, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def find(name: str, sabotages: Sequence[str] = (), base: Path = Path()) -> TargetSource:
    """The target called `name`, or described by the file at that path; raises InputError when there is none."""
    names = installed()
    if name in names:
        return TargetSource(name, tuple(sabotages), entry=names[name])
    path = base / name
    if path.suffix in {".yaml", ".yml"} or path.exists():
        if sabotages:
            message = "only an embedded target can be sabotaged"
            raise InputError(
                [Mistake("--sabotage", 0, 0, message, got=repr(sabotages[0]), expected="--target reference")]
            )
        return TargetSource(str(path), file=path)
    close = difflib.get_close_matches(name, names, n=1)
    expected = f"a target file, or one of: {', '.join(sorted(names)) or 'none is installed'}"
    raise InputError([Mistake("--target", 0, 0, "no such target", repr(name), expected, close[0] if close else "")])
