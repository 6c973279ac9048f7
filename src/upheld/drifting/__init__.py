"""A page that no longer says what the policy carries, and the change to the policy that would bind them again."""

from __future__ import annotations

from upheld.drifting.proposing import Proposed, propose

__all__ = ["Proposed", "propose"]
