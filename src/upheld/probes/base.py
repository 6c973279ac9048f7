"""What every probe shares: the session, and the decorator that records each look.

A probe observes and never judges. Each look is a method marked with `look`; it returns a frozen, serialisable value, or
raises `Unobservable` with the reason. Checks see only what looks return, after redaction.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, cast

from upheld.errors import Unobservable
from upheld.probes.meter import Meter
from upheld.probes.planted import Journal
from upheld.probes.recording import Recorder, plain, plain_arguments
from upheld.probes.resting import Resting
from upheld.probes.sending import Sending
from upheld.probes.silence import Silence
from upheld.redaction import Redactor

if TYPE_CHECKING:
    from upheld.caching import Cache
    from upheld.probes.scope import Scope
    from upheld.probes.snapshot import Snapshot
    from upheld.target.model import Target

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["Probe", "Recorder", "Session", "look", "plain", "plain_arguments"]


class Session:
    """What the probes of one process share for one run: the target, its secrets, the scope, the run's scratch folder."""

    def __init__(
        self,
        target: Target,
        redactor: Redactor,
        scope: Scope,
        scratch: Path,
        vantage: str = "",
        target_folder: Path = Path(),
        journal: Journal | None = None,
    ) -> None:
        """`journal` is where it is noted what is planted; by default one that ends with the scratch folder."""
        self.target = target
        self.target_folder = target_folder
        self.redactor = redactor
        self.scope = scope
        self.scratch = scratch
        self.vantage = vantage
        self.silence = Silence()
        self.journal = journal or Journal(scratch / "planted", target=target.name, clean=redactor.text)
        self.snapshot: Snapshot | None = None
        """The files that stand for those at the head of the audited branch, when a change is judged before it is there."""
        self.cache: Cache | None = None
        """Where tools that look at one file at a time may keep what they saw of it."""
        self.strict = False
        """Whether a look that sends what it does not say (`Probe.sends`) is a fault: in tests it is."""
        self.meter = Meter(target.limits, scratch)
        self._recorder: Recorder | None = None
        self._branch = threading.local()
        self._making = threading.RLock()
        # What the policy says of the published page, for the probe that compares the two: sentences by claim, and those
        # that promise nothing. Whoever makes the session fills them in.
        self.policy_sentences: Mapping[str, tuple[str, ...]] = {}
        self.no_promise: tuple[str, ...] = ()
        self._probes: dict[type[Probe], Probe] = {}

    def pace(self, host: str) -> None:
        """Wait until the target's limits let a request to the host go out; raises Spent when its budget is used up."""
        if self.strict and (now := self.looking) is not None and now[1] not in now[0].sends:
            raise AssertionError(f"{now[0].name}.{now[1]} sends something to {host}, and does not say so (sends)")
        if wait := self.meter.take(host, beyond=getattr(self._branch, "undoing", False)):
            if self.recorder is not None:
                self.recorder.grant(wait)
            time.sleep(wait)

    @property
    def looking(self) -> tuple[type[Probe], str] | None:
        """The look that this thread is making, by its probe and its name; the outer one of two."""
        return getattr(self._branch, "looking", None)

    @contextmanager
    def making(self, kind: type[Probe], name: str) -> Iterator[None]:
        """Inside the block this thread makes that look, unless it is a part of another one."""
        if self.looking is not None:
            yield
            return
        self._branch.looking = (kind, name)
        try:
            yield
        finally:
            self._branch.looking = None

    @contextmanager
    def putting_back(self) -> Iterator[None]:
        """Inside the block this thread undoes something, for which it may go past the budget of requests."""
        before = getattr(self._branch, "undoing", False)
        self._branch.undoing = True
        try:
            yield
        finally:
            self._branch.undoing = before

    def undo_all(self) -> None:
        """Undo whatever this process planted or changed and did not undo yet; what cannot be undone stays in the journal."""
        if not self.journal.kept:
            return
        from upheld.probes.undoing import undo  # noqa: PLC0415  (it imports the probes)

        for _ in range(2):  # What went with another one is seen to be gone in the second round.
            count = len(self.journal.kept)
            for note in self.journal.kept:
                if note.open:
                    with suppress(Unobservable):
                        undo(self, note.planted)
                        note.gone()
            if len(self.journal.kept) in {0, count}:
                break

    def probe(self, kind: type[Probe]) -> Probe:
        """The probe of that kind; one for each session, made when it is first asked for."""
        with self._making:
            if kind not in self._probes:
                self._probes[kind] = kind(self)
            return self._probes[kind]

    @property
    def recorder(self) -> Recorder | None:
        """Who keeps the looks that this thread makes; None where nobody does."""
        return getattr(self._branch, "recorder", None) or self._recorder

    @recorder.setter
    def recorder(self, recorder: Recorder | None) -> None:
        self._recorder = recorder

    def side_by_side(self, lanes: Sequence[Iterable[T]]) -> list[list[T]]:
        """What each lane yields, all of them gone through at the same time in threads; looks are recorded as if one lane had followed the other.

        Each item rests on the looks that its lane made since the item before. All lanes are gone through to their end; then the first
        error there was is raised.
        """
        whole = self.recorder
        if whole is None:
            return [list(lane) for lane in lanes]
        if len(lanes) < 2:
            return [whole.resting(lane) for lane in lanes]

        def gone_through(lane: Iterable[T], branch: Recorder) -> list[T]:
            self._branch.recorder = branch
            try:
                return branch.resting(lane)
            finally:
                del self._branch.recorder

        branches = [whole.branch() for _ in lanes]
        with ThreadPoolExecutor(len(lanes)) as pool:
            futures = [pool.submit(gone_through, lane, branch) for lane, branch in zip(lanes, branches, strict=True)]
        for branch in branches:
            whole.merge(branch)
        return [future.result() for future in futures]

    @contextmanager
    def recording(self, prefix: str) -> Iterator[Recorder]:
        """Record the looks made inside the block; their ids start with `prefix`."""
        before, self._recorder = (
            self._recorder,
            Recorder(prefix, self.redactor, self.vantage, self.target.check_seconds),
        )
        try:
            yield self._recorder
        finally:
            self._recorder = before

    def close(self) -> None:
        """Undo what is not undone yet, and close every probe, the last made first."""
        try:
            self.undo_all()
        finally:
            while self._probes:
                _, probe = self._probes.popitem()
                probe.close()
            self.journal.close()


