"""Commits, branches and their protection, as the forge shows them."""

from __future__ import annotations

import difflib
from typing import Any

from upheld_reference.codebase import record
from upheld_reference.codebase.record import Commit, Identity
from upheld_reference.forge.accounts import Json, node_id
from upheld_reference.forge.world import World, stamp

_UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}
_PATCH_LIMIT_BYTES = 200_000


def commit(world: World, one: Commit) -> Json:
    """A commit as lists show it: without its files."""
    url = f"{world.api}/commits/{one.sha}"
    return {
        "sha": one.sha,
        "node_id": node_id("Commit", one.sha),
        "commit": {
            "author": _person(one, one.author),
            "committer": _person(one, one.committer),
            "message": one.message,
            "tree": {"sha": one.tree, "url": f"{world.api}/git/trees/{one.tree}"},
            "url": f"{world.api}/git/commits/{one.sha}",
            "comment_count": 0,
            "verification": dict(_UNSIGNED),
        },
        "url": url,
        "html_url": f"{world.web}/commit/{one.sha}",
        "comments_url": f"{url}/comments",
        "author": _account(world, one.author),
        "committer": _account(world, one.committer),
        "parents": _parents(world, one),
    }


def whole_commit(world: World, one: Commit) -> Json:
    """A commit with its files and counts, against its first parent."""
    changed = files(world, one.parents[0] if one.parents else None, one.sha)
    additions, deletions = (sum(file[name] for file in changed) for name in ("additions", "deletions"))
    stats = {"additions": additions, "deletions": deletions, "total": additions + deletions}
    return {**commit(world, one), "stats": stats, "files": changed}


def git_commit(world: World, one: Commit) -> Json:
    """A commit as the git object that it is."""
    return {
        "sha": one.sha,
        "node_id": node_id("Commit", one.sha),
        "url": f"{world.api}/git/commits/{one.sha}",
        "html_url": f"{world.web}/commit/{one.sha}",
        "author": _person(one, one.author),
        "committer": _person(one, one.committer),
        "tree": {"sha": one.tree, "url": f"{world.api}/git/trees/{one.tree}"},
        "message": one.message,
        "parents": _parents(world, one),
        "verification": dict(_UNSIGNED),
    }


def comparison(world: World, base: Commit, head: Commit) -> Json:
    """How far a commit is from another, from where the two part."""
    before, after = world.record.reachable(base.sha), world.record.reachable(head.sha)
    ours, theirs = {one.sha for one in before}, {one.sha for one in after}
    ahead = [one for one in reversed(after) if one.sha not in ours]
    behind = len(ours - theirs)
    common = next(one for one in after if one.sha in ours)
    status = ("diverged" if behind else "ahead") if ahead else ("behind" if behind else "identical")
    at, web = f"{world.api}/compare/{base.sha}...{head.sha}", f"{world.web}/compare/{base.sha}...{head.sha}"
    return {
        "url": at,
        "html_url": web,
        "permalink_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "base_commit": commit(world, base),
        "merge_base_commit": commit(world, common),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": behind,
        "total_commits": len(ahead),
        "commits": [commit(world, one) for one in ahead],
        "files": files(world, common.sha, head.sha),
    }


def paths_changed(world: World, base: str | None, head: str) -> list[str]:
    """The paths in which the trees of two commits differ; without a base, all of the head's."""
    before = world.record.commits[base].files if base else {}
    after = world.record.commits[head].files
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def files(world: World, base: str | None, head: str) -> list[Json]:
    """The files in which the trees of two commits differ."""
    before = world.record.commits[base].files if base else {}
    after = world.record.commits[head].files
    return [_file(world, path, before.get(path), after.get(path), head) for path in paths_changed(world, base, head)]


