"""Claims whose words promise more than their checks can show, as mistakes with places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from upheld.catalogue import Catalogue
from upheld.documents import Document, Location
from upheld.errors import Mistake
from upheld.policies.uses import Use
from upheld.resources import builtin
from upheld.strength import Decider, weaknesses


@dataclass(frozen=True, slots=True)
class Promise:
    """A claim: its words, where it stands, what decides it."""

    words: str
    document: Document
    location: Location
    uses: Sequence[Use]
    decided_by: Sequence[str]


def too_weak(promises: Mapping[str, Promise], catalogue: Catalogue) -> Iterator[Mistake]:
    """Each place where a claim promises more than what decides it can show. The claims must not decide each other in a circle."""
    uses = {name: dict(_deciders(name, promise, catalogue)) for name, promise in promises.items()}
    by_decider = {id(decider): use for of in uses.values() for decider, use in of.items()}
    for name, promise in promises.items():
        below = list(_below(name, promises))
        parts = {part: (promises[part].words, list(uses[part])) for part in below}
        for weakness in weaknesses(promise.words, list(uses[name]), parts):
            document, at = promise.document, promise.location
            if weakness.decider is not None:
                document, at = by_decider[id(weakness.decider)].place(weakness.parameter)
            message = f"{name}: {weakness}"
            yield document.mistake(at, message, key=True, expected=weakness.wanted)


def _deciders(name: str, promise: Promise, catalogue: Catalogue) -> Iterator[tuple[Decider, Use]]:
    own = (builtin() / "checks").resolve()
    for use in promise.uses:
        if use.not_applicable:
            continue
        check = catalogue[use.check]
        known = Path(check.file).resolve().is_relative_to(own)
        yield Decider(use.check, json.loads(use.arguments_json), check.marks.basis, check.own_values, known, name), use


def _below(name: str, promises: Mapping[str, Promise]) -> Iterator[str]:
    """The claims that decide one, however far down, each once."""
    waiting, seen = list(promises[name].decided_by), {name}
    while waiting:
        part = waiting.pop(0)
        if part not in seen and part in promises:
            seen.add(part)
            yield part
            waiting.extend(promises[part].decided_by)
