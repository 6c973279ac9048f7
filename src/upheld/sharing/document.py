"""The part of a share that machines read: the signed statement, the opened leaves with their salts, and hashes for the others.

    {"format": "upheld-share/1", "envelope": {…DSSE…}, "opened": [[number, salt, leaf], …], "withheld": [[start, size, hash], …]}

It stands in the page as the address of a link and in the PDF as an attached file; in both it is the same.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upheld.evidence import statements
from upheld.evidence.container import Damaged
from upheld.evidence.keys import SigningKey
from upheld.evidence.tree import Opened, Withheld
from upheld.sharing.disclosing import FORMAT, Told

PREDICATE = "urn:upheld:evidence:share:v1"
PAGE = "share.html"
"""The name of the page among the subjects of the statement."""
LARGEST = 256 << 20
"""Bytes of a share that are read."""


@dataclass(frozen=True, slots=True)
class Share:
    """What machines read of a share."""

    envelope: Mapping[str, Any]
    opened: tuple[Opened, ...]
    withheld: tuple[Withheld, ...]

    @property
    def signed(self) -> bool:
        """Whether it says that somebody signed it."""
        return bool(self.envelope.get("signatures"))

    @property
    def sealed(self) -> bytes:
        """The envelope as bytes."""
        return compact(self.envelope)

    def payload(self) -> dict[str, Any]:
        """What is in the envelope, whoever signed it or not; raises Damaged for what is no JSON object."""
        try:
            value = json.loads(base64.b64decode(self.envelope["payload"], validate=True))
        except (KeyError, TypeError, ValueError, RecursionError, binascii.Error):
            value = None
        if not isinstance(value, dict):
            raise Damaged("what the envelope holds is no statement")
        return value


def statement(told: Told, page_digest: str) -> dict[str, Any]:
    """The in-toto Statement of what is told, over the tree and the page of that SHA-256 (without its machine-readable part)."""
    return {
        "_type": statements.STATEMENT,
        "subject": [
            {"name": "leaves", "digest": {statements.TREE: told.root}},
            {"name": PAGE, "digest": {"sha256": page_digest}},
        ],
        "predicateType": PREDICATE,
        "predicate": told.predicate,
    }


def seal(told: Told, page_digest: str, key: SigningKey | None) -> bytes:
    """The document of what is told, signed by `key`, or by nobody."""
    said = statement(told, page_digest)
    if key is None:
        payload = base64.b64encode(compact(said)).decode()
        envelope: Any = {"payload": payload, "payloadType": statements.PAYLOAD_TYPE, "signatures": []}
    else:
        envelope = json.loads(statements.seal(said, key))
    return dumps(Share(envelope, told.opened, told.withheld))


def dumps(share: Share) -> bytes:
    """The bytes of a share."""
    return compact(
        {
            "format": FORMAT,
            "envelope": share.envelope,
            "opened": [[one.index, one.salt.hex(), one.leaf.decode()] for one in share.opened],
            "withheld": [[one.start, one.size, one.hash.hex()] for one in share.withheld],
        }
    )


def loads(data: bytes) -> Share:
    """The share in these bytes; raises Damaged for what is not exactly what `dumps` writes."""
    try:
        read = json.loads(data)
        share = Share(
            read["envelope"],
            tuple(Opened(_number(index), bytes.fromhex(salt), leaf.encode()) for index, salt, leaf in read["opened"]),
            tuple(Withheld(_number(start), _number(size), bytes.fromhex(one)) for start, size, one in read["withheld"]),
        )
        exact = isinstance(share.envelope, dict) and read["format"] == FORMAT and dumps(share) == data
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        exact = False
    if not exact:
        raise Damaged(f"the machine-readable part is not of the format {FORMAT}, or it was changed")
    return share


def leaves(opened: Sequence[Opened]) -> list[dict[str, Any]]:
    """The contents of opened leaves, in their order; raises Damaged for what is no leaf."""
    found: list[dict[str, Any]] = []
    for one in opened:
        try:
            content = json.loads(one.leaf)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("leaf"), str):
            raise Damaged(f"what is told as leaf {one.index} is none")
        found.append(content)
    return found


def compact(value: object) -> bytes:
    """A value as compact JSON with sorted keys, in UTF-8; half a surrogate pair is written as its escape."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no number of a leaf")
    return value
