r"""The chain of digests of the audit log, recomputed without the database.

Format, for whoever checks the log without this code. An entry is a JSON object with the members ``sequence``, ``at``,
``actor``, ``action``, ``target``, ``workspace_id``, ``outcome``, ``reason``, ``details``, ``previous`` and ``digest``.
``at`` is in UTC with six decimals (``2026-01-31T09:30:00.000000Z``), what is missing is null. ``digest`` is the SHA-256, in
lower-case hexadecimal, of the object without ``digest``, written as JSON in UTF-8 with the keys of every object in the order of
their code points, no spaces, and no escapes but those that JSON demands. ``previous`` is the digest of the entry before, and 64
zeros in the first; ``sequence`` begins with 1 and has no gaps. So for one entry in a file:
``jq -cjS 'del(.digest)' entry.json | sha256sum``.

Whoever rewrites the last entries can rewrite all of their digests: see `anchors` for what speaks against that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FIRST_PREVIOUS = "0" * 64
"""What the first entry has for the digest of the one before."""

SELECT = """
    SELECT sequence, at, actor, action, target, workspace_id, outcome, reason, details, previous, digest
    FROM audit.entries ORDER BY sequence
"""
"""The query whose rows, as dictionaries, `verify_chain` takes."""


@dataclass(frozen=True)
class Break:
    """A place where the log is not what it was."""

    sequence: int
    """The entry at which it shows."""
    problem: str
    """What is wrong, as a clause."""


def canonical(value: Any) -> str:
    """The one JSON text of ``value``; raises ValueError for what has none, such as a number with a fraction."""
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of audit.entries as the JSON object that is published."""
    at: datetime = row["at"]
    return {
        **row,
        "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "workspace_id": None if row["workspace_id"] is None else str(row["workspace_id"]),
    }


def digest_of(entry: Mapping[str, Any]) -> str:
    """The digest that ``entry``, a published JSON object, must have."""
    covered = {name: value for name, value in entry.items() if name != "digest"}
    return hashlib.sha256(canonical(covered).encode("utf-8")).hexdigest()


def verify_chain(rows: Iterable[Mapping[str, Any]], anchors: Mapping[int, str] | None = None) -> list[Break]:
    """Every break in ``rows`` of audit.entries, in their stored order; an empty list means that the chain holds.

    ``anchors`` are digests by sequence that were noted elsewhere: an entry that is gone or differs from them is a break, and
    they alone show that the last entries were removed. No rows and no anchors: nothing is broken, and nothing is proven.
    """
    breaks: list[Break] = []
    seen: dict[int, str] = {}
    expected, previous = 1, FIRST_PREVIOUS
    for row in rows:
        entry = document(row)
        sequence, digest = int(entry["sequence"]), str(entry["digest"])
        if sequence != expected:
            breaks.append(Break(sequence, f"stands where {expected} should"))
        if entry["previous"] != previous:
            breaks.append(Break(sequence, "does not name the entry before it"))
        if digest_of(entry) != digest:
            breaks.append(Break(sequence, "has another content than its digest says"))
        seen[sequence] = digest
        expected, previous = sequence + 1, digest
    for sequence, digest in (anchors or {}).items():
        if seen.get(sequence) != digest:
            problem = "differs from what was noted of it elsewhere" if sequence in seen else "is gone"
            breaks.append(Break(sequence, problem))
    return breaks


def _check(value: Any) -> None:
    match value:
        case None | bool() | int() | str():
            return
        case list() | tuple():
            for item in value:
                _check(item)
        case dict() if all(isinstance(key, str) for key in value):
            for item in value.values():
                _check(item)
        case _:
            raise ValueError(f"an audit entry holds no {type(value).__name__}")
