"""What a run would send, told before it: no name is looked up, no secret resolved, and nothing is contacted."""

from upheld.dry_run.places import Sent
from upheld.dry_run.plan import Foreseen, foresee

__all__ = ["Foreseen", "Sent", "foresee"]
