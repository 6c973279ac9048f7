"""Whose approval of a change counts: given by a person who wrote none of it, on its last revision, before the merge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from upheld import Unobservable
from upheld.probes.forge import ITSELF, Account, Change, ChangeCommit, Forge, Review
from upheld.probes.git import Commit, Git, Person

_NOREPLY = re.compile(r"(?:\d+\+)?([a-z0-9-]+(?:\[bot\])?)@users\.noreply\.github\.com", re.IGNORECASE)
_FORGE_ITSELF = {"web-flow", "noreply@github.com", ITSELF}
"""The committer of what was made by the forge's own buttons, who is nobody."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved a change so that it counts; where nobody did, why not."""

    by: tuple[str, ...]
    why_not: str = ""


@dataclass
class _Authors:
    """Everybody who wrote a part of a change, by all that they are known by."""

    accounts: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    """Names of those behind whom the forge knows no account."""
    hidden: set[str] = field(default_factory=set)
    """Those of them whose account the forge does not tell, so that another name is no other person."""

    def add(self, person: Person, account: str | None, *, shown: bool = True) -> None:
        """One more, unless it is the forge itself."""
        if account in _FORGE_ITSELF or (account is None and person.email in _FORGE_ITSELF):
            return
        if account is None and (match := _NOREPLY.fullmatch(person.email)):
            account = match[1]
        if account is None:
            self.strangers.add(person.name)
            if not shown:
                self.hidden.add(person.name)
        else:
            self.accounts.add(account.lower())
        self.names.add(_folded(person.name))
        self.addresses.add(person.email.lower())

    def has(self, account: Account) -> bool:
        """Whether an account is one of them, by its login, its name or its address."""
        return (
            account.login.lower() in self.accounts
            or (bool(account.name) and _folded(account.name) in self.names)
            or (bool(account.email) and account.email.lower() in self.addresses)
        )


def approval_of(forge: Forge, change: Change) -> Approval:
    """Whose approval of the change counts; raises Unobservable when that cannot be told."""
    reviews = forge.reviews(change.number)
    authors = _authors(change, forge.change_commits(change.number))
    said = (one for one in reviews if one.state in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
    last = {review.by.lower(): review for review in said if _in_time(review, change)}
    approving = [review for review in last.values() if review.state == "APPROVED"]
    counted: list[str] = []
    why_not: list[str] = []
    uncertain = ""
    for review in approving:
        try:
            reason = _why_not(forge, review, change, authors)
        except Unobservable as unobservable:
            # Another approval may still count.
            uncertain = unobservable.reason
            continue
        if reason:
            why_not.append(reason)
        else:
            counted.append(review.by)
    if counted:
        return Approval(tuple(counted))
    if uncertain:
        raise Unobservable(uncertain)
    if any(review.state == "APPROVED" and not _in_time(review, change) for review in reviews):
        why_not.append("it was approved after the merge only")
    return Approval((), "; ".join(why_not) or "nobody approved it")


def history(git: Git) -> Iterator[Commit]:
    """Every commit that the branch was since the rules hold, the newest first."""
    after = ""
    while True:
        page = git.commits(after)
        yield from page.commits
        if not page.following:
            return
        after = page.following


def stale(git: Git, forge: Forge) -> str:
    """Why the repository cannot be held against the forge, when it is not of today; else an empty string."""
    here, there = git.head(), forge.branch().head
    return "" if here == there else f"the repository ends with {here[:12]}, but the forge's branch with {there[:12]}"


def merged(forge: Forge) -> Mapping[str, Change]:
    """The merged changes by the commit that each became."""
    return {change.merged_as: change for change in forge.changes() if change.merged_as}


def change_of(forge: Forge, known: Mapping[str, Change], commit: Commit) -> Change | str:
    """The change that a commit of the branch came by, or why there is none that could have been reviewed."""
    change = known.get(commit.sha)
    if change is None:
        # Of a change that was merged as several commits, only the last is in the list.
        change = next(iter(forge.changes_of(commit.sha)), None)
    if change is None:
        return "it came without a change that could have been reviewed"
    if len(commit.parents) > 1 and commit.parents[1:] not in {(change.head,), (change.squashed_as,)}:
        brought = ", ".join(parent[:12] for parent in commit.parents[1:])
        return f"it merged {brought}, while {change} ended with {change.head[:12]}"
    return change


def _why_not(forge: Forge, review: Review, change: Change, authors: _Authors) -> str:
    """Why an approval does not count, empty when it does; raises Unobservable when that cannot be told."""
    if review.commit != change.head:
        return f"{review.by} approved {review.commit[:12] or 'nothing'}, not its last revision {change.head[:12]}"
    if review.bot:
        return f"{review.by}, who approved it, is no person"
    if review.by.lower() in authors.accounts:
        return f"{review.by} approved what {review.by} wrote"
    account = forge.account(review.by)
    if authors.has(account):
        return f"{review.by} approved what {account.name or account.email} wrote under another identity"
    if hidden := ", ".join(sorted(authors.hidden)):
        raise Unobservable(
            f"the forge does not tell whether {hidden}, who wrote a part of it, is {review.by}, who approved it"
        )
    if (strangers := ", ".join(sorted(authors.strangers))) and not account.name:
        raise Unobservable(
            f"{review.by}, who approved it, shows no name that could be compared with {strangers}, "
            "whom the forge knows by no account"
        )
    return ""


def _authors(change: Change, commits: tuple[ChangeCommit, ...]) -> _Authors:
    authors = _Authors({change.author.lower()})
    for commit in commits:
        authors.add(commit.author, commit.author_account, shown=commit.accounts_shown)
        authors.add(commit.committer, commit.committer_account, shown=commit.accounts_shown)
        for person in commit.also:
            authors.add(person, None)
    return authors


def _in_time(review: Review, change: Change) -> bool:
    return change.merged_at is None or review.at <= change.merged_at


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
