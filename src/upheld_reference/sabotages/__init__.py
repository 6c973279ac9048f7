"""The registry of sabotages: named, real defects that a deployment can be started with.

A sabotage is a function with the decorator ``sabotage`` in any module of this package. It is called before the parts of
the platform are built, and changes them through the ``Platform`` that it gets.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from upheld_reference.platform import Platform

Function = Callable[[Platform], None]
"""What a sabotage is written as."""


@dataclass(frozen=True)
class Sabotage:
    """One named defect."""

    name: str
    """The function's name."""
    breaks: tuple[str, ...]
    """The claims that it refutes."""
    also: tuple[str, ...]
    """Other claims that turn too, because they are decided by those that it refutes."""
    blinds: tuple[str, ...]
    """Claims that nobody can decide while it lasts, because the defect keeps every honest client out or leaves nothing to look at."""
    shows: tuple[str, ...]
    """Words that the findings of an audit hold when they name this defect and no other."""
    sentence: str
    """What is wrong with a deployment that has it."""
    function: Function
    """What makes the platform wrong."""
    module: str
    """The module that defines it."""


class SabotageError(Exception):
    """A sabotage is defined or asked for wrongly."""


class UnknownSabotageError(SabotageError):
    """No sabotage has that name."""

    def __init__(self, name: str, nearest: Sequence[str]) -> None:
        """Carries the name that was asked for and the valid names nearest to it."""
        self.name = name
        self.nearest = tuple(nearest)
        hint = f"; did you mean {' or '.join(self.nearest)}?" if nearest else ""
        super().__init__(f"no sabotage is called {name!r}{hint} (`reference sabotages` lists them all)")


_found: dict[str, Sabotage] = {}


def sabotage(
    *, breaks: Sequence[str], shows: Sequence[str], also: Sequence[str] = (), blinds: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Registers the decorated function as a sabotage that refutes ``breaks``, turns ``also`` with them and hides ``blinds``.

    What an audit finds of it has the words ``shows`` in it. Raises SabotageError when the name is taken, when it breaks no
    claim, when it has no such words, or when the docstring is missing.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        sentence = (inspect.getdoc(function) or "").partition("\n")[0].strip()
        if name in _found:
            raise SabotageError(f"{function.__module__} and {_found[name].module} both define the sabotage {name!r}")
        if not breaks:
            raise SabotageError(f"the sabotage {name!r} names no claim that it breaks")
        if not all(shows) or not shows or isinstance(shows, str):
            raise SabotageError(f"the sabotage {name!r} does not say what the findings show of it (a tuple of words)")
        if not sentence:
            raise SabotageError(f"the sabotage {name!r} has no docstring that says what is wrong")
        _found[name] = Sabotage(
            name, tuple(breaks), tuple(also), tuple(blinds), tuple(shows), sentence, function, function.__module__
        )
        return function

    return register


@functools.cache
def catalogue() -> Mapping[str, Sabotage]:
    """Every sabotage by name, in alphabetical order; imports the modules of this package."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    return MappingProxyType({name: _found[name] for name in sorted(_found)})


def find(name: str) -> Sabotage:
    """The sabotage called ``name``; raises UnknownSabotageError with the nearest valid names."""
    known = catalogue()
    if name not in known:
        raise UnknownSabotageError(name, difflib.get_close_matches(name, known, n=3))
    return known[name]


def apply(platform: Platform, names: Sequence[str]) -> None:
    """Applies each named sabotage to a platform whose parts are not built yet; raises UnknownSabotageError."""
    for chosen in [find(name) for name in dict.fromkeys(names)]:
        chosen.function(platform)
