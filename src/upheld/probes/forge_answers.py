"""What a forge's answers say, as frozen values; an answer without a part that is needed is Unobservable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from upheld.errors import Unobservable
from upheld.probes.git import Person, co_authors

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[a-z*]+\s*=\s*(?:"[^"]*"|[^",;\s]+))*)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: the commit that it ends with, and whether it is protected at all."""

    name: str
    head: str
    protected: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A pull request. `head` is its last revision, `merged_as` the commit of the branch that it became."""

    number: int
    title: str
    author: str
    base: str
    head: str
    merged_as: str | None
    merged_at: datetime | None
    updated_at: datetime

    def __str__(self) -> str:
        """`#214 "its title"`."""
        return f'#{self.number} "{self.title}"'


@dataclass(frozen=True, slots=True)
class Review:
    """A review of the revision `commit`; `state` in GitHub's words."""

    by: str
    bot: bool
    state: str
    commit: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeCommit:
    """A commit of a change: names and addresses as it has them, and the accounts, None where the forge knows none."""

    sha: str
    author: Person
    author_account: str | None
    committer: Person
    committer_account: str | None
    also: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """An account: name and address of its profile are empty where it shows none."""

    login: str
    name: str
    email: str
    bot: bool


@dataclass(frozen=True, slots=True)
class Protection:
    """What a branch is held to. Where several rules speak of it, the strictest counts; a rule that some may go round does not.

    `exempt` says who may go round the need for a review.
    """

    approvals: int
    dismisses_stale: bool
    last_push_approval: bool
    owners_approve: bool
    holds_administrators: bool
    refuses_force_pushes: bool
    refuses_deletion: bool
    exempt: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A build: of which commit, by which workflow's file, started by what, and how it ended."""

    id: int
    workflow: str
    event: str
    commit: str
    branch: str
    at: datetime
    status: str
    conclusion: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a build."""

    name: str
    status: str
    conclusion: str


@contextmanager
def unreadable(what: str) -> Iterator[None]:
    """Map an answer that lacks what it should have, or has something else there, to Unobservable."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Unobservable(f"the forge's answer about {what} cannot be read: {type(error).__name__} {error}") from error


def next_page(header: str) -> str:
    """Where a list goes on by its Link header (RFC 8288); empty at the end."""
    for url, parameters in _LINK.findall(header):
        if re.search(r'(?i);\s*rel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?\s*(?:;|$)', parameters):
            return str(url)
    return ""


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _login(user: Mapping[str, Any] | None) -> str:
    """The account's name; GitHub shows an account that was deleted as nobody, and as "ghost"."""
    return str(user["login"]) if user else "ghost"


def _is_bot(user: Mapping[str, Any] | None) -> bool:
    return user is not None and (user.get("type") != "User" or str(user["login"]).endswith("[bot]"))


def as_change(one: Mapping[str, Any]) -> Change:
    """A pull request of a list."""
    with unreadable("a change"):
        merged = one.get("merged_at")
        return Change(
            number=int(one["number"]),
            title=str(one["title"])[:200],
            author=_login(one["user"]),
            base=str(one["base"]["ref"]),
            head=str(one["head"]["sha"]),
            merged_as=one.get("merge_commit_sha") if merged else None,
            merged_at=_moment(merged) if merged else None,
            updated_at=_moment(one["updated_at"]),
        )


def as_review(one: Mapping[str, Any]) -> Review:
    """A review of a list. One that is not submitted yet has no time and counts as made at the end of all time."""
    with unreadable("a review"):
        at = one.get("submitted_at")
        return Review(
            by=_login(one["user"]),
            bot=_is_bot(one["user"]),
            state=str(one["state"]).upper(),
            commit=str(one.get("commit_id") or ""),
            at=_moment(at) if at else datetime.max.replace(tzinfo=UTC),
        )


def as_commit(one: Mapping[str, Any]) -> ChangeCommit:
    """A commit of a change."""
    with unreadable("a commit"):
        made = one["commit"]
        people = [Person(str(made[who]["name"]), str(made[who]["email"])) for who in ("author", "committer")]
        accounts = [str(one[who]["login"]) if one.get(who) else None for who in ("author", "committer")]
        also = co_authors(str(made["message"]))
        return ChangeCommit(str(one["sha"]), people[0], accounts[0], people[1], accounts[1], also)


