"""Accounts, the organisation and its teams, as the forge shows them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from upheld_reference import people
from upheld_reference.codebase.record import BOT, WEB

OWNER = "rivet"
"""The organisation that owns the repository."""
AUDITOR = "rivet-audit"
"""The account that the read-only tokens belong to."""
_SINCE = "2021-02-01T08:00:00Z"
_TEAMS = {
    "engineering": "Everybody who changes the platform",
    "operations": "Those who let deploys into production",
    "security": "Those who approve changes of logins, billing, credentials and pipelines",
}

Json = dict[str, Any]
"""An object of JSON."""


def node_id(kind: str, number: int | str) -> str:
    """An opaque identifier, as the forge's other API would take it."""
    return base64.urlsafe_b64encode(f"{kind}:{number}".encode()).decode("ascii").rstrip("=")


def stable_id(text: str) -> int:
    """A number for what has none of its own; always the same."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") // 2 + 1000


@dataclass(frozen=True)
class Accounts:
    """The accounts that the forge knows."""

    url: str
    """Where the forge is, without a final slash."""

    def known(self, login: str) -> bool:
        """Whether there is such an account."""
        return login in {*(person.login for person in people.PEOPLE), BOT.login, WEB.login, AUDITOR}

    def user(self, login: str) -> Json:
        """An account, in short."""
        at = f"{self.url}/users/{login}"
        lists = ("followers", "subscriptions", "repos", "received_events")
        return {
            "login": login,
            "id": stable_id(login),
            "node_id": node_id("User", stable_id(login)),
            "avatar_url": f"{self.url}/avatars/{login}",
            "gravatar_id": "",
            "url": at,
            "html_url": f"{self.url}/{login}",
            **{f"{name}_url": f"{at}/{name.replace('organizations', 'orgs')}" for name in lists},
            "organizations_url": f"{at}/orgs",
            "following_url": f"{at}/following{{/other_user}}",
            "gists_url": f"{at}/gists{{/gist_id}}",
            "starred_url": f"{at}/starred{{/owner}}{{/repo}}",
            "events_url": f"{at}/events{{/privacy}}",
            "type": "Bot" if login == BOT.login else "User",
            "site_admin": False,
        }

    def whole_user(self, login: str) -> Json:
        """An account with its profile."""
        person = next((one for one in people.PEOPLE if one.login == login), None)
        return {
            **self.user(login),
            "name": person.name if person else None,
            "company": OWNER if person and person.works_here else None,
            "blog": "",
            "location": None,
            "email": person.email if person else None,
            "hireable": None,
            "bio": person.title if person else None,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": _SINCE,
            "updated_at": _SINCE,
        }

    def members(self) -> list[str]:
        """The accounts of the organisation's members: whoever is in a team and works here."""
        return [person.login for person in people.working() if person.teams]

    def team_members(self, slug: str) -> list[str]:
        """The accounts of a team's members."""
        return [person.login for person in people.working() if slug in person.teams]

    def role(self, login: str) -> str | None:
        """What an account may do to the repository: admin, write or read; None without access."""
        if login == AUDITOR:
            return "read"
        if login not in self.members():
            return None
        return "admin" if people.by_login(login).title == "Head of engineering" else "write"

    def association(self, login: str) -> str:
        """How an account stands to the repository now."""
        return "MEMBER" if login in self.members() else "CONTRIBUTOR"

    def organisation(self) -> Json:
        """The organisation."""
        at = f"{self.url}/orgs/{OWNER}"
        return {
            "login": OWNER,
            "id": stable_id(OWNER),
            "node_id": node_id("Organization", stable_id(OWNER)),
            "url": at,
            "repos_url": f"{at}/repos",
            "events_url": f"{at}/events",
            "hooks_url": f"{at}/hooks",
            "issues_url": f"{at}/issues",
            "members_url": f"{at}/members{{/member}}",
            "public_members_url": f"{at}/public_members{{/member}}",
            "avatar_url": f"{self.url}/avatars/{OWNER}",
            "description": "Conversations of many businesses",
            "name": "Rivet",
            "html_url": f"{self.url}/{OWNER}",
            "has_organization_projects": False,
            "has_repository_projects": False,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "type": "Organization",
            "two_factor_requirement_enabled": True,
            "created_at": _SINCE,
            "updated_at": _SINCE,
            "archived_at": None,
        }

    def owner(self) -> Json:
        """The organisation, as the account that owns something."""
        return {**self.user(OWNER), "type": "Organization"}

    def teams(self) -> list[str]:
        """The slugs of all teams."""
        return sorted(_TEAMS)

    def team(self, slug: str) -> Json:
        """A team, in short."""
        at = f"{self.url}/organizations/{stable_id(OWNER)}/team/{stable_id(slug)}"
        return {
            "id": stable_id(slug),
            "node_id": node_id("Team", stable_id(slug)),
            "name": slug,
            "slug": slug,
            "description": _TEAMS[slug],
            "privacy": "closed",
            "notification_setting": "notifications_enabled",
            "permission": "push",
            "url": at,
            "html_url": f"{self.url}/orgs/{OWNER}/teams/{slug}",
            "members_url": f"{at}/members{{/member}}",
            "repositories_url": f"{at}/repos",
            "type": "organization",
            "organization_id": stable_id(OWNER),
            "parent": None,
        }

    def whole_team(self, slug: str) -> Json:
        """A team with its counts."""
        return {
            **self.team(slug),
            "created_at": _SINCE,
            "updated_at": _SINCE,
            "members_count": len(self.team_members(slug)),
            "repos_count": 1,
            "organization": {**self.organisation(), "type": "Organization"},
        }

    def membership(self, slug: str, login: str) -> Json:
        """That an account is in a team."""
        return {
            "url": f"{self.url}/orgs/{OWNER}/teams/{slug}/memberships/{login}",
            "role": "member",
            "state": "active",
        }

    def collaborator(self, login: str) -> Json:
        """Somebody with access to the repository."""
        role = self.role(login) or "none"
        return {**self.user(login), "role_name": role, "permissions": permissions(role)}


def permissions(role: str) -> dict[str, bool]:
    """What a role may do, by GitHub's five words."""
    rank = {"none": 0, "read": 1, "write": 3, "admin": 5}[role]
    return {
        name: rank >= need
        for name, need in zip(("pull", "triage", "push", "maintain", "admin"), range(1, 6), strict=True)
    }
