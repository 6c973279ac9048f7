"""Who has which account, who changed roles, and the quarterly reviews of all accounts: worked out from the list of people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from upheld_reference import people, postgres
from upheld_reference.database import roles
from upheld_reference.people import Person
from upheld_reference.registers.clock import Clock
from upheld_reference.staff import roster

REVIEWS_DAYS_AGO = (20, 111, 202, 293, 384)
"""When the reviews were held, the last one first: one each quarter."""
REVIEWER, SECOND_REVIEWER = "amahle", "jonas"
"""Who decides about the accounts, and who decides about those of the first."""
FORGE_ACCOUNTS = (
    ("rivet-audit", "Reads the repository and its settings, for audits"),
    ("dependabot[bot]", "Opens merge requests that update dependencies; may not approve or merge"),
)
"""The accounts of the forge that are nobody's, and what each may do."""
HOST_ACCOUNTS = (
    ("root", "Password locked and no key; commands by break-glass only"),
    ("breakglass", "The break-glass procedure, by a hardware token from the safe"),
    ("deploy", "Runs deployments from the pipeline, and no other command"),
    ("postgres", "Runs the database; no key"),
    ("rivet-edge", "Runs the website; no login"),
    ("rivet-api", "Runs the API; no login"),
    ("rivet-vault", "Runs the vault; no login"),
    ("rivet-worker", "Runs the deliveries of webhooks; no login"),
    ("rivet-staff", "Runs the staff console; no login"),
    ("rivet-backup", "Runs the backups; no login"),
)
"""The accounts of the host, none of them a person's, and what each may do."""
_SERVICES_SINCE_DAYS_AGO = 1850


@dataclass(frozen=True)
class RoleChange:
    """A change of what somebody may do in a system."""

    login: str
    system: str
    from_role: str
    to_role: str
    decided_days_ago: int
    carried_out_days_ago: int
    reason: str


ROLE_CHANGES = (
    RoleChange("priya", "staff-console", "engineer", "security", 250, 250, "Moved from backend to security"),
    RoleChange("jonas", "staff-console", "security", "engineer", 430, 430, "Gave security up to Amahle Dlamini's team"),
    RoleChange("lukas", "forge", "engineering", "engineering, operations", 160, 159, "Joined the on-call rota"),
)
"""The changes of the last two years; `to_role` is what the list of people says today, unless a later change says else."""


@dataclass(frozen=True)
class Account:
    """An account of one system."""

    system: str
    account: str
    holder: str
    """An e-mail address, or ``service``."""
    role: str
    since_days_ago: int
    off_days_ago: int | None


def accounts(person: Person) -> Iterator[Account]:
    """The accounts of ``person`` with the roles of today, or of the last day; a leaver's are off on the day of leaving."""
    for entry in roster.entries():
        if entry.kind == "person" and entry.email == person.email:
            yield Account(
                "staff-console", entry.email, entry.email, entry.role, entry.since_days_ago, entry.off_days_ago
            )
    if person.teams:
        teams = ", ".join(person.teams)
        yield Account("forge", person.login, person.email, teams, person.joined_days_ago, person.left_days_ago)


def service_accounts() -> Iterator[Account]:
    """The accounts that belong to no person: for audits, of bots, of the host, and the database roles that log in."""
    for name, purpose in FORGE_ACCOUNTS:
        yield Account("forge", name, "service", purpose, _SERVICES_SINCE_DAYS_AGO, None)
    for name, purpose in HOST_ACCOUNTS:
        yield Account("host", name, "service", purpose, _SERVICES_SINCE_DAYS_AGO, None)
    for name in (postgres.SUPERUSER, *roles.LOGIN_ROLES.values()):
        purpose = "superuser, for installation only" if name == postgres.SUPERUSER else f"privileges of {name}"
        yield Account("database", name, "service", purpose, _SERVICES_SINCE_DAYS_AGO, None)
    for entry in roster.AUDIT_ACCOUNTS:
        yield Account("staff-console", entry.email, "service", entry.role, entry.since_days_ago, entry.off_days_ago)


def role_then(account: Account, days_ago: int) -> str:
    """The role that ``account`` had so many days ago."""
    role = account.role
    for change in sorted(ROLE_CHANGES, key=lambda change: change.carried_out_days_ago):
        if change.system != account.system or people.by_login(change.login).email != account.holder:
            continue
        if change.carried_out_days_ago < days_ago:
            role = change.from_role
    return role


def staff(clock: Clock) -> dict[str, Any]:
    """The register of staff: everybody with their accounts, and the changes of roles."""
    return {
        "people": [
            {
                "name": person.name,
                "email": person.email,
                "login": person.login,
                "title": person.title,
                "teams": list(person.teams),
                "joined_on": clock.day(-person.joined_days_ago),
                "left_on": None if person.left_days_ago is None else clock.day(-person.left_days_ago),
                "accounts": [
                    {
                        "system": account.system,
                        "account": account.account,
                        "role": account.role,
                        "since": clock.day(-account.since_days_ago),
                        "off_on": None if account.off_days_ago is None else clock.day(-account.off_days_ago),
                    }
                    for account in accounts(person)
                ],
            }
            for person in people.PEOPLE
        ],
        "role_changes": [
            {
                "login": change.login,
                "system": change.system,
                "from_role": change.from_role,
                "to_role": change.to_role,
                "decided_on": clock.day(-change.decided_days_ago),
                "carried_out_on": clock.day(-change.carried_out_days_ago),
                "reason": change.reason,
            }
            for change in ROLE_CHANGES
        ],
    }


def reviews(clock: Clock) -> dict[str, Any]:
    """The register of access reviews, the last one first."""
    return {"reviews": [_review(clock, days_ago) for days_ago in REVIEWS_DAYS_AGO]}


def _review(clock: Clock, days_ago: int) -> dict[str, Any]:
    return {
        "id": f"AR-{clock.day(-days_ago)}",
        "held_on": clock.day(-days_ago),
        "reviewer": people.by_login(REVIEWER).email,
        "second_reviewer": people.by_login(SECOND_REVIEWER).email,
        "document": f"documents/access-reviews/{clock.day(-days_ago)}.md",
        "accounts": [_reviewed(account, days_ago) for account in _existing(days_ago)],
    }


def _existing(days_ago: int) -> Iterator[Account]:
    """The accounts that were on so many days ago."""
    for account in [*(each for person in people.PEOPLE for each in accounts(person)), *service_accounts()]:
        still_on = account.off_days_ago is None or account.off_days_ago < days_ago
        if account.since_days_ago >= days_ago and still_on:
            yield account


def _reviewed(account: Account, days_ago: int) -> dict[str, Any]:
    own = account.holder == people.by_login(REVIEWER).email
    return {
        "system": account.system,
        "account": account.account,
        "holder": account.holder,
        "role": role_then(account, days_ago),
        "decision": "keep",
        "decided_by": people.by_login(SECOND_REVIEWER if own else REVIEWER).email,
    }
