"""Claims whose words promise more than their checks can show, as mistakes with places."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.catalogue import Catalogue
from upheld.documents import Document, Location
from upheld.errors import Mistake
from upheld.policies.model import Claim, Policy
from upheld.policies.uses import Use
from upheld.resources import builtin
from upheld.strength import Decider, over_endpoints, weaknesses

if TYPE_CHECKING:
    from upheld.target.endpoints import Endpoint
    from upheld.target.model import Target


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
    own = (builtin() / "checks").resolve()
    # Only those that are used are asked for: a catalogue need not import the others for it.
    used = {use.check for promise in promises.values() for use in promise.uses if not use.not_applicable}
    built_in = {name for name in used if Path(catalogue[name].file).resolve().is_relative_to(own)}
    uses = {name: dict(_deciders(name, promise, catalogue, built_in)) for name, promise in promises.items()}
    by_decider = {id(decider): use for of in uses.values() for decider, use in of.items()}
    near = _nearest(promises, uses)
    for name, promise in promises.items():
        parts = {part: (promises[part].words, list(uses[part])) for part in _below(name, near)}
        for weakness in weaknesses(promise.words, list(uses[name]), parts):
            document, at = promise.document, promise.location
            if weakness.decider is not None:
                document, at = by_decider[id(weakness.decider)].place(weakness.parameter)
            message = f"{name}: {weakness}"
            yield document.mistake(at, message, key=True, expected=weakness.wanted)


def over_one_endpoint(policy: Policy, target: Target) -> Iterator[tuple[Claim, str, Endpoint]]:
    """Claims that speak of all endpoints while the target describes a single public one, and does not say why it stands alone.

    Each with the words in question and that endpoint.
    """
    public = [one for one in target.endpoints if one.public]
    if len(public) != 1 or public[0].alone:
        return
    for claim in policy.claims:
        words = " ".join(dict.fromkeys([claim.statement, *claim.sentences]))
        uses = [use.check for use in claim.uses if not use.not_applicable]
        if found := over_endpoints(words, uses):
            yield claim, found, public[0]


def _deciders(
    name: str, promise: Promise, catalogue: Catalogue, built_in: Container[str]
) -> Iterator[tuple[Decider, Use]]:
    for use in promise.uses:
        if use.not_applicable:
            continue
        check = catalogue[use.check]
        given = json.loads(use.arguments_json)
        yield Decider(use.check, given, check.marks.basis, check.own_values, use.check in built_in, name), use


def _nearest(promises: Mapping[str, Promise], uses: Mapping[str, Sized]) -> Mapping[str, Sequence[str]]:
    """By claim those that decide it and use checks themselves; in the place of one that uses none stand those that decide that one."""
    near: dict[str, Sequence[str]] = {}
    parts = {name: [part for part in promise.decided_by if part in promises] for name, promise in promises.items()}
    for name in TopologicalSorter(parts).static_order():
        near[name] = list(dict.fromkeys(one for part in parts[name] for one in ([part] if uses[part] else near[part])))
    return near


def _below(name: str, near: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The claims with checks that decide one, however far down, each once."""
    waiting, seen = deque(near[name]), {name}
    while waiting:
        part = waiting.popleft()
        if part not in seen:
            seen.add(part)
            yield part
            waiting.extend(near[part])
