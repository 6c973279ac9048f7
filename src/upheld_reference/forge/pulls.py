"""Pull requests and their reviews, as the forge shows them."""

from __future__ import annotations

from typing import Any

from upheld_reference.codebase import record
from upheld_reference.codebase.record import Pull, Review
from upheld_reference.forge import commits
from upheld_reference.forge.accounts import OWNER, Json, node_id
from upheld_reference.forge.world import World, stamp

_ID_OFFSET = 2_600_000_000


def pull(world: World, one: Pull) -> Json:
    """A pull request as lists show it."""
    at, issue = f"{world.api}/pulls/{one.number}", f"{world.api}/issues/{one.number}"
    web = f"{world.web}/pull/{one.number}"
    merged = stamp(one.merged_at) if one.merged_at else None
    urls = {
        "self": at,
        "html": web,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{at}/comments",
        "review_comment": f"{world.api}/pulls/comments{{/number}}",
        "commits": f"{at}/commits",
        "statuses": f"{world.api}/statuses/{one.head}",
    }
    return {
        "url": at,
        "id": _ID_OFFSET + one.number,
        "node_id": node_id("PullRequest", one.number),
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "issue_url": issue,
        **{
            f"{name}_url": urls[name]
            for name in ("commits", "review_comments", "review_comment", "comments", "statuses")
        },
        "number": one.number,
        "state": "closed" if merged else "open",
        "locked": False,
        "title": one.title,
        "user": world.accounts.user(one.author),
        "body": None,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "closed_at": merged,
        "merged_at": merged,
        "merge_commit_sha": one.merged_as,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [],
        "milestone": None,
        "draft": False,
        "head": _end(world, one.branch, one.head),
        "base": _end(world, record.BRANCH, one.base),
        "_links": {name: {"href": url} for name, url in urls.items()},
        "author_association": world.accounts.association(one.author),
        "auto_merge": None,
        "active_lock_reason": None,
    }


def whole_pull(world: World, one: Pull) -> Json:
    """A pull request with its counts and whoever merged it."""
    changed = commits.files(world, one.base, one.head)
    merged = one.merged_at is not None
    return {
        **pull(world, one),
        "merged": merged,
        "mergeable": None if merged else True,
        "rebaseable": None if merged else True,
        "mergeable_state": "unknown" if merged else "clean",
        "merged_by": world.accounts.user(one.merged_by) if one.merged_by else None,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(one.commits),
        "additions": sum(file["additions"] for file in changed),
        "deletions": sum(file["deletions"] for file in changed),
        "changed_files": len(changed),
    }


def review(world: World, one: Pull, made: Review) -> Json:
    """A review; ``commit_id`` is what the head was when it was submitted."""
    at = f"{world.api}/pulls/{one.number}"
    web = f"{world.web}/pull/{one.number}#pullrequestreview-{made.id}"
    return {
        "id": made.id,
        "node_id": node_id("PullRequestReview", made.id),
        "user": world.accounts.user(made.by),
        "body": made.body,
        "state": made.state,
        "html_url": web,
        "pull_request_url": at,
        "author_association": world.accounts.association(made.by),
        "_links": {"html": {"href": web}, "pull_request": {"href": at}},
        "submitted_at": stamp(made.at),
        "commit_id": made.commit,
    }


def selected(world: World, query: dict[str, str]) -> list[Pull]:
    """The pull requests that a query asks for, in the order that it asks for.

    It knows ``state`` (open by default), ``base``, ``head`` (owner:branch), ``sort`` and ``direction``; what it does not
    know it takes as GitHub does: as the default.
    """
    state = query.get("state", "open")
    found: list[Pull] = []
    for one in world.record.pulls:
        if state in {"open", "closed"} and (one.merged_at is not None) != (state == "closed"):
            continue
        if query.get("base", record.BRANCH) != record.BRANCH:
            continue
        if query.get("head") and query["head"] != f"{OWNER}:{one.branch}":
            continue
        found.append(one)
    sort = query.get("sort", "created")
    descending = query.get("direction", "desc" if sort == "created" else "asc") == "desc"
    return sorted(found, key=lambda one: (_moment(one, sort), one.number), reverse=descending)


def _moment(one: Pull, sort: str) -> Any:
    return one.updated_at if sort == "updated" else one.created_at


def of_commit(world: World, sha: str) -> list[Pull]:
    """The pull requests that brought a commit to the main branch, or that have it."""
    return [one for one in world.record.pulls if sha == one.merged_as or sha in one.commits]


def _end(world: World, branch: str, sha: str) -> Json:
    return {
        "label": f"{OWNER}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": world.accounts.owner(),
        "repo": world.whole_repository(),
    }
