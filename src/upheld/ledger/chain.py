"""The chain of digests: how an entry is bound to the one before it, and where a ledger's chain breaks."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upheld.ledger.records import canonical, unpacked
from upheld.ledger.rows import listed

FIRST = "0" * 64
"""What stands for the digest before the first entry."""
_MOST_BREAKS = 20
_NOT_DIGESTED = frozenset({"digest"})


def digest_of(columns: Mapping[str, Any]) -> str:
    """The digest of an entry over all of its columns but the digest; the one before it and that of the body are among them."""
    return hashlib.sha256(
        canonical({name: one for name, one in columns.items() if name not in _NOT_DIGESTED})
    ).hexdigest()


def body_digest(body: bytes) -> str:
    """The digest of a body before it is compressed."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain does not hold, and what is wrong there."""

    seq: int
    says: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of a whole chain. `head` is the digest of its last entry: noted elsewhere, it shows a cut-off end."""

    entries: int
    runs: int
    first: int
    last: int
    head: str
    pruned: int
    breaks: tuple[Break, ...]

    @property
    def holds(self) -> bool:
        """Whether every entry is what was added, and none is missing in between."""
        return not self.breaks


def verified(
    rows: Iterable[tuple[Mapping[str, Any], bytes | None]],
    pruned: Sequence[Mapping[str, Any]],
    expected: Sequence[tuple[int, str]] = (),
) -> Verified:
    """Go through a chain in its order: each entry's columns, and its compressed body (None where it has none).

    `pruned` holds the bodies of the prunings in it; `expected` numbers and digests that somebody noted, which must be in it.
    """
    breaks: list[Break] = []
    entries = runs = first = last = 0
    previous, head = FIRST, ""
    let_go = max(pruned, key=lambda one: int(one["through"]), default=None)
    noted = dict(expected)
    for columns, body in rows:
        seq = int(columns["seq"])
        if not entries:
            first = seq
            previous, wrong = _begins(seq, let_go)
            breaks += wrong
        elif seq != last + 1:
            missing = (
                f"entry {last + 1} is missing" if seq == last + 2 else f"entries {last + 1} to {seq - 1} are missing"
            )
            breaks.append(Break(seq, missing))
            previous = str(columns["previous"])
        breaks += (Break(seq, says) for says in _wrong(columns, body, previous))
        if (digest := noted.pop(seq, None)) is not None and digest != columns["digest"]:
            breaks.append(Break(seq, "it is another one than was noted"))
        entries, last, head = entries + 1, seq, str(columns["digest"])
        runs += columns["kind"] == "run"
        previous = head
    for seq in sorted(noted):
        if let_go is None or seq > int(let_go["through"]):
            breaks.append(Break(seq, "it was noted, and is not there"))
    return Verified(
        entries, runs, first, last, head, int(let_go["through"]) if let_go else 0, tuple(breaks[:_MOST_BREAKS])
    )


def _begins(seq: int, let_go: Mapping[str, Any] | None) -> tuple[str, list[Break]]:
    """The digest that must stand before the first entry that is there, and what is wrong with how the chain begins."""
    if let_go is None:
        return FIRST, [] if seq == 1 else [
            Break(seq, f"the entries before {seq} are missing, and no pruning let them go")
        ]
    through = int(let_go["through"])
    if seq != through + 1:
        return FIRST, [Break(seq, f"the pruning let go entries up to {through}, and the first that is there is {seq}")]
    return str(let_go["head"]), []


def _wrong(columns: Mapping[str, Any], body: bytes | None, previous: str) -> list[str]:
    said: list[str] = []
    if columns["previous"] != previous:
        said.append("it does not follow from the entry before it")
    if digest_of(columns) != columns["digest"]:
        said.append("it was changed after it was added")
    if body is None:
        return [*said, "its body is missing"]
    try:
        whole = zlib.decompress(body)
    except zlib.error:
        return [*said, "its body cannot be read"]
    if body_digest(whole) != columns["body_digest"]:
        return [*said, "its body was changed after it was added"]
    if columns["kind"] == "run":
        try:
            if listed(unpacked(whole)) != (columns["claims"], columns["letters"]):
                said.append("its row says something else of the claims than its body")
        except (ValueError, KeyError):
            said.append("its body is no record of a run")
    return said
