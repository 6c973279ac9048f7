"""What happened in a repository: commits, pull requests with their reviews, pipeline runs and deploys, with their dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from upheld_reference import people
from upheld_reference.codebase.model import Method, ReviewState

BRANCH = "main"
"""The branch that production is deployed from."""


@dataclass(frozen=True)
class Identity:
    """Somebody in a commit."""

    name: str
    email: str
    login: str | None
    """The account that the forge knows by that address; None where it knows none."""


WEB = Identity("GitHub", "noreply@github.com", "web-flow")
"""The committer of what is made by the button of a forge."""
BOT = Identity("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com", "dependabot[bot]")
"""The update bot."""


def identity(login: str) -> Identity:
    """How the owner of an account is named in commits; raises KeyError for nobody's."""
    if login == BOT.login:
        return BOT
    person = people.by_login(login)
    return Identity(person.name, person.email, person.login)


@dataclass(frozen=True)
class Commit:
    """A commit with every file of its tree."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: Identity
    committer: Identity
    at: dt.datetime
    files: Mapping[str, str] = field(repr=False)
    """The blobs' ids by path."""


@dataclass(frozen=True)
class Review:
    """A review as it was submitted."""

    id: int
    by: str
    state: ReviewState
    body: str
    commit: str
    """The head of the pull request at that time."""
    at: dt.datetime


@dataclass(frozen=True)
class Pull:
    """A pull request."""

    number: int
    title: str
    branch: str
    author: str
    base: str
    """The commit of the main branch that it started from."""
    commits: tuple[str, ...]
    reviews: tuple[Review, ...]
    created_at: dt.datetime
    updated_at: dt.datetime
    method: Method = "merge"
    merged_at: dt.datetime | None = None
    merged_by: str | None = None
    merged_as: str | None = None
    """The commit on the main branch."""

    @property
    def head(self) -> str:
        """Its last commit."""
        return self.commits[-1]


@dataclass(frozen=True)
class Run:
    """A run of one workflow."""

    id: int
    number: int
    workflow: str
    """The path of its definition."""
    event: str
    branch: str
    commit: str
    actor: str
    at: dt.datetime
    pull: int | None = None
    failing: tuple[str, ...] = ()
    """The ids of the jobs that failed."""


@dataclass(frozen=True)
class Deploy:
    """A deploy to production."""

    id: int
    commit: str
    branch: str
    pull: int | None
    run: int
    actor: str
    allowed_by: str
    """Who of operations let the run into production."""
    at: dt.datetime


@dataclass(frozen=True)
class Record:
    """All that the forge knows of the repository."""

    commits: Mapping[str, Commit]
    main: tuple[str, ...]
    """The main branch by first parents, the newest first."""
    pulls: tuple[Pull, ...]
    """By number."""
    runs: tuple[Run, ...]
    """By date."""
    deploys: tuple[Deploy, ...]
    """By date."""
    branches: Mapping[str, str]
    """Heads by name."""
    blobs: Mapping[str, bytes] = field(repr=False)
    trees: Mapping[str, bytes] = field(repr=False)
    """The raw content of each tree object."""

    @property
    def since(self) -> Commit:
        """The commit that the history starts with; everything later was reviewed."""
        return self.commits[self.main[-1]]

    def reachable(self, sha: str) -> list[Commit]:
        """The commit and all before it, the newest first."""
        found: dict[str, Commit] = {}
        waiting = [sha]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found[one] = self.commits[one]
                waiting.extend(self.commits[one].parents)
        order = {sha: place for place, sha in enumerate(self.commits)}
        return sorted(found.values(), key=lambda commit: (commit.at, order[commit.sha]), reverse=True)

    def pull(self, number: int) -> Pull | None:
        """The pull request with that number, if there is one."""
        return next((pull for pull in self.pulls if pull.number == number), None)
