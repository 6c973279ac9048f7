"""Who works at Rivet: the one list that staff accounts, the forge, the registers and the signers of attestations agree on.

Everybody is invented. Dates are in days before the deployment's start, so that the list is never out of date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StaffRole = Literal["support", "engineer", "security"]
"""What a staff account may do: ``support`` helps customers, ``engineer`` may ask for break-glass access, ``security``
approves it and reads the audit log."""


@dataclass(frozen=True)
class Person:
    """Somebody who works, or worked, at Rivet."""

    name: str
    email: str
    login: str
    """The account on the forge."""
    title: str
    teams: tuple[str, ...]
    """Teams on the forge: engineering, security, operations."""
    staff_role: StaffRole | None
    """The role of the staff account; None for somebody without one."""
    joined_days_ago: int
    left_days_ago: int | None = None
    """None for somebody who still works here."""

    @property
    def works_here(self) -> bool:
        """Whether the person has not left."""
        return self.left_days_ago is None


def _person(
    name: str,
    login: str,
    title: str,
    teams: tuple[str, ...],
    staff_role: StaffRole | None,
    joined: int,
    left: int | None = None,
) -> Person:
    return Person(name, f"{login}@rivetsoftware.dev", login, title, teams, staff_role, joined, left)


PEOPLE = (
    _person("Thandi Nkosi", "thandi", "Chief executive", (), None, 1900),
    _person("Jonas Brandt", "jonas", "Head of engineering", ("engineering", "operations"), "engineer", 1850),
    _person("Amahle Dlamini", "amahle", "Security lead", ("engineering", "security"), "security", 1500),
    _person("Priya Naidoo", "priya", "Security engineer", ("engineering", "security"), "security", 800),
    _person("Lukas Weber", "lukas", "Platform engineer", ("engineering", "operations"), "engineer", 1200),
    _person("Sipho Mokoena", "sipho", "Backend engineer", ("engineering",), "engineer", 640),
    _person("Marta Silva", "marta", "Frontend engineer", ("engineering",), None, 410),
    _person("Naledi Khumalo", "naledi", "Customer support", (), "support", 700),
    _person("Ben Fischer", "ben", "Customer support", (), "support", 300),
    _person("Erik Larsen", "erik", "Backend engineer", ("engineering",), "engineer", 900, left=45),
    _person("Zanele Zulu", "zanele", "Customer support", (), "support", 600, left=120),
)
"""Everybody, those who left last."""


def working() -> tuple[Person, ...]:
    """Everybody who works here."""
    return tuple(person for person in PEOPLE if person.works_here)


def by_login(login: str) -> Person:
    """The person with that account on the forge; raises KeyError for nobody's."""
    for person in PEOPLE:
        if person.login == login:
            return person
    raise KeyError(login)
