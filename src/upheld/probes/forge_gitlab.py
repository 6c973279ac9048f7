"""GitLab's REST API, of gitlab.com and of self-managed servers, as the forge probe asks it; by the library python-gitlab.

GitLab shows of an approval by whom and when it was given, but not of which revision: that is the one that the merge request had
then, by its versions. It shows of a commit names and addresses, but not the accounts behind them: they are found where
an address is shown, or where a name is that of one member or of the merge request's author.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from upheld.errors import Refused, Unobservable
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
    moment,
    unreadable,
)
from upheld.probes.forge_gitlab_answers import (
    DELETED,
    as_account,
    as_branch,
    as_change,
    as_job,
    as_protection,
    as_run,
    is_deleted,
    matches,
)
from upheld.probes.git import Person, co_authors
from upheld.probes.gitlab_pipelines import GENERATIONS
from upheld.probes.http_client import HttpClient

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.forge_gitlab_transport import Server
    from upheld.target.code import Forge as Described

_PRIVATE_ADDRESS = re.compile(r"(\d+)-[^@]+@users\.noreply\..+", re.IGNORECASE)
_TAKEN_BACK = {"unapproved this merge request": "DISMISSED", "requested changes": "CHANGES_REQUESTED"}
_GIVEN = "approved this merge request"


class GitLab:
    """One project on a GitLab; a `Vendor`."""

    def __init__(self, session: Session, described: Described) -> None:
        """Asks nothing yet."""
        self._session = session
        self._described = described
        self._client = HttpClient(session)
        self._requests: dict[int, Mapping[str, Any]] = {}
        self._users: dict[int, Mapping[str, Any]] = {}
        self._addresses: dict[str, str | None] = {}

    def branch(self, branch: str) -> Branch:
        """The branch with its end."""
        return as_branch(self._branch(branch))

    def protection(self, branch: str) -> Protection:
        """What the rules of the protected branch, and the project's approval settings and rules, come to.

        Required approvals are a part of GitLab Premium and Ultimate; where they cannot be read, nothing is said.
        """
        found = self._branch(branch)
        rules = list(self._server.all("protected branches", self._iterating(self._project.protectedbranches.list)))
        with unreadable("protected branches"):
            matching = [one for one in rules if matches(str(one["name"]), branch)]
            if not matching and found["protected"] is True:
                raise Unobservable(f"the forge protects {branch} by rules that the token may not see")
        if not matching:
            return Protection(0, False, False, False, False, False, False, ())
        try:
            settings = self._server.one("approval settings", self._project.approvals.get)
            needed = list(self._server.all("approval rules", self._iterating(self._project.approvalrules.list)))
        except Refused as refused:
            raise Refused(
                f"{refused.reason}; GitLab requires approvals on Premium and Ultimate only, and tells it to maintainers"
            ) from refused
        about = self._server.one("the version", lambda: self._server.library.http_get("/version"))
        return as_protection(found, matching, settings, needed, about)

    def changes(self, branch: str, since: datetime | None) -> Iterator[Change]:
        """What was merged into the branch, what was touched last first."""
        found = self._server.all(
            "merge requests",
            self._iterating(self._project.mergerequests.list),
            state="merged",
            target_branch=branch,
            scope="all",
            order_by="updated_at",
            sort="desc",
        )
        for one in found:
            with unreadable("a change"):
                touched = moment(one["updated_at"])
            # What was last touched before the rules held was not merged since.
            if since is not None and touched < since:
                return
            yield self._change(one)

    def changes_of(self, sha: str) -> Iterator[Change]:
        """The merge requests that a commit came by."""
        commit = self._project.commits.get(sha, lazy=True)
        found = self._server.all("merge requests of a commit", self._iterating(commit.merge_requests))
        return map(self._change, found)

    def reviews(self, number: int) -> tuple[Review, ...]:
        """The approvals that stand, those that were taken back, and requests for changes, the oldest first."""
        request = self._project.mergerequests.get(number, lazy=True)
        standing = self._server.one("approvals", request.approvals.get)
        notes = list(self._server.all("notes", self._iterating(request.notes.list), sort="asc", order_by="created_at"))
        versions = list(self._server.all("versions", self._iterating(request.diffs.list)))
        with unreadable("approvals"):
            revisions = sorted((moment(one["created_at"]), str(one["head_commit_sha"])) for one in versions)
            if not revisions:
                raise Unobservable(f"the forge shows no version of change #{number}")
            said = [one for one in notes if one["system"] is True]
            given = self._standing(standing, said, number)
            given += self._noted(said)
            return tuple(
                Review(by, bot, state, next((sha for seen, sha in reversed(revisions) if seen <= at), ""), at)
                for at, by, bot, state in sorted(given)
            )

    def commits(self, number: int) -> tuple[ChangeCommit, ...]:
        """The commits of a merge request."""
        request = self._project.mergerequests.get(number, lazy=True)
        found = list(self._server.all("commits", request.commits))
        return tuple(self._commit(one, self._author(number)) for one in found)

    def account(self, login: str) -> Account:
        """An account with the name and address that its profile shows."""
        if login == DELETED:
            raise Unobservable("an account that approved it was deleted, so nobody can tell whose it was")
        found = self._server.all("accounts", self._iterating(self._server.library.users.list), username=login)
        with unreadable("an account"):
            one = next((one for one in found if str(one["username"]).lower() == login.lower()), None)
            if one is None:
                raise Unobservable(f"the forge shows no account {login}")
            return as_account(self._user(int(one["id"])))

    def team(self, team: str) -> tuple[str, ...]:
        """The active direct members of a group: those of the groups above it are not of the team."""
        path = team if "/" in team else f"{self._described.owner}/{team}"
        group = self._server.library.groups.get(path, lazy=True)
        with unreadable("members"):
            members = self._server.all("members", self._iterating(group.members.list))
            return tuple(str(one["username"]) for one in members if one["state"] == "active")

    def runs(self, since: datetime) -> Iterator[Run]:
        """The pipelines since then that pushes and merge requests started, the newest first."""
        listed = self._iterating(self._project.pipelines.list)
        for one in self._server.all("pipelines", listed, order_by="id", sort="desc", updated_after=since.isoformat()):
            run = as_run(one)
            if run is not None and run.at >= since:
                yield run

    def jobs(self, run: int) -> tuple[Job, ...]:
        """The jobs of a pipeline and of its child pipelines, of those that were tried again the last."""
        return tuple(self._jobs(run))

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _jobs(self, run: int, generation: int = 0) -> Iterator[Job]:
        pipeline = self._project.pipelines.get(run, lazy=True)
        yield from map(as_job, self._server.all("jobs", self._iterating(pipeline.jobs.list)))
        if generation == GENERATIONS:
            return
        for one in self._server.all("trigger jobs", self._iterating(pipeline.bridges.list)):
            with unreadable("a trigger job"):
                started = one["downstream_pipeline"]
                # A pipeline of another project is not of this commit.
                mine = started is not None and started["project_id"] == one["pipeline"]["project_id"]
                number = int(started["id"]) if mine else 0
            if mine:
                yield from self._jobs(number, generation + 1)

    @cached_property
    def _server(self) -> Server:
        try:
            from upheld.probes.forge_gitlab_transport import Server  # noqa: PLC0415  (only where it is needed)
        except ImportError as error:
            raise Unobservable("looking at a GitLab needs python-gitlab: pip install 'upheld[gitlab]'") from error
        return Server(self._session, self._client, self._described)

    @property
    def _project(self) -> Any:
        return self._server.project

    @staticmethod
    def _iterating(listed: Callable[..., Any]) -> Callable[..., Any]:
        """A list of the library that goes on from page to page."""
        return lambda **query: listed(iterator=True, **query)

    def _branch(self, branch: str) -> Mapping[str, Any]:
        return self._server.one("the branch", lambda: self._project.branches.get(branch))

    def _user(self, number: int) -> Mapping[str, Any]:
        if number not in self._users:
            self._users[number] = self._server.one("an account", lambda: self._server.library.users.get(number))
        return self._users[number]

    def _change(self, one: Mapping[str, Any]) -> Change:
        with unreadable("a change"):
            number = int(one["iid"])
            self._requests[number] = one
            merged_at = None
            if one["state"] == "merged":
                merged_at = moment(one["merged_at"]) if one.get("merged_at") else self._merged_at(number)
        return as_change(one, merged_at)

    def _merged_at(self, number: int) -> datetime:
        """When it was merged by its events; old merge requests do not say it themselves."""
        request = self._project.mergerequests.get(number, lazy=True)
        events = self._server.all("state events", self._iterating(request.resourcestateevents.list))
        found = [moment(one["created_at"]) for one in events if one["state"] == "merged"]
        if not found:
            raise Unobservable(f"the forge does not say when change #{number} was merged")
        return max(found)

    def _author(self, number: int) -> Mapping[str, Any]:
        if number not in self._requests:
            self._requests[number] = self._server.one("a change", lambda: self._project.mergerequests.get(number))
        return self._requests[number].get("author") or {}

    def _standing(
        self, approvals: Mapping[str, Any], said: list[Mapping[str, Any]], number: int
    ) -> list[tuple[datetime, str, bool, str]]:
        """The approvals that stand today, with the time that GitLab gives; older servers give it in a note only."""
        found = []
        for entry in approvals["approved_by"]:
            user = entry["user"]
            noted = [one for one in said if one["author"]["id"] == user["id"] and _says(one) == _GIVEN]
            at = entry.get("approved_at") or (noted[-1]["created_at"] if noted else None)
            if at is None:
                raise Unobservable(f"the forge does not say when {user['username']} approved change #{number}")
            found.append((moment(at), str(user["username"]), self._user(int(user["id"]))["bot"] is True, "APPROVED"))
        return found

    @staticmethod
    def _noted(said: list[Mapping[str, Any]]) -> Iterator[tuple[datetime, str, bool, str]]:
        """What notes tell beside that: what was taken back, requests for changes, approvals of accounts that were deleted."""
        for one in said:
            who, text, at = one["author"], _says(one), moment(one["created_at"])
            if text in _TAKEN_BACK:
                yield at, str(who["username"]), False, _TAKEN_BACK[text]
            elif text == _GIVEN and is_deleted(who):
                yield at, DELETED, False, "APPROVED"

    def _commit(self, one: Mapping[str, Any], author: Mapping[str, Any]) -> ChangeCommit:
        with unreadable("a commit"):
            written = Person(str(one["author_name"]), str(one["author_email"]))
            committed = Person(str(one["committer_name"]), str(one["committer_email"]))
            # The committer of what is made by GitLab's own buttons, where it signs that.
            itself = committed.name == "GitLab" and committed.email.startswith("noreply@")
            return ChangeCommit(
                sha=str(one["id"]),
                author=written,
                author_account=self._account_of(written, author),
                committer=committed,
                committer_account=ITSELF if itself else self._account_of(committed, author),
                also=co_authors(str(one["message"])),
                accounts_shown=False,
            )

    def _account_of(self, person: Person, author: Mapping[str, Any]) -> str | None:
        """Whose account somebody's is, by the address or else by the name; None when that cannot be told."""
        if (by_address := self._account_at(person.email.lower())) is not None:
            return by_address
        name = _folded(person.name)
        logins = {login for shown, login in self._members if shown == name}
        if author and _folded(str(author["name"])) == name:
            logins.add(str(author["username"]))
        return logins.pop() if len(logins) == 1 else None

    def _account_at(self, address: str) -> str | None:
        if address not in self._addresses:
            self._addresses[address] = self._look_up(address)
        return self._addresses[address]

    def _look_up(self, address: str) -> str | None:
        if match := _PRIVATE_ADDRESS.fullmatch(address):
            try:
                return str(self._user(int(match[1]))["username"])
            except Refused:
                return None
        found = self._server.all("accounts", self._iterating(self._server.library.users.list), search=address)
        for one in found:
            shown = {str(one.get(field) or "").lower() for field in ("public_email", "email", "commit_email")}
            if address in shown or address == as_account(self._user(int(one["id"]))).email.lower():
                return str(one["username"])
        return None

    @cached_property
    def _members(self) -> tuple[tuple[str, str], ...]:
        """Names and accounts of all who are in the project, by its groups too."""
        found = self._server.all("members of the project", self._iterating(self._project.members_all.list))
        with unreadable("members of the project"):
            return tuple((_folded(str(one["name"])), str(one["username"])) for one in found)


def _says(note: Mapping[str, Any]) -> str:
    return str(note["body"]).strip().lower()


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
