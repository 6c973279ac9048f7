"""Claims whose words promise more than their checks can show, as mistakes with places."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    built_in = {check.id for check in catalogue if Path(check.file).resolve().is_relative_to(own)}
    uses = {name: dict(_deciders(name, promise, catalogue, built_in)) for name, promise in promises.items()}
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


def _below(name: str, promises: Mapping[str, Promise]) -> Iterator[str]:
    """The claims that decide one, however far down, each once."""
    waiting, seen = list(promises[name].decided_by), {name}
    while waiting:
        part = waiting.pop(0)
        if part not in seen and part in promises:
            seen.add(part)
            yield part
            waiting.extend(promises[part].decided_by)
