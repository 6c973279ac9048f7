"""Which proposed checks show as much as the words of a claim promise, by the rules that a policy is refused by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from upheld.catalogue import Catalogue
from upheld.resources import builtin
from upheld.strength import Decider, Weakness, weaknesses


class Use(Protocol):
    """A check with what it is given."""

    @property
    def check(self) -> str:
        """Its id."""

    @property
    def given(self) -> Mapping[str, Any]:
        """Its parameters."""


def too_weak(words: str, uses: Sequence[Use], catalogue: Catalogue) -> tuple[frozenset[str], tuple[Weakness, ...]]:
    """The checks that may not stand for these words, and why; all of them, where it is all together that show too little.

    What is left when the others are taken away is strong enough by itself.
    """
    left = list(uses)
    found: list[Weakness] = []
    while left:
        weak = list(weaknesses(words, [_decider(one, catalogue) for one in left], {}))
        if not weak:
            break
        found += weak
        named = {one.decider.check for one in weak if one.decider is not None}
        left = [one for one in left if named and one.check not in named]
    kept = {one.check for one in left}
    return frozenset(one.check for one in uses if one.check not in kept), tuple(_once(found))


def _once(found: Iterable[Weakness]) -> Iterable[Weakness]:
    return {str(one): one for one in found}.values()


def _decider(use: Use, catalogue: Catalogue) -> Decider:
    check = catalogue[use.check]
    _, arguments = check.arguments(use.given)
    known = Path(check.file).resolve().is_relative_to((builtin() / "checks").resolve())
    return Decider(use.check, json.loads(arguments), check.marks.basis, check.own_values, known)
