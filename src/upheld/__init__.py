"""upheld proves the security page: published claims, checked against the running deployment."""

from upheld.catalogue import check
from upheld.errors import OutOfScope, Refused, Throttled, TimedOut, Unobservable
from upheld.model import Basis, Finding, LeftOut, NotObserved

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
