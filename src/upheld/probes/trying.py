"""Trying a probe out before an audit: the cheapest look that changes nothing, so that it is known whether it works.

`upheld doctor` asks for the trials of every probe that a policy needs. A stranger's own probe gets some in the same way
as the built-in ones: by a function that yields `Trial`s, marked with `tries`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from upheld.probes.base import Probe

P = TypeVar("P", bound=Probe)


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to try: what it is, and the call that gives in a few words what was seen, or raises Unobservable.

    `only` names words (of looks, say) that the code of a check holds if this trial concerns it at all; without any it
    concerns every check that looks through the probe. `one_of` names what there are several of, such as endpoints: as long as
    others of them work, a check may do without this one.
    """

    what: str
    call: Callable[[], str]
    only: tuple[str, ...] = ()
    one_of: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """How trials may go: whether declared identities may be logged in, which begins sessions in the target."""

    log_in: bool = False


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of one kind of probe, and in words what none of them tries."""

    make: Callable[[Any, Asked], Iterator[Trial]]
    untried: str
    logs_in: bool


_KNOWN: dict[type[Probe], Trials] = {}


def tries(
    kind: type[P], *, untried: str = "", logs_in: bool = False
) -> Callable[[Callable[[P, Asked], Iterator[Trial]]], Callable[[P, Asked], Iterator[Trial]]]:
    """Mark a function as giving the trials of a kind of probe; `untried` says what of the probe they leave untried.

    `logs_in`: they log somebody in, where that is allowed; where it is not, that is untried too.
    A trial sends nothing that writes, plants or floods, and connects only to what the target declares.
    """

    def mark(make: Callable[[P, Asked], Iterator[Trial]]) -> Callable[[P, Asked], Iterator[Trial]]:
        _KNOWN[kind] = Trials(make, untried, logs_in)
        return make

    return mark


def trials_of(kind: type[Probe]) -> Trials | None:
    """The trials of a kind of probe; None where nobody has written any."""
    return _KNOWN.get(kind)
