"""What the leaves of a run's tree are: every part of run.json, in its order, and what a customer may see apart from the rest.

A claim, a check, a finding and the run itself are two leaves each: a head, which says what it came to, and a detail with all
else, in which internal names stand. An observation is one leaf. A field that this module does not know goes into the detail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

KINDS = (
    "run",
    "run-detail",
    "claim",
    "claim-detail",
    "check",
    "check-detail",
    "finding",
    "finding-detail",
    "observation",
)
"""What a leaf may be, as its field `leaf` says."""

_RUN = (
    "format",
    "id",
    "started",
    "finished",
    "complete",
    "planned",
    "policy",
    "policy_digest",
    "selected",
    "policy_claims",
)
_TARGET = ("name", "environment", "sabotages", "samples")
_CLAIM = (
    "statement",
    "section",
    "severity",
    "references",
    "status",
    "basis",
    "gated",
    "accept_attested",
    "decided_by",
    "sabotages_seeded",
)
_CHECK = ("id", "title", "basis", "verdict", "code_digest", "started", "calibrated", "sabotages_caught")
_POPULATION = ("found", "probed")
_LATER = frozenset({"policy_claims", "accept_attested"})
"""Fields that a run.json of an earlier version lacks; its leaves lack them too, so that its bundle still holds."""


class Leaf(NamedTuple):
    """One leaf: its kind, and its content, whose bytes are a line of leaves.jsonl without the line feed."""

    kind: str
    content: dict[str, Any]

    @property
    def data(self) -> bytes:
        """The content as compact JSON in UTF-8."""
        return to_json(self.content)


def leaves(run: Mapping[str, Any]) -> Iterator[Leaf]:
    """The leaves of a run (run.json as plain data), in their order; raises KeyError or TypeError for what is no run."""
    target = run["target"]
    yield _leaf("run", {}, {**_of(run, _RUN), "target": _of(target, _TARGET)})
    rest = {**_but(run, (*_RUN, "claims")), "target": _but(target, _TARGET)}
    yield _leaf("run-detail", {}, rest)
    for claim in run["claims"]:
        yield from leaves_of_claim(claim)


def leaves_of_claim(claim: Mapping[str, Any]) -> Iterator[Leaf]:
    """The leaves of one claim: its own, then those of each of its checks."""
    at = {"claim": claim["id"]}
    yield _leaf("claim", at, _of(claim, _CLAIM))
    yield _leaf("claim-detail", at, _but(claim, (*_CLAIM, "id", "checks")))
    for check in claim["checks"]:
        at = {"claim": claim["id"], "key": check["key"]}
        population = check["population"]
        yield _leaf("check", at, {**_of(check, _CHECK), "population": _of(population, _POPULATION)})
        apart = (*_CHECK, "key", "claim", "population", "findings", "observations")
        yield _leaf("check-detail", at, {**_but(check, apart), "population": _but(population, _POPULATION)})
        for number, finding in enumerate(check["findings"]):
            place = {"key": check["key"], "number": number}
            yield _leaf("finding", place, _of(finding, ("verdict",)))
            yield _leaf("finding-detail", place, _but(finding, ("verdict",)))
        for number, observation in enumerate(check["observations"]):
            yield _leaf("observation", {"key": check["key"], "number": number}, observation)


def counts(found: Iterable[Leaf]) -> dict[str, int]:
    """How many leaves there are of each kind, every kind named."""
    result = dict.fromkeys(KINDS, 0)
    for leaf in found:
        result[leaf.kind] += 1
    return result


def _leaf(kind: str, at: Mapping[str, Any], content: Mapping[str, Any]) -> Leaf:
    return Leaf(kind, {"leaf": kind, **at, **content})


def _of(whole: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: whole[name] for name in names if name in whole or name not in _LATER}


def _but(whole: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in whole.items() if name not in names}