def _file(world: World, path: str, old: str | None, new: str | None, head: str) -> Json:
    texts = [_lines(world, sha) for sha in (old, new)]
    binary = any(text is None for text in texts)
    patch = [] if binary else list(difflib.unified_diff(texts[0] or [], texts[1] or [], n=3, lineterm=""))[2:]
    additions, deletions = (sum(1 for line in patch if line.startswith(sign)) for sign in ("+", "-"))
    shown: Json = {} if binary or not patch else {"patch": "\n".join(patch)}
    if len(shown.get("patch", "")) > _PATCH_LIMIT_BYTES:
        shown = {}  # GitHub leaves out a patch that is too long, too
    return {
        "sha": new or old,
        "filename": path,
        "status": "added" if old is None else "removed" if new is None else "modified",
        "additions": additions,
        "deletions": deletions,
        "changes": additions + deletions,
        "blob_url": f"{world.web}/blob/{head}/{path}",
        "raw_url": f"{world.web}/raw/{head}/{path}",
        "contents_url": f"{world.api}/contents/{path}?ref={head}",
        **shown,
    }


def _lines(world: World, sha: str | None) -> list[str] | None:
    if sha is None:
        return []
    try:
        return world.record.blobs[sha].decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None


def _person(one: Commit, who: Identity) -> Json:
    return {"name": who.name, "email": who.email, "date": stamp(one.at)}


def _account(world: World, who: Identity) -> Json | None:
    return world.accounts.user(who.login) if who.login else None


def _parents(world: World, one: Commit) -> list[Json]:
    return [
        {"sha": sha, "url": f"{world.api}/commits/{sha}", "html_url": f"{world.web}/commit/{sha}"}
        for sha in one.parents
    ]


def branch(world: World, name: str) -> Json:
    """A branch as lists show it."""
    sha = world.record.branches[name]
    protected = name == record.BRANCH
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{world.api}/commits/{sha}"},
        "protected": protected,
        "protection": _summary(world, protected=protected),
        "protection_url": f"{world.api}/branches/{name}/protection",
    }


def whole_branch(world: World, name: str) -> Json:
    """A branch with its head."""
    at = f"{world.api}/branches/{name}"
    return {
        **branch(world, name),
        "commit": commit(world, world.record.commits[world.record.branches[name]]),
        "_links": {"self": at, "html": f"{world.web}/tree/{name}"},
    }


def _summary(world: World, *, protected: bool) -> Json:
    contexts = list(world.protection.contexts) if protected else []
    level = ("everyone" if world.protection.enforce_admins else "non_admins") if protected else "off"
    return {
        "enabled": protected,
        "required_status_checks": {"enforcement_level": level, "contexts": contexts, "checks": _checks(contexts)},
    }


def _checks(contexts: list[str]) -> list[dict[str, Any]]:
    return [{"context": context, "app_id": None} for context in contexts]


def protection(world: World) -> Json:
    """The whole protection of the main branch."""
    at = f"{world.api}/branches/{record.BRANCH}/protection"
    held = world.protection
    contexts = list(held.contexts)
    switches = {
        "required_linear_history": False,
        "allow_force_pushes": held.allow_force_pushes,
        "allow_deletions": held.allow_deletions,
        "block_creations": False,
        "required_conversation_resolution": held.required_conversation_resolution,
        "lock_branch": False,
        "allow_fork_syncing": False,
    }
    return {
        "url": at,
        "required_status_checks": {
            "url": f"{at}/required_status_checks",
            "strict": held.strict,
            "contexts": contexts,
            "contexts_url": f"{at}/required_status_checks/contexts",
            "checks": _checks(contexts),
        },
        "required_pull_request_reviews": {
            "url": f"{at}/required_pull_request_reviews",
            "dismiss_stale_reviews": held.dismiss_stale_reviews,
            "require_code_owner_reviews": held.require_code_owner_reviews,
            "required_approving_review_count": held.approvals,
            "require_last_push_approval": held.require_last_push_approval,
        },
        "restrictions": {
            "url": f"{at}/restrictions",
            "users_url": f"{at}/restrictions/users",
            "teams_url": f"{at}/restrictions/teams",
            "apps_url": f"{at}/restrictions/apps",
            "users": [],
            "teams": [world.accounts.team("engineering")],
            "apps": [],
        },
        "enforce_admins": {"url": f"{at}/enforce_admins", "enabled": held.enforce_admins},
        "required_signatures": {"url": f"{at}/required_signatures", "enabled": False},
        **{name: {"enabled": on} for name, on in switches.items()},
    }
