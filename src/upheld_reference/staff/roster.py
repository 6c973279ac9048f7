"""The accounts of the staff console, without their secrets: those of people, and those that audits use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from upheld_reference import people
from upheld_reference.people import StaffRole

_AUDIT_SINCE_DAYS_AGO = 360


@dataclass(frozen=True)
class RosterEntry:
    """One account."""

    name: str
    """The name of its holder."""
    email: str
    """What it logs in with."""
    role: StaffRole
    kind: Literal["person", "audit"]
    """``audit``: belongs to nobody, and is there for audits of the console only."""
    since_days_ago: int
    """When it was made."""
    off_days_ago: int | None = None
    """When it was disabled; None for one that works."""
    throwaway: bool = False
    """Whether it may be locked, disabled or changed by a test without disturbing others."""

    @property
    def key(self) -> str:
        """A short name, unique among all accounts."""
        return self.email.partition("@")[0]


def disabled_days_ago(person: people.Person) -> int | None:
    """When the account of ``person`` was disabled: on the day of leaving."""
    return person.left_days_ago


def _audit(purpose: str, role: StaffRole, *, throwaway: bool = False) -> RosterEntry:
    email = f"audit-{purpose}@rivetsoftware.dev"
    return RosterEntry(f"Audit: {purpose}", email, role, "audit", _AUDIT_SINCE_DAYS_AGO, throwaway=throwaway)


AUDIT_ACCOUNTS = (
    _audit("support", "support"),
    _audit("engineer", "engineer"),
    _audit("security", "security"),
    _audit("approver", "security"),
    _audit("burn1", "support", throwaway=True),
    _audit("burn2", "support", throwaway=True),
    _audit("burn3", "engineer", throwaway=True),
    _audit("burn4", "security", throwaway=True),
    _audit("burn5", "security", throwaway=True),
    _audit("burn6", "security", throwaway=True),
)
"""The accounts for audits; one for each role, a second one that approves, and some to burn."""


def entries() -> tuple[RosterEntry, ...]:
    """Every account: of everybody who has or had one, and those for audits."""
    return (
        *(
            RosterEntry(
                person.name,
                person.email,
                person.staff_role,
                "person",
                person.joined_days_ago,
                disabled_days_ago(person),
            )
            for person in people.PEOPLE
            if person.staff_role is not None
        ),
        *AUDIT_ACCOUNTS,
    )
