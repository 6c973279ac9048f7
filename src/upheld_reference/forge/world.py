"""What every answer of the forge is made from, and the repository itself."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from upheld_reference.codebase import record
from upheld_reference.codebase.protection import Protection
from upheld_reference.codebase.record import Record
from upheld_reference.forge.accounts import OWNER, Accounts, Json, node_id, permissions, stable_id

REPOSITORY = "platform"
"""The repository's name."""
_PLAIN = (
    "assignees contributors deployments downloads events forks hooks languages merges stargazers subscribers subscription "
    "tags teams"
)
_TEMPLATES = {
    "archive_url": "/{archive_format}{/ref}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "statuses_url": "/statuses/{sha}",
    "trees_url": "/git/trees{/sha}",
}


def stamp(at: dt.datetime) -> str:
    """A time as the forge writes it: in UTC, to the second."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class World:
    """The forge with one repository."""

    url: str
    """Where it is, without a final slash; API and web pages have the same root."""
    record: Record
    protection: Protection

    @property
    def accounts(self) -> Accounts:
        """Everybody's accounts."""
        return Accounts(self.url)

    @property
    def api(self) -> str:
        """The repository's URL in the API."""
        return f"{self.url}/repos/{OWNER}/{REPOSITORY}"

    @property
    def web(self) -> str:
        """The repository's URL for people."""
        return f"{self.url}/{OWNER}/{REPOSITORY}"

    def resolve(self, ref: str) -> str | None:
        """The commit that a branch, a full or an abbreviated id names; None if there is none."""
        name = ref.removeprefix("refs/").removeprefix("heads/")
        if name in self.record.branches:
            return self.record.branches[name]
        found = [sha for sha in self.record.commits if len(ref) >= 7 and sha.startswith(ref.lower())]
        return found[0] if len(found) == 1 else None

    def repository(self) -> Json:
        """The repository, in short."""
        return {
            "id": stable_id(REPOSITORY),
            "node_id": node_id("Repository", stable_id(REPOSITORY)),
            "name": REPOSITORY,
            "full_name": f"{OWNER}/{REPOSITORY}",
            "private": True,
            "owner": self.accounts.owner(),
            "html_url": self.web,
            "description": "The platform",
            "fork": False,
            "url": self.api,
            **{f"{name}_url": f"{self.api}/{name}" for name in _PLAIN.split()},
            **{name: f"{self.api}{template}" for name, template in _TEMPLATES.items()},
        }

    def whole_repository(self) -> Json:
        """The repository with its settings and counts."""
        pushed = stamp(self.record.commits[self.record.main[0]].at)
        open_pulls = sum(1 for pull in self.record.pulls if pull.merged_at is None)
        host = self.url.partition("://")[2]
        return {
            **self.repository(),
            "git_url": f"git://{host}/{OWNER}/{REPOSITORY}.git",
            "ssh_url": f"git@{host}:{OWNER}/{REPOSITORY}.git",
            "clone_url": f"{self.web}.git",
            "svn_url": self.web,
            "mirror_url": None,
            "homepage": None,
            "language": "Python",
            "license": None,
            "topics": [],
            "size": sum(map(len, self.record.blobs.values())) // 1024,
            "default_branch": record.BRANCH,
            "visibility": "private",
            "archived": False,
            "disabled": False,
            "is_template": False,
            "has_issues": True,
            "has_projects": False,
            "has_wiki": False,
            "has_pages": False,
            "has_downloads": False,
            "has_discussions": False,
            "allow_squash_merge": True,
            "allow_merge_commit": True,
            "allow_rebase_merge": False,
            "allow_auto_merge": False,
            "allow_forking": False,
            "delete_branch_on_merge": True,
            "web_commit_signoff_required": False,
            "permissions": permissions("read"),
            **dict.fromkeys(("forks", "forks_count", "stargazers_count", "watchers", "watchers_count"), 0),
            "network_count": 0,
            "subscribers_count": len(self.accounts.members()),
            "open_issues": open_pulls,
            "open_issues_count": open_pulls,
            "pushed_at": pushed,
            "updated_at": pushed,
            "created_at": stamp(self.record.since.at),
            "organization": self.accounts.owner(),
        }
