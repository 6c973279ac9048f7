"""Policies: the published claims word for word, the checks that decide them, overlays and waivers."""

from upheld.policies.loading import load
from upheld.policies.model import CheckUse, Claim, Policy

__all__ = ["CheckUse", "Claim", "Policy", "load"]