def as_account(one: Mapping[str, Any]) -> Account:
    """An account."""
    with unreadable("an account"):
        return Account(str(one["login"]), str(one.get("name") or ""), str(one.get("email") or ""), _is_bot(one))


def as_run(one: Mapping[str, Any]) -> Run:
    """A build."""
    with unreadable("a build"):
        return Run(
            id=int(one["id"]),
            workflow=str(one["path"]),
            event=str(one["event"]),
            commit=str(one["head_sha"]),
            branch=str(one.get("head_branch") or ""),
            at=_moment(one["created_at"]),
            status=str(one["status"]),
            conclusion=str(one.get("conclusion") or ""),
        )


def as_job(one: Mapping[str, Any]) -> Job:
    """A job."""
    with unreadable("a job"):
        return Job(str(one["name"]), str(one["status"]), str(one.get("conclusion") or ""))


def as_protection(
    classic: Mapping[str, Any] | None, rules: Sequence[Mapping[str, Any]], rulesets: Sequence[Mapping[str, Any]]
) -> Protection:
    """The strictest of the branch's own protection and of the rulesets that nobody may go round."""
    found = [_classic(classic)] if classic is not None else []
    for one in rulesets:
        own = [rule for rule in rules if rule["ruleset_id"] == one["id"]]
        found.append(_ruleset(one, own))
    if not found:
        return Protection(0, False, False, False, False, False, False, ())
    reviewed = [one for one in found if one.approvals] or found
    # Administrators and the exempt are held where at least one rule that asks for a review holds them.
    best = max(reviewed, key=lambda one: (one.holds_administrators, not one.exempt, one.approvals))
    held = [one for one in found if one.holds_administrators]
    return Protection(
        approvals=max(one.approvals for one in found),
        dismisses_stale=any(one.dismisses_stale for one in found),
        last_push_approval=any(one.last_push_approval for one in found),
        owners_approve=any(one.owners_approve for one in found),
        holds_administrators=best.holds_administrators,
        refuses_force_pushes=any(one.refuses_force_pushes for one in held or found),
        refuses_deletion=any(one.refuses_deletion for one in held or found),
        exempt=best.exempt,
    )


def _classic(one: Mapping[str, Any]) -> Protection:
    review: Mapping[str, Any] = one.get("required_pull_request_reviews") or {}
    allowed = review.get("bypass_pull_request_allowances") or {}
    exempt = [
        str(who.get("login") or who.get("slug") or who)
        for kind in ("users", "teams", "apps")
        for who in allowed.get(kind) or ()
    ]
    return Protection(
        approvals=int(review.get("required_approving_review_count", 0)),
        dismisses_stale=review.get("dismiss_stale_reviews") is True,
        last_push_approval=review.get("require_last_push_approval") is True,
        owners_approve=review.get("require_code_owner_reviews") is True,
        holds_administrators=one["enforce_admins"]["enabled"] is True,
        refuses_force_pushes=one["allow_force_pushes"]["enabled"] is False,
        refuses_deletion=one["allow_deletions"]["enabled"] is False,
        exempt=tuple(exempt),
    )


def _ruleset(one: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> Protection:
    if "bypass_actors" not in one:
        raise Unobservable(f"the token may not see who may go round the ruleset {one.get('name', one['id'])}")
    actors = one["bypass_actors"] or ()
    by_type = {rule["type"]: rule.get("parameters") or {} for rule in rules}
    review: Mapping[str, Any] = by_type.get("pull_request") or {}
    return Protection(
        approvals=int(review.get("required_approving_review_count", 0)),
        dismisses_stale=review.get("dismiss_stale_reviews_on_push") is True,
        last_push_approval=review.get("require_last_push_approval") is True,
        owners_approve=review.get("require_code_owner_review") is True,
        # An organisation's administrators and a repository's are actors like others here.
        holds_administrators=not actors,
        refuses_force_pushes="non_fast_forward" in by_type,
        refuses_deletion="deletion" in by_type,
        exempt=tuple(f"{actor.get('actor_type')} {actor.get('actor_id') or ''}".strip() for actor in actors),
    )
