"""What every forge can be asked and what its answers say, as frozen values; an answer without a part that is needed is Unobservable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from upheld.errors import Refused, Throttled, Unobservable
from upheld.probes.git import Person

PAGES = 1_000
"""Pages of one list that are read."""
ITSELF = "(the forge itself)"
"""The account of what a forge's own buttons commit, where the forge has no name for it."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: the commit that it ends with, and whether it is protected at all."""

    name: str
    head: str
    protected: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A pull or merge request. `head` is its last revision, `merged_as` the commit of the branch that it became.

    `squashed_as` is the one commit that its commits were made into before that was merged, where there was such a step.
    """

    number: int
    title: str
    author: str
    base: str
    head: str
    merged_as: str | None
    merged_at: datetime | None
    updated_at: datetime
    squashed_as: str | None = None

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
    """A commit of a change: names and addresses as it has them, and the accounts, None where the forge knows none.

    Without `accounts_shown` the forge does not tell whose an address is, so that None may be anybody's account.
    """

    sha: str
    author: Person
    author_account: str | None
    committer: Person
    committer_account: str | None
    also: tuple[Person, ...]
    accounts_shown: bool = True


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


def moment(text: str) -> datetime:
    """An instant in UTC; one without an offset is taken as UTC."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def refusal(status: int, path: str, *, limited: bool = False) -> Unobservable:
    """What an answer means that is not the one that was asked for; `limited` by the forge's own limit of requests."""
    why = {
        401: "the token is not accepted",
        403: "the token lacks the right",
        404: "not there, or hidden from it",
    }
    if status == 429 or limited:
        return Throttled(f"the forge's rate limit stands in the way of {path}")
    if status in why:
        return Refused(f"the forge answered {status} to {path}: {why[status]}")
    return Unobservable(f"the forge answered {status} to {path}")


class Vendor(Protocol):
    """What the probe asks a forge of any make. Each answer comes whole or as Unobservable, never as an empty one."""

    def branch(self, branch: str) -> Branch:
        """The branch with its end."""

    def protection(self, branch: str) -> Protection:
        """What everybody is held to on the branch."""

    def changes(self, branch: str, since: datetime | None) -> Iterable[Change]:
        """What was merged into the branch since then, what was touched last first; an earlier one may be among them."""

    def changes_of(self, sha: str) -> Iterable[Change]:
        """The changes, merged or not, that a commit came by."""

    def reviews(self, number: int) -> tuple[Review, ...]:
        """The reviews of a change, the oldest first."""

    def commits(self, number: int) -> tuple[ChangeCommit, ...]:
        """The commits of a change, all of them."""

    def account(self, login: str) -> Account:
        """An account."""

    def team(self, team: str) -> tuple[str, ...]:
        """The accounts of a team's members."""

    def runs(self, since: datetime) -> Iterable[Run]:
        """The builds since then that pushes (`push`) and changes (`pull_request`) started, the newest first."""

    def jobs(self, run: int) -> tuple[Job, ...]:
        """The jobs of a build: `completed` with a conclusion in GitHub's words, or still to end."""

    def close(self) -> None:
        """Close every connection."""
