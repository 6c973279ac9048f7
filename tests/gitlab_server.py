"""A small server that answers like GitLab's REST API (v4) about one project, and a project with merge requests for it.

The shapes are those of GitLab's documentation, docs.gitlab.com/api: branches, protected_branches, merge_requests (with
versions, commits, approvals and resource state events), merge_request_approvals, notes, commits, members, users, pipelines,
jobs, version and rest (pagination). Entries are whole objects as shown there, without the parts that are pictures and links.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .loopback import Page
from .repositories import PEOPLE, TOKEN, GitRepository, days

HOST = "gitlab.shop.example"
OWNER = "shop/platform"
BOT = "project_7_bot_8a1f"
NUMBERS = {"anna": 11, "ben": 12, "sec": 13, BOT: 14, "ghost": 99}
NO_ONE = {
    "id": 1,
    "access_level": 0,
    "access_level_description": "No one",
    "deploy_key_id": None,
    "user_id": None,
    "group_id": None,
}
MAINTAINERS = {**NO_ONE, "access_level": 40, "access_level_description": "Maintainers"}
PROTECTED: dict[str, Any] = {
    "id": 1,
    "name": "main",
    "push_access_levels": [NO_ONE],
    "merge_access_levels": [MAINTAINERS],
    "allow_force_push": False,
    "unprotect_access_levels": [MAINTAINERS],
    "code_owner_approval_required": True,
    "inherited": False,
}
SETTINGS: dict[str, Any] = {
    "approvers": [],
    "approver_groups": [],
    "approvals_before_merge": 0,
    "reset_approvals_on_push": True,
    "selective_code_owner_removals": False,
    "disable_overriding_approvers_per_merge_request": True,
    "merge_requests_author_approval": False,
    "merge_requests_disable_committers_approval": True,
    "require_password_to_approve": False,
}
RULE: dict[str, Any] = {
    "id": 1,
    "name": "All Members",
    "rule_type": "any_approver",
    "eligible_approvers": [],
    "approvals_required": 1,
    "users": [],
    "groups": [],
    "contains_hidden_groups": False,
    "protected_branches": [],
    "applies_to_all_protected_branches": False,
}


def instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def user(login: str) -> dict[str, Any]:
    """A user as others' entries name them."""
    name = PEOPLE[login][0] if login in PEOPLE else {"ghost": "Ghost User"}.get(login, "Release robot")
    return {"id": NUMBERS[login], "username": login, "name": name, "state": "active", "locked": False}


def commit(
    sha: str,
    author: tuple[str, str] = PEOPLE["anna"],
    committer: tuple[str, str] | None = None,
    message: str = "Change something",
) -> dict[str, Any]:
    by = committer or author
    return {
        "id": sha,
        "short_id": sha[:11],
        "parent_ids": [],
        "title": message.partition("\n")[0],
        "message": message,
        "author_name": author[0],
        "author_email": author[1],
        "committer_name": by[0],
        "committer_email": by[1],
    }


@dataclass
class MergeRequest:
    """A merged one; `approvals` are (account, when) that stand, `notes` (account, text, when) of the system."""

    number: int
    author: str
    head: str
    commits: list[dict[str, Any]]
    merged_at: datetime
    merge_commit: str | None
    squash_commit: str | None = None
    approvals: list[tuple[str, datetime]] = field(default_factory=list)
    notes: list[tuple[str, str, datetime]] = field(default_factory=list)
    versions: list[tuple[str, datetime]] = field(default_factory=list)
    says_when_merged: bool = True
    says_when_approved: bool = True
    state: str = "merged"

    def shown(self) -> dict[str, Any]:
        return {
            "id": 500 + self.number,
            "iid": self.number,
            "project_id": 7,
            "title": "Change something",
            "state": self.state,
            "author": user(self.author),
            "source_branch": f"work-{self.number}",
            "target_branch": "main",
            "sha": self.head,
            "merge_commit_sha": self.merge_commit,
            "squash_commit_sha": self.squash_commit,
            "merged_at": instant(self.merged_at) if self.says_when_merged else None,
            "updated_at": instant(self.merged_at),
        }

    def approved(self) -> dict[str, Any]:
        entries = [
            {"user": user(who), **({"approved_at": instant(at)} if self.says_when_approved else {})}
            for who, at in self.approvals
        ]
        return {"iid": self.number, "state": self.state, "approved_by": entries}

    def noted(self) -> list[dict[str, Any]]:
        spoken = {
            "id": 1,
            "body": "approved this merge request",
            "author": user("anna"),
            "system": False,
            "created_at": instant(self.merged_at),
        }
        return [spoken] + [
            {"id": number, "body": body, "author": user(who), "system": True, "created_at": instant(at)}
            for number, (who, body, at) in enumerate(self.notes, 2)
        ]


