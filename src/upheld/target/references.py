"""The secrets that a target refers to, found by what its description's fields are, and not by how their values look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from upheld.errors import Unobservable
from upheld.target.model import Target
from upheld.target.parts import Lies
from upheld.target.places import named_paths
from upheld.target.secrets import resolve


def unresolved(target: Target, folder: Path) -> Iterator[tuple[str, str]]:
    """Each reference that leads to no secret, as the part of the description that it stands in and the reason."""
    for part, reference in references(target):
        try:
            resolve(reference, folder)
        except Unobservable as error:
            yield part, error.reason


def references(target: Target) -> Iterator[tuple[str, str]]:
    """Every reference to a secret, once for each part of the description that it stands in, with that part's name."""
    found: dict[str, set[str]] = {}
    for named in named_paths(target):
        if named.lies is Lies.SECRET:
            found.setdefault(str(named.location[0]), set()).add(named.value)
    for part, references_there in found.items():
        for reference in sorted(references_there):
            yield part, reference
