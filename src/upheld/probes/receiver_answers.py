"""What the looks of the receivers probe give."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from upheld.probes.inside import Way


class Stranger(StrEnum):
    """Why a client should not take a receiver for the one that it looks for."""

    NOBODY = "a trusted certificate"
    UNKNOWN_AUTHORITY = "a certificate of an unknown authority"
    OTHER_NAME = "a certificate for another name"


@dataclass(frozen=True, slots=True)
class Registration:
    """What became of registering a URL, or of changing a webhook's to it: whether it was taken, and with which status."""

    how: str
    url: str
    accepted: bool
    status: int
    plain_requests: int = 0
    """Requests without TLS that came to the receiver after a ping, where it was taken or was to be changed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came to a receiver: connections, handshakes that were broken off, whole requests; and to where it redirected.

    `reason` says why there was none, where that is known.
    """

    stranger: Stranger
    contacts: int
    refusals: tuple[str, ...]
    requests: int
    redirected_contacts: int = 0
    status: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SignedDelivery:
    """A delivery and what its signature covers, tried with the secrets of all webhooks of the look.

    `covered_bytes` is how much of the body's beginning the signature is over with its own webhook's secret (None: of nothing);
    `altered` and `moved` are whether it verifies over an altered body and over another time. `others` are webhooks whose
    secrets verify it too. Times are in seconds.
    """

    webhook: str
    header: bool
    signature: bool
    timestamp: str
    age_seconds: float | None
    body_bytes: int
    covered_bytes: int | None
    altered: bool
    moved: bool
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InsideTry:
    """What became of one way inside: whether the URL was taken, connections to the inner place, requests at the allowed one.

    `reason` says why it could not be tried to its end, and is empty otherwise.
    """

    way: Way
    registered: bool
    status: int
    pinged: bool
    contacts: int
    allowed_requests: int
    reason: str = ""
