"""Replaying: a check judges once more, over the looks that a run recorded, and nothing is looked at.

Checks see the world only through recorded looks, so that the same code over the same record comes to the same findings.
Each look is answered from the record by what was asked: probe, look and arguments, and of equal ones in their order. A look
that was not recorded is Unobservable; no probe is ever made, so that no path leads to the network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter

from upheld.errors import Unobservable
from upheld.execution import execute
from upheld.model import CheckResult, Observation, Plain, PlannedCheck
from upheld.probes.base import Probe, Recorder, Session, plain, plain_arguments
from upheld.redaction import Redactor

if TYPE_CHECKING:
    from upheld.catalogue import Check

T = TypeVar("T")


def replay(result: CheckResult, one: Check) -> CheckResult:
    """What `one` comes to over the looks that `result` recorded; when and how long is as it was recorded.

    A check that looked at nothing (the target lacked what it needs, the run was stopped) has nothing to judge again: its
    result stays what it was.
    """
    if not result.observations and not result.findings:
        return result
    planned = PlannedCheck(
        result.key, result.claim, result.id, result.parameters, result.basis, result.title, one.code_digest
    )
    again = execute(planned, one, Replay(result.observations), obstacle="")
    return dataclasses.replace(
        again,
        started=result.started,
        seconds=result.seconds,
        sabotages_caught=result.sabotages_caught,
        calibrated=result.calibrated,
    )


class Replay(Session):
    """A session in which every look is answered from a record. It has no target, no scope and no secrets."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        self.redactor = Redactor(bytes(32))
        self._recorder = None
        self._branch = threading.local()
        self._observations = tuple(observations)

    def probe(self, kind: type[Probe]) -> Probe:
        """What stands for the probe of that kind: it has its looks, and nothing else of it."""
        return cast("Probe", _Recorded(kind, self))

    @contextmanager
    def recording(self, prefix: str) -> Iterator[Recorder]:
        """Answer the looks made inside the block from the record."""
        replayer = _Replayer(prefix, self.redactor, self._observations)
        before, self._recorder = self._recorder, replayer
        try:
            yield replayer
        finally:
            self._recorder = before

    def side_by_side(self, lanes: Sequence[Iterable[T]]) -> list[list[T]]:
        """What each lane yields, one lane after the other: in this order their looks were recorded."""
        recorder = self.recorder
        return [recorder.resting(lane) if recorder else list(lane) for lane in lanes]

    def close(self) -> None:
        """Nothing was opened."""


class _Recorded:
    """A probe as the record knows it."""

    def __init__(self, kind: type[Probe], session: Replay) -> None:
        self.name = kind.name
        self.session = session
        self._kind = kind

    def side_by_side(self, lanes: Sequence[Iterable[T]]) -> list[list[T]]:
        """As the probe's own."""
        return self.session.side_by_side(lanes)

    def __getattr__(self, name: str) -> Callable[..., object]:
        method: Callable[..., object] | None = getattr(self._kind, name, None)
        if method is None or not getattr(method, "__look__", False):
            raise Unobservable(f"{self.name}.{name} is no look, so the record does not have it")
        # The decorator of looks hands over to the session's recorder, which never calls the probe's own code.
        return partial(method, self)


class _Replayer(Recorder):
    """Answers looks from observations, and keeps those that were asked for, in the order of asking."""

    def __init__(self, prefix: str, redactor: Redactor, observations: Iterable[Observation]) -> None:
        super().__init__(prefix, redactor, "")
        self._recorded: defaultdict[tuple[str, str, str], deque[Observation]] = defaultdict(deque)
        for one in observations:
            self._recorded[one.probe, one.look, _canonical(one.arguments)].append(one)
        self._earlier: dict[tuple[str, str], dict[str, deque[Observation]]] = {}

    def record(self, probe: str, name: str, arguments: dict[str, object], call: Callable[[], T]) -> T:  # noqa: ARG002
        """What the record has for this look; raises Unobservable as the look did, or because it was not recorded."""
        asked = _canonical(plain_arguments(arguments, self._redactor))
        waiting = self._recorded.get((probe, name, asked)) or self._of_earlier(probe, name).get(asked)
        if not waiting:
            raise Unobservable(f"not recorded: {probe}.{name}")
        observation = waiting.popleft()
        self.observations.append(observation)
        if not observation.seen:
            raise Unobservable(observation.reason)
        value = cast("T", decode(Probe.kinds[probe], name, observation.value))
        self._sources[id(value)] = (value, observation.id)
        return value

    def _of_earlier(self, probe: str, name: str) -> dict[str, deque[Observation]]:
        """What was recorded of a look by how its arguments would be written today: their types may have more fields since."""
        if (probe, name) not in self._earlier:
            found = self._earlier[probe, name] = {}
            kind = Probe.kinds.get(probe)
            for (of, look, arguments), waiting in self._recorded.items():
                if (of, look) == (probe, name) and kind is not None:
                    found.setdefault(_today(getattr(kind, name, None), arguments), waiting)
        return self._earlier[probe, name]


def decode(kind: type[Probe], name: str, value: Plain) -> object:
    """The value that this look of that kind of probe returned, from what was kept of it."""
    return _adapter(getattr(kind, name), "return").validate_python(value)


@cache
def _hints(method: Callable[..., object]) -> dict[str, Any]:
    return get_type_hints(method, include_extras=True)


@cache
def _adapter(method: Callable[..., object], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_hints(method)[name])


def _today(method: Callable[..., object] | None, arguments: str) -> str:
    """Recorded arguments of a look as the same ones would be written today."""
    written: dict[str, Plain] = json.loads(arguments)
    if method is not None:
        for name, value in written.items():
            if isinstance(value, dict | list) and name in _hints(method):
                with contextlib.suppress(ValueError, TypeError):
                    written[name] = plain(_adapter(method, name).validate_python(value))
    return _canonical(written)


def _canonical(value: Plain) -> str:
    return json.dumps(value, sort_keys=True)
