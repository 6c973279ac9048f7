"""upheld proves the security page: published claims, checked against the running deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upheld.errors import OutOfScope, Refused, Throttled, TimedOut, Unobservable
from upheld.model import Basis, Finding, LeftOut, NotObserved

if TYPE_CHECKING:
    from upheld.catalogue import check

__version__ = "0.1.0"

OBSERVED = Basis.OBSERVED
INSPECTED = Basis.INSPECTED
RECORDED = Basis.RECORDED
ATTESTED = Basis.ATTESTED

__all__ = [
    "ATTESTED",
    "INSPECTED",
    "OBSERVED",
    "RECORDED",
    "Basis",
    "Finding",
    "LeftOut",
    "NotObserved",
    "OutOfScope",
    "Refused",
    "Throttled",
    "TimedOut",
    "Unobservable",
    "check",
]


def __getattr__(name: str) -> object:
    """`check`, with which comes all that checks are made of: commands that only read what was kept do without it."""
    if name != "check":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from upheld.catalogue import check  # noqa: PLC0415  (as said)

    globals()[name] = check
    return check
