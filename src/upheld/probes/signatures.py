"""Signatures of deliveries, computed anew from what a receiver got and the secret that it has."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from upheld.probes.listener import Request
    from upheld.target.network import Signature as Scheme

PREFIXES_TRIED = 4096
"""Lengths of a body's beginning that are tried for a signature that covers only a part."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a delivery's headers say: empty texts where they say nothing."""

    signature: str
    timestamp: str
    id: str


def parse(scheme: Scheme, request: Request) -> Parsed:
    """The signature, time and identifier that a delivery carries; raises Unobservable when the scheme's pattern is none."""
    header = request.header(scheme.header) or ""
    try:
        found = re.search(scheme.value, header)
    except re.error as error:
        raise Unobservable(f"webhooks.signature.value is no regular expression: {error}") from None
    groups = found.groupdict() if found else {}
    timestamp = groups.get("timestamp") or (request.header(scheme.timestamp_header) if scheme.timestamp_header else "")
    identity = request.header(scheme.id_header) if scheme.id_header else ""
    return Parsed(groups.get("signature") or "", timestamp or "", identity or "")


def verifies(scheme: Scheme, secret: str, parsed: Parsed, body: bytes) -> bool:
    """Whether the signature is over this body, with this secret, as the scheme says."""
    return bool(parsed.signature) and hmac.compare_digest(
        parsed.signature.encode(), _signature(scheme, secret, parsed, body)
    )


def covered(scheme: Scheme, secret: str, parsed: Parsed, body: bytes) -> int | None:
    """How many of the body's first bytes the signature covers; None when it verifies over no beginning of it."""
    lengths = [len(body), *range(min(len(body), PREFIXES_TRIED + 1) - 1, -1, -1)]
    return next((length for length in lengths if verifies(scheme, secret, parsed, body[:length])), None)


def _signature(scheme: Scheme, secret: str, parsed: Parsed, body: bytes) -> bytes:
    key = secret.removeprefix(scheme.key_prefix)
    try:
        raw = base64.b64decode(key, validate=True) if scheme.key_encoding == "base64" else key.encode()
    except (binascii.Error, ValueError):
        raise Unobservable("a webhook's signing secret is not base64, as the target says") from None
    content = b"".join(
        {"{timestamp}": parsed.timestamp.encode(), "{id}": parsed.id.encode(), "{body}": body}.get(part, part.encode())
        for part in re.split(r"(\{timestamp\}|\{id\}|\{body\})", scheme.content)
    )
    digest = hmac.new(raw, content, getattr(hashlib, scheme.algorithm)).digest()
    return base64.b64encode(digest) if scheme.encoding == "base64" else digest.hex().encode()
