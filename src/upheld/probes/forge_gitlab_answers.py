"""What the answers of GitLab's REST API (v4) say, as the values that every forge's answers become.

Where GitLab's model is another than GitHub's: a protected branch says who may push past the review, and "no one" holds
administrators too (since 16.0); of several rules that match a branch the most permissive counts for pushes, the strictest for
code owners. Approvals are required by rules of the project (Premium), which a merge request may be allowed to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from upheld.errors import Unobservable
from upheld.probes.forge_answers import Account, Branch, Change, Job, Protection, Run, moment, unreadable

DELETED = "(a deleted account)"
"""The approver of whom GitLab keeps the note only."""
HOLDS_ADMINISTRATORS = 16
"""The version since which administrators push only where they are allowed to."""
_EVENTS = {"push": "push", "merge_request_event": "pull_request", "external_pull_request_event": "pull_request"}
# What waits for a hand has come to its end without having run.
_ENDED = {
    "success": "success",
    "failed": "failure",
    "canceled": "cancelled",
    "skipped": "skipped",
    "manual": "manual",
}
_GHOST = re.compile(r"ghost\d*")


def as_branch(one: Mapping[str, Any]) -> Branch:
    """A branch."""
    with unreadable("branch"):
        return Branch(str(one["name"]), str(one["commit"]["id"]), one["protected"] is True)


def as_change(one: Mapping[str, Any], merged_at: datetime | None) -> Change:
    """A merge request. What was merged without a commit of its own became its squashed or its last commit."""
    with unreadable("a change"):
        head = str(one["sha"] or "")
        if not head:
            raise ValueError("it has no last revision")
        squashed = one["squash_commit_sha"]
        became = one["merge_commit_sha"] or squashed or head
        return Change(
            number=int(one["iid"]),
            title=str(one["title"])[:200],
            author=str(one["author"]["username"]) if one["author"] else "ghost",
            base=str(one["target_branch"]),
            head=head,
            merged_as=str(became) if merged_at else None,
            merged_at=merged_at,
            updated_at=moment(one["updated_at"]),
            squashed_as=str(squashed) if squashed else None,
        )


def is_deleted(user: Mapping[str, Any]) -> bool:
    """Whether it stands for accounts that were deleted."""
    return _GHOST.fullmatch(str(user["username"])) is not None


def as_account(one: Mapping[str, Any]) -> Account:
    """An account; its address where the profile shows it, or the token may see it."""
    with unreadable("an account"):
        email = one.get("public_email") or one.get("email") or one.get("commit_email") or ""
        return Account(str(one["username"]), str(one["name"] or ""), str(email), one["bot"] is True)


def as_run(one: Mapping[str, Any]) -> Run | None:
    """A pipeline; None for one that neither a push nor a merge request started."""
    with unreadable("a build"):
        event = _EVENTS.get(str(one["source"]))
        if event is None:
            return None
        status, conclusion = _ending(str(one["status"]))
        return Run(
            id=int(one["id"]),
            workflow=".gitlab-ci.yml",
            event=event,
            commit=str(one["sha"]),
            branch=str(one["ref"]),
            at=moment(one["created_at"]),
            status=status,
            conclusion=conclusion,
        )


def as_job(one: Mapping[str, Any]) -> Job:
    """A job."""
    with unreadable("a job"):
        return Job(str(one["name"]), *_ending(str(one["status"])))


def matches(pattern: str, branch: str) -> bool:
    """Whether a protected branch's name, in which `*` stands for anything, means a branch; case counts."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), branch) is not None


def as_protection(
    branch: Mapping[str, Any],
    protected: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    rules: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
) -> Protection:
    """What the rules that match a branch and the project's approval settings and rules come to together."""
    with unreadable("protection"):
        name = str(branch["name"])
        pushers = [level for one in protected for level in _pushers(one)]
        exempt = [str(level.get("access_level_description") or level) for level in pushers]
        # Both let the author alone satisfy what the rules ask for.
        if settings["merge_requests_author_approval"] is not False:
            exempt.append("authors, who may approve what they wrote")
        if settings["disable_overriding_approvers_per_merge_request"] is not True:
            exempt.append("authors, who may change the approval rules of their merge request")
        return Protection(
            approvals=max((_required(rule, name) for rule in rules), default=0),
            dismisses_stale=settings["reset_approvals_on_push"] is True,
            # That committers may not approve makes no earlier approval void.
            last_push_approval=False,
            owners_approve=any(one.get("code_owner_approval_required") is True for one in protected),
            holds_administrators=not any(_is_role(level) for level in pushers)
            and _major(about) >= HOLDS_ADMINISTRATORS,
            refuses_force_pushes=not pushers or not any(one["allow_force_push"] is not False for one in protected),
            # Maintainers delete any other protected branch by a button.
            refuses_deletion=branch["default"] is True,
            exempt=tuple(dict.fromkeys(exempt)),
        )


def _pushers(one: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    levels = one["push_access_levels"]
    if not levels:
        raise Unobservable(f"the forge does not say who may push to {one['name']}")
    return (level for level in levels if not _is_role(level) or level["access_level"] != 0)


def _is_role(level: Mapping[str, Any]) -> bool:
    return not any(level.get(who) for who in ("user_id", "group_id", "deploy_key_id", "member_role_id"))


def _required(rule: Mapping[str, Any], branch: str) -> int:
    """How many approvals a rule asks for on a branch; none where GitLab itself takes it as met or as void."""
    required = int(rule["approvals_required"])
    kind = rule["rule_type"]
    named = rule["protected_branches"]
    everywhere = rule.get("applies_to_all_protected_branches") is True or not named
    if not required or kind not in {"regular", "any_approver"}:
        return 0
    if not everywhere and not any(matches(str(one["name"]), branch) for one in named):
        return 0
    if kind == "regular" and len(rule["eligible_approvers"]) < required:
        if rule.get("contains_hidden_groups") is True:
            raise Unobservable(f"the token may not see who can approve by the rule {rule['name']}")
        return 0
    return required


def _major(about: Mapping[str, Any]) -> int:
    return int(str(about["version"]).partition(".")[0])


def _ending(status: str) -> tuple[str, str]:
    return ("completed", _ENDED[status]) if status in _ENDED else ("in_progress", "")