class GitLab:
    """Answers about the project shop/platform/app, two entries a page; what `broken` names, it answers so."""

    def __init__(self) -> None:
        self.head: str | None = None
        self.requests: list[MergeRequest] = []
        self.default, self.protected = True, True
        self.protected_branches: list[dict[str, Any]] = [PROTECTED]
        self.settings: dict[str, Any] | None = SETTINGS
        self.rules: list[dict[str, Any]] | None = [RULE]
        self.version = "18.2.1-ee"
        self.users = {
            login: {**user(login), "public_email": PEOPLE[login][1] if login in PEOPLE else "", "bot": login == BOT}
            for login in NUMBERS
        }
        self.group = ["sec"]
        self.pipelines: list[dict[str, Any]] = []
        self.jobs: dict[int, list[dict[str, Any]]] = {}
        self.children: dict[int, int] = {}
        self.broken: dict[str, Page] = {}
        self.header, self.elsewhere = "private-token", ""
        self.asked: list[str] = []

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Page:
        assert method == "GET"
        self.asked.append(path)
        if {name.lower(): value for name, value in headers.items()}.get(self.header) != TOKEN:
            return 401, {}, b'{"message": "401 Unauthorized"}'
        parts = urlsplit(path)
        for ending, page in self.broken.items():
            if parts.path.endswith(ending):
                return page[0], {"Content-Type": "application/json", **page[1]}, page[2]
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        found = self._found([unquote(one) for one in parts.path.removeprefix("/api/v4/").split("/")], query)
        if found is None:
            return 404, {}, b'{"message": "404 Not Found"}'
        if not isinstance(found, list):
            return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()
        number = int(query.get("page", "1"))
        fields = {"Content-Type": "application/json", "X-Page": str(number), "X-Per-Page": "2", "X-Next-Page": ""}
        if number * 2 < len(found):
            following = f"{parts.query.partition('&page=')[0]}&page={number + 1}"
            where = self.elsewhere or "https://gitlab.inside.example/api/v4/"
            fields["Link"] = f'<{where}{parts.path.removeprefix("/api/v4/")}?{following}>; rel="next"'
            fields["X-Next-Page"] = str(number + 1)
        return 200, fields, json.dumps(found[number * 2 - 2 : number * 2]).encode()

    def _found(self, path: list[str], query: Mapping[str, str]) -> Any:
        match path:
            case ["version"]:
                return {"version": self.version, "revision": "1a2b3c4d5e6"}
            case ["users"]:
                wanted = query.get("username") or query.get("search", "")
                return [
                    user(login)
                    for login, one in self.users.items()
                    if login == wanted or ("search" in query and wanted in {one["public_email"], one["name"]})
                ]
            case ["users", number]:
                return next((one for one in self.users.values() if one["id"] == int(number)), None)
            case ["groups", "shop/platform/security", "members"]:
                return [
                    {**user(login), "state": self.users[login]["state"], "access_level": 30} for login in self.group
                ]
            case ["projects", "shop/platform/app", *rest]:
                return self._of_project(rest, query)
        return None

    def _of_project(self, path: list[str], query: Mapping[str, str]) -> Any:  # noqa: PLR0911
        match path:
            case ["repository", "branches", "main"] if self.head:
                shown = {"name": "main", "commit": commit(self.head), "default": self.default}
                return {**shown, "protected": self.protected, "developers_can_push": False, "can_push": False}
            case ["repository", "commits", sha, "merge_requests"]:
                return [
                    one.shown()
                    for one in self.requests
                    if sha in {one.merge_commit, one.squash_commit, one.head, *(each["id"] for each in one.commits)}
                ]
            case ["protected_branches"]:
                return self.protected_branches
            case ["approvals"]:
                return self.settings
            case ["approval_rules"]:
                return self.rules
            case ["members", "all"]:
                return [{**user(login), "access_level": 40} for login in NUMBERS if login != "ghost"]
            case ["merge_requests"]:
                assert (query["state"], query["target_branch"], query["scope"]) == ("merged", "main", "all")
                return [one.shown() for one in self.requests]
            case ["merge_requests", number, *rest]:
                return self._of_request(next(one for one in self.requests if one.number == int(number)), rest)
            case ["pipelines"]:
                assert query["updated_after"]
                return self.pipelines
            case ["pipelines", number, "jobs"]:
                return self.jobs.get(int(number), [])
            case ["pipelines", number, "bridges"]:
                return self._bridges(int(number))
        return None

    def _bridges(self, number: int) -> list[dict[str, Any]]:
        """What a pipeline starts: its child, which is of this project unless its number is negative, and what did not start."""
        if number not in self.children:
            return []
        started = self.children[number]
        one = {"id": 1, "name": "scans", "status": "success", "pipeline": {"id": number, "project_id": 7}}
        downstream = {"id": abs(started), "project_id": 7 if started > 0 else 8, "status": "success"}
        return [{**one, "downstream_pipeline": None}, {**one, "id": 2, "downstream_pipeline": downstream}]

    def _of_request(self, one: MergeRequest, path: list[str]) -> Any:
        return {
            "": one.shown,
            "approvals": one.approved,
            "notes": one.noted,
            "commits": lambda: one.commits,
            "versions": lambda: [
                {"id": number, "head_commit_sha": sha, "created_at": instant(at), "state": "collected"}
                for number, (sha, at) in reversed(list(enumerate(one.versions, 1)))
            ],
            "resource_state_events": lambda: [
                {"id": 3, "user": user("sec"), "created_at": instant(one.merged_at), "state": one.state}
            ],
        }["/".join(path)]()


