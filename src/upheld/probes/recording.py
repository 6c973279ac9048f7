"""The observations of one check, and what of them is kept: plain values, without secrets."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from upheld.errors import TimedOut, Unobservable
from upheld.model import Observation, Plain, timestamp
from upheld.redaction import Redactor

T = TypeVar("T")

TEXT_KEPT = 64 * 1024
"""Characters of one text that an observation keeps; the rest is cut and said so."""


class Recorder:
    """The observations of one check, in the order in which they were made."""

    def __init__(self, prefix: str, redactor: Redactor, vantage: str, limit_seconds: float = 0.0) -> None:
        """After `limit_seconds` (0: never) no further look is made, so that a target cannot hold a check for ever."""
        self.observations: list[Observation] = []
        self._limit = limit_seconds
        self._until = time.monotonic() + limit_seconds if limit_seconds else float("inf")
        self._prefix = prefix
        self._redactor = redactor
        self._vantage = vantage
        self._sources: dict[int, tuple[object, str]] = {}
        self._behind: dict[int, tuple[object, tuple[str, ...]]] = {}
        self._branches = 0
        self._depth = 0

    def branch(self) -> Recorder:
        """A recorder for looks that are made side by side with others of the same check; to be merged when they are done."""
        self._branches += 1
        one = Recorder(f"{self._prefix}-{self._branches}", self._redactor, self._vantage)
        one._limit, one._until = self._limit, self._until
        return one

    def merge(self, branch: Recorder) -> None:
        """Take over the observations of a branch, and what is known to rest on them."""
        self.observations += branch.observations
        self._sources |= branch._sources
        self._behind |= branch._behind

    def grant(self, seconds: float) -> None:
        """Let the time limit end later by what the harness itself waited, so as not to be a burden."""
        self._until += seconds

    def resting(self, items: Iterable[T]) -> list[T]:
        """The items; it is remembered that each rests on the observations that were made while it was waited for."""
        came: list[T] = []
        mark = len(self.observations)
        for item in items:
            self._behind[id(item)] = (item, tuple(one.id for one in self.observations[mark:]))
            mark = len(self.observations)
            came.append(item)
        return came

    def behind(self, value: object) -> tuple[str, ...]:
        """The ids of the observations of which it is known that `value` rests on them; empty when of none."""
        known = self._behind.get(id(value))
        return known[1] if known and known[0] is value else ()

    def record(self, probe: str, name: str, arguments: dict[str, object], call: Callable[[], T]) -> T:
        """Make one look, keep it, and give back what it saw without secrets; raises Unobservable as the look did."""
        if self._depth:  # A look that another look makes is part of that one.
            return call()
        if time.monotonic() > self._until:
            over = f"the check's time limit of {self._limit:g} s is over"
            # Kept too, so that a replay meets the end of the time where the run met it.
            self._keep(probe, name, arguments, datetime.now(UTC), time.perf_counter(), None, over)
            raise TimedOut(over)
        started, clock = datetime.now(UTC), time.perf_counter()
        self._depth += 1
        try:
            value = cast("T", self._redactor.deep(call()))
        except Unobservable as unobservable:
            unobservable.reason = self._redactor.text(unobservable.reason)
            self._keep(probe, name, arguments, started, clock, None, unobservable.reason)
            raise
        finally:
            self._depth -= 1
        identity = self._keep(probe, name, arguments, started, clock, plain(value), "")
        self._sources[id(value)] = (value, identity)
        return value

    def clean(self, text: str) -> str:
        """`text` without secrets."""
        return self._redactor.text(text)

    def source(self, value: object) -> str | None:
        """The id of the observation that returned `value`, if a look of this check did."""
        known = self._sources.get(id(value))
        return known[1] if known and known[0] is value else None

    def _keep(
        self,
        probe: str,
        name: str,
        arguments: dict[str, object],
        started: datetime,
        clock: float,
        value: Plain,
        reason: str,
    ) -> str:
        identity = f"{self._prefix}.{len(self.observations) + 1}"
        kept = plain_arguments(arguments, self._redactor)
        self.observations.append(
            Observation(
                id=identity,
                probe=probe,
                look=name,
                arguments=kept,
                seen=not reason,
                value=value,
                reason=reason,
                at=timestamp(started),
                seconds=round(time.perf_counter() - clock, 6),
                vantage=self._vantage,
            )
        )
        return identity


_SCALARS = frozenset({int, bool, type(None)})


def plain(value: object) -> Plain:  # noqa: PLR0911, PLR0912  (one return for each kind of value reads best)
    """`value` as JSON can carry it: dataclasses and models become objects, enumerations their values, times RFC 3339, long text is cut."""
    kind: Any = type(value)
    # By far the most frequent kinds first: a run keeps millions of them.
    if kind in _SCALARS or (kind is str and len(cast("str", value)) <= TEXT_KEPT):
        return cast("Plain", value)
    if names := _field_names(kind):
        fields: dict[str, Plain] = {}
        for name in names:
            item = getattr(value, name)
            fields[name] = (
                item if type(item) in _SCALARS or (type(item) is str and len(item) <= TEXT_KEPT) else plain(item)
            )
        return fields
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # A number such as 1e999, which JSON cannot carry as what it became.
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return value if len(value) <= TEXT_KEPT else f"{value[:TEXT_KEPT]}[cut: {len(value)} characters in all]"
    if isinstance(value, Mapping):
        return {
            key if type(key) is str else str(key): item if type(item) is str and len(item) <= TEXT_KEPT else plain(item)
            for key, item in value.items()
        }
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value, key=str)]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(value)


@functools.lru_cache(maxsize=4096)
def _field_names(kind: Any) -> tuple[str, ...]:
    """The names of a kind of dataclass's fields; none for other kinds."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


def plain_arguments(arguments: Mapping[str, object], redactor: Redactor) -> Plain:
    """The arguments of a look as they are kept, without secrets; a part of the target's description goes by its name."""
    kept: dict[str, Plain] = {}
    for name, value in arguments.items():
        if type(value) is dict and redactor.remembers(
            value
        ):  # Objects by kind, as most calls have them: short texts all.
            kept[name] = value.copy()
            continue
        cleaned = redactor.deep(value)
        kept[name] = str(cleaned) if isinstance(cleaned, BaseModel) else plain(cleaned)
    return kept
