"""What each plan includes, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

RETENTION_DAYS_AT_LEAST = 1
"""The shortest retention period that a workspace may choose."""
RETENTION_DAYS_AT_MOST = 365
"""The longest retention period that a workspace may choose."""


@dataclass(frozen=True)
class Plan:
    """What a workspace on a plan may have."""

    members_at_most: int
    retention_configurable: bool
    """Whether the workspace may choose how long its logs are kept."""
    cents_a_month: int
    """The price, in hundredths of a euro."""


PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "starter": Plan(members_at_most=10, retention_configurable=False, cents_a_month=1900),
        "business": Plan(members_at_most=100, retention_configurable=True, cents_a_month=9900),
        "agency": Plan(members_at_most=1000, retention_configurable=True, cents_a_month=29900),
    }
)
"""The plans by name."""


def may_set_retention(plan: str) -> bool:
    """Whether a workspace on this plan may choose its retention period."""
    return PLANS[plan].retention_configurable