class Project:
    """A repository with a GitLab: a first commit, and then merge requests that were merged."""

    def __init__(self, folder: Path) -> None:
        self.repository = GitRepository(folder / "repository")
        self.forge = GitLab()
        self.first = self.repository.commit({"README.md": "shop\n"}, at=days(100), message="Begin")
        self.forge.head = self.first

    def merge(
        self,
        files: Mapping[str, str | None],
        *,
        by: str = "anna",
        approved_by: str | None = "ben",
        days_ago: float = 10.0,
        way: str = "merge",
    ) -> MergeRequest:
        """A change by one that another approved; the way is `merge`, `squash`, `squash and merge` or `fast-forward`."""
        base, number = self.repository.end, 1 + len(self.forge.requests)
        fast = way == "fast-forward"
        made = {"at": days(days_ago + 0.2), "author": PEOPLE[by], "message": f"Work {number}"}
        head = self.repository.commit(files, move=fast, **made)
        request = MergeRequest(number, by, head, [commit(head, PEOPLE[by])], days(days_ago), None)
        request.versions = [("e" * 40, days(days_ago + 1)), (head, days(days_ago + 0.2))]
        if "squash" in way:
            whole = {**made, "at": days(days_ago), "message": f"Squash {number}"}
            request.squash_commit = self.repository.commit({}, parents=(base,), move=way == "squash", **whole)
        if "merge" in way:
            brought = request.squash_commit or head
            merged = {"at": days(days_ago), "message": f"Merge branch {number}", "author": PEOPLE["sec"]}
            request.merge_commit = self.repository.commit({}, parents=(base, brought), **merged)
        if approved_by:
            request.approvals.append((approved_by, days(days_ago + 0.1)))
            request.notes.append((approved_by, "approved this merge request", days(days_ago + 0.1)))
        self.forge.requests.insert(0, request)
        self.forge.head = self.repository.end
        return request

    def described(self, port: int, **repository: Any) -> dict[str, Any]:
        """The parts of a target."""
        return {
            "ca": "ca.pem",
            "repository": {"path": "repository", "since_commit": self.first, **repository},
            "forge": {
                "kind": "gitlab",
                "url": f"https://{HOST}:{port}",
                "address": "127.0.0.1",
                "owner": OWNER,
                "repository": "app",
                "token": "env:FORGE_TOKEN",
            },
            "secret_values": {"FORGE_TOKEN": TOKEN},
        }
