"""What a delivery is signed over, and what a receiver does with the signature.

Every delivery carries ``Rivet-Signature: t=<seconds>,v1=<hex>``. ``t`` is the time of sending in seconds since 1970 (UTC);
``v1`` is HMAC-SHA256 with the webhook's own secret, as it was shown when the webhook was created, over the digits of ``t``,
a full stop, and the body, byte for byte as it came. A receiver takes the parts it knows, computes ``v1`` itself, compares in
constant time, and refuses a ``t`` more than `REPLAY_WINDOW_SECONDS` away from its own clock, so that a copy of a delivery is
worth nothing later. Within the window ``Rivet-Delivery`` tells a delivery that was sent again from a new one.
"""

from __future__ import annotations

HEADER = "Rivet-Signature"
"""The header with the signature."""
DELIVERY_HEADER = "Rivet-Delivery"
"""The header with the delivery's id, which stays the same when it is sent again."""
EVENT_HEADER = "Rivet-Event"
"""The header with the event's name."""
REPLAY_WINDOW_SECONDS = 300
"""How old a delivery may be, by its ``t``, for a receiver to take it."""


def signed_content(timestamp: int, body: bytes) -> bytes:
    """What the signature is over: the time of sending and the whole body."""
    return b"%d." % timestamp + body


def header_value(timestamp: int, signature: str) -> str:
    """The value of the header for a hexadecimal ``signature``."""
    return f"t={timestamp},v1={signature}"