class Probe:
    """An instrument. Subclasses set `name` and `needs`, and mark each look with `look`."""

    name: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()
    """The top-level parts of the target description without which this probe can see nothing."""
    detached: ClassVar[bool] = False
    """Whether what other checks do to the running system shows in nothing that it sees, nor what it does in what they see: code,
    history, documents, handshakes, the store of backups."""

    sends: ClassVar[Sending] = {}
    """What each look sends; one that is not in it sends nothing."""

    rests: ClassVar[Resting] = {}
    """What each look rests on; one that is not in it rests on the running deployment."""

    kinds: ClassVar[dict[str, type[Probe]]] = {}

    def __init__(self, session: Session) -> None:
        self.session = session

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the probe under its name; a second one of that name is a TypeError."""
        super().__init_subclass__(**options)
        if cls.name in Probe.kinds and Probe.kinds[cls.name].__qualname__ != cls.__qualname__:
            raise TypeError(f"two probes are called {cls.name!r}")
        Probe.kinds[cls.name] = cls

    @property
    def target(self) -> Target:
        """The target's description."""
        return self.session.target

    def side_by_side(self, lanes: Sequence[Iterable[T]]) -> list[list[T]]:
        """What each lane yields, all gone through at the same time: for looks of a check that neither disturb nor wait for one another."""
        return self.session.side_by_side(lanes)

    def close(self) -> None:
        """Let go of connections and processes."""


def look(method: Callable[P, T]) -> Callable[P, T]:
    """Mark a probe's method as a look: every call is recorded as an observation, redacted."""
    name = method.__name__
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]

    @functools.wraps(method)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> T:
        probe = cast("Probe", args[0])
        recorder = probe.session.recorder
        if recorder is None:
            with probe.session.making(type(probe), name):
                return method(*args, **kwargs)
        arguments: dict[str, object] = dict(zip(names, args[1:], strict=False))
        arguments.update(kwargs)
        with probe.session.making(type(probe), name):
            return recorder.record(probe.name, name, arguments, lambda: method(*args, **kwargs))

    recorded.__dict__["__look__"] = True
    return recorded
