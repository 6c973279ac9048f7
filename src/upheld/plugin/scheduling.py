"""Which worker gets which check next, so that the lock that keeps exclusive checks alone costs as little waiting as it can."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from xdist.scheduler import LoadScheduling

from upheld.model import PlannedCheck

_AHEAD = 2
"""Checks that a worker has: the one that it runs, and the next, which pytest must know before the first ends."""


class Kind(IntEnum):
    """How a check gets on with others, in the order in which one process alone runs them."""

    UNDISTURBED = 0
    READING = 1
    CHANGING = 2
    DETACHED = 3
    EXCLUSIVE = 4


_BESIDE_NONE_EXCLUSIVE = frozenset({Kind.UNDISTURBED, Kind.READING, Kind.CHANGING})


def kind(planned: PlannedCheck | None) -> Kind:
    """The kind of a planned check; what is none (an item of somebody else's) counts as one that reads."""
    if planned is None:
        return Kind.READING
    if planned.exclusive or planned.detached:
        return Kind.EXCLUSIVE if planned.exclusive else Kind.DETACHED
    return Kind.UNDISTURBED if planned.undisturbed else Kind.CHANGING if planned.intrusive else Kind.READING


class ByKind(LoadScheduling):  # type: ignore[misc]
    """At first one worker does what is to be undisturbed, at last the exclusive checks; the others do what may be done beside them.

    Of one kind each worker gets the next as soon as it has room for it. Nothing here keeps exclusive checks alone: the lock does.
    """

    def __init__(self, config: Any, log: Any, kind_of: Callable[[str], Kind]) -> None:
        """`kind_of` tells an item's kind from its node id."""
        super().__init__(config, log)
        self._kind_of = kind_of
        self.collection: list[str] | None = None

    def schedule(self) -> None:
        """Hand out the first checks once all workers have collected the same ones."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            self.collection = next(iter(self.node2collection.values()))
            self.pending[:] = range(len(self.collection))
        for _ in range(_AHEAD):
            for node in self.nodes:
                self.check_schedule(node)

    def check_schedule(self, node: Any, duration: float = 0) -> None:  # noqa: ARG002 - how long the last took says nothing
        """Give the worker its next check, if it has room for one."""
        if node.shutting_down:
            return
        if not self.pending:
            node.shutdown()
        elif len(self.node2pending[node]) < _AHEAD:
            self._send_tests(node, 1)

    def _send_tests(self, node: Any, num: int) -> None:
        soloist = node is self.nodes[0]
        order = (Kind.READING, Kind.CHANGING, Kind.UNDISTURBED, Kind.DETACHED, Kind.EXCLUSIVE)
        if soloist:
            last = (Kind.DETACHED, Kind.EXCLUSIVE) if self._shared_elsewhere(node) else (Kind.EXCLUSIVE, Kind.DETACHED)
            order = (Kind.UNDISTURBED, Kind.CHANGING, Kind.READING, *last)
        # Moved to the front, from where the base class takes them. Neighbours in a policy look at the same things, and wait for
        # the same things: one worker begins at its head and the others at its tail, so that they seldom do so at the same time.
        self.pending.sort(key=lambda index: (order.index(self._kind(index)), index if soloist else -index))
        super()._send_tests(node, num)

    def _shared_elsewhere(self, node: Any) -> bool:
        """Whether other workers still have checks for which an exclusive one would have to wait."""
        return any(
            self._kind(index) in _BESIDE_NONE_EXCLUSIVE
            for other, indices in self.node2pending.items()
            if other is not node
            for index in indices
        )

    def _kind(self, index: int) -> Kind:
        assert self.collection is not None  # noqa: S101  (nothing is handed out before all is collected)
        return self._kind_of(self.collection[index])
