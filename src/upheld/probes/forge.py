"""The forge: changes with their reviews, what a branch is held to, builds with their jobs, and teams; GitHub's or GitLab's.

Anything but the answer that was asked for is Unobservable: a right that the token lacks, what it may not know of, a limit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.forge_answers import (
    ITSELF,
    Account,
    Branch,
    Change,
    ChangeCommit,
    Job,
    Protection,
    Review,
    Run,
    Vendor,
)
from upheld.probes.forge_github import GitHub
from upheld.probes.forge_gitlab import GitLab
from upheld.probes.sending import HTTP, Sending, Sends

if TYPE_CHECKING:
    from upheld.probes.base import Session

T = TypeVar("T")

__all__ = ["ITSELF", "Account", "Branch", "Change", "ChangeCommit", "Forge", "Job", "Protection", "Review", "Run"]


class Forge(Probe):
    """The forge under `forge` in the target."""

    name = "forge"
    detached = True
    needs = ("forge", "repository")
    sends: ClassVar[Sending] = dict.fromkeys(
        (
            "account",
            "branch",
            "change_commits",
            "changes",
            "changes_of",
            "jobs",
            "protection",
            "reviews",
            "runs",
            "team",
        ),
        (Sends(HTTP, "GET below {forge.url} of {forge.owner}/{forge.repository}, page by page", "the forge's token"),),
    )

    def __init__(self, session: Session) -> None:
        """Asks nothing yet."""
        super().__init__(session)
        self._vendor: Vendor | None = None
        self._known: dict[tuple[str, ...], Any] = {}

    @look
    def branch(self) -> Branch:
        """The branch that production is deployed from, as the forge has it."""
        return self._forge.branch(self._branch)

    @look
    def protection(self) -> Protection:
        """What the forge holds everybody to on the branch."""
        return self._forge.protection(self._branch)

    @look
    def changes(self) -> tuple[Change, ...]:
        """Every change that was merged into the branch since the rules hold, the one that was updated last first."""
        return self._once(("changes",), self._changes)

    @look
    def changes_of(self, sha: str) -> tuple[Change, ...]:
        """The merged changes that the forge says a commit of the branch came by."""
        return tuple(
            one for one in self._forge.changes_of(sha) if one.merged_at is not None and one.base == self._branch
        )

    @look
    def reviews(self, number: int) -> tuple[Review, ...]:
        """The reviews of a change, the oldest first."""
        return self._once(("reviews", str(number)), lambda: self._forge.reviews(number))

    @look
    def change_commits(self, number: int) -> tuple[ChangeCommit, ...]:
        """The commits of a change, with the accounts behind them where the forge knows them."""
        return self._once(("commits", str(number)), lambda: self._commits(number))

    @look
    def account(self, login: str) -> Account:
        """An account with the name and address that its profile shows."""
        return self._once(("account", login), lambda: self._forge.account(login))

    @look
    def team(self, team: str) -> tuple[str, ...]:
        """The accounts of a team's members; raises Unobservable for a team that has none."""
        members = tuple(sorted(self._forge.team(team)))
        if not members:
            raise Unobservable(f"the team {team} has no members that the token may see")
        return members

    @look
    def runs(self, since: datetime) -> tuple[Run, ...]:
        """The builds since then that pushes and changes started, the newest first."""
        return self._once(("runs", since.isoformat()), lambda: tuple(self._forge.runs(since)))

    @look
    def jobs(self, run: int) -> tuple[Job, ...]:
        """The jobs of a build."""
        return self._forge.jobs(run)

    def close(self) -> None:
        """Close every connection."""
        if self._vendor is not None:
            self._vendor.close()

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _forge(self) -> Vendor:
        if self._vendor is None:
            described = self.target.forge
            if described is None:
                raise Unobservable("the target describes no forge")
            kinds: dict[str, Callable[..., Vendor]] = {"github": GitHub, "gitlab": GitLab}
            self._vendor = kinds[described.kind](self.session, described)
        return self._vendor

    @property
    def _branch(self) -> str:
        if self.target.repository is None:
            raise Unobservable("the target describes no repository")
        return self.target.repository.branch

    def _once(self, key: tuple[str, ...], ask: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = ask()
        found: T = self._known[key]
        return found

    def _changes(self) -> tuple[Change, ...]:
        since = self.target.repository.since if self.target.repository else None
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        return tuple(one for one in self._forge.changes(self._branch, since) if one.base == self._branch)

    def _commits(self, number: int) -> tuple[ChangeCommit, ...]:
        commits = self._forge.commits(number)
        if not commits:
            raise Unobservable(f"the forge shows no commit of change #{number}")
        return commits
