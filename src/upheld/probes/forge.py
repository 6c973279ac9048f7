"""The forge: changes with their reviews, what a branch is held to, builds with their jobs, and teams; GitHub's API for now.

Anything but the answer that was asked for is Unobservable: a right that the token lacks, what it may not know of, a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

from upheld.errors import Refused, Throttled, Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.forge_answers import (
    Account,
    Branch,
    Change,
    ChangeCommit,
    Job,
    Protection,
    Review,
    Run,
    as_account,
    as_change,
    as_commit,
    as_job,
    as_protection,
    as_review,
    as_run,
    next_page,
    unreadable,
)
from upheld.probes.http_client import Answer, HttpClient
from upheld.target import secrets

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.code import Forge as Described

T = TypeVar("T")
PAGES = 1_000
"""Pages of one list that are read."""
COMMITS_SHOWN = 250
"""Commits of one change that GitHub shows at the most."""

__all__ = ["Account", "Branch", "Change", "ChangeCommit", "Forge", "Job", "Protection", "Review", "Run"]


class Forge(Probe):
    """The forge under `forge` in the target."""

    name = "forge"
    needs = ("forge", "repository")

    def __init__(self, session: Session) -> None:
        """Asks nothing yet."""
        super().__init__(session)
        self._client = HttpClient(session)
        self._known: dict[tuple[str, ...], Any] = {}

    @look
    def branch(self) -> Branch:
        """The branch that production is deployed from, as the forge has it."""
        found = self._one(f"{self._repository}/branches/{self._branch}")
        with unreadable("branch"):
            return Branch(str(found["name"]), str(found["commit"]["sha"]), found["protected"] is True)

    @look
    def protection(self) -> Protection:
        """What the forge holds everybody to on the branch: the protection of the branch and the rules of rulesets."""
        branch = self._one(f"{self._repository}/branches/{self._branch}")
        rules = list(self._all(f"{self._repository}/rules/branches/{self._branch}"))
        with unreadable("rules"):
            # Who may go round a rule stands in the ruleset only.
            numbers = sorted({rule["ruleset_id"] for rule in rules})
            sets = [self._one(f"{self._repository}/rulesets/{number}") for number in numbers]
            classic = None
            # Rulesets make a branch "protected" as well; then there may be no protection of its own.
            if branch["protected"] is True and not (rules and not branch.get("protection", {}).get("enabled", True)):
                classic = self._one(f"{self._repository}/branches/{self._branch}/protection")
            return as_protection(classic, rules, sets)

    @look
    def changes(self) -> tuple[Change, ...]:
        """Every change that was merged into the branch since the rules hold, the one that was updated last first."""
        return self._once(("changes",), self._changes)

    @look
    def changes_of(self, sha: str) -> tuple[Change, ...]:
        """The merged changes that the forge says a commit of the branch came by."""
        found = self._all(f"{self._repository}/commits/{sha}/pulls")
        return tuple(
            change
            for one in found
            if (change := as_change(one)).merged_at is not None and change.base == self._described_branch
        )

    @look
    def reviews(self, number: int) -> tuple[Review, ...]:
        """The reviews of a change, the oldest first."""
        return self._once(
            ("reviews", str(number)),
            lambda: tuple(map(as_review, self._all(f"{self._repository}/pulls/{number}/reviews"))),
        )

    @look
    def change_commits(self, number: int) -> tuple[ChangeCommit, ...]:
        """The commits of a change, with the accounts behind them where the forge knows them."""
        return self._once(("commits", str(number)), lambda: self._commits(number))

    @look
    def account(self, login: str) -> Account:
        """An account with the name and address that its profile shows."""
        return self._once(("account", login), lambda: as_account(self._one(f"/users/{quote(login, safe='')}")))

    @look
    def team(self, team: str) -> tuple[str, ...]:
        """The accounts of a team's members; raises Unobservable for a team that has none."""
        path = f"/orgs/{quote(self._described.owner, safe='')}/teams/{quote(team, safe='')}/members"
        with unreadable("members"):
            members = tuple(sorted(str(one["login"]) for one in self._all(path)))
        if not members:
            raise Unobservable(f"the team {team} has no members that the token may see")
        return members

    @look
    def runs(self, since: datetime) -> tuple[Run, ...]:
        """The builds since then that pushes and pull requests started, the newest first."""
        return self._once(("runs", since.isoformat()), lambda: tuple(self._runs(since)))

    @look
    def jobs(self, run: int) -> tuple[Job, ...]:
        """The jobs of a build."""
        return tuple(map(as_job, self._all(f"{self._repository}/actions/runs/{run}/jobs", within="jobs")))

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Described:
        forge = self.target.forge
        if forge is None:
            raise Unobservable("the target describes no forge")
        if forge.kind != "github":
            raise Unobservable(f"a forge of the kind {forge.kind} cannot be looked at yet")
        return forge

    @property
    def _repository(self) -> str:
        forge = self._described
        return f"/repos/{quote(forge.owner, safe='')}/{quote(forge.repository, safe='')}"

    @property
    def _described_branch(self) -> str:
        if self.target.repository is None:
            raise Unobservable("the target describes no repository")
        return self.target.repository.branch

    @property
    def _branch(self) -> str:
        return quote(self._described_branch, safe="/")

    def _once(self, key: tuple[str, ...], ask: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = ask()
        found: T = self._known[key]
        return found

    def _changes(self) -> tuple[Change, ...]:
        query = {"state": "closed", "base": self._described_branch, "sort": "updated", "direction": "desc"}
        found = self._all(f"{self._repository}/pulls?{urlencode(query)}")
        changes = []
        since = self.target.repository.since if self.target.repository else None
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        for one in found:
            change = as_change(one)
            # What was last touched before the rules held was not merged since.
            if since is not None and change.updated_at < since:
                break
            if change.merged_at is not None and change.base == self._described_branch:
                changes.append(change)
        return tuple(changes)

    def _commits(self, number: int) -> tuple[ChangeCommit, ...]:
        commits = tuple(map(as_commit, self._all(f"{self._repository}/pulls/{number}/commits")))
        if len(commits) >= COMMITS_SHOWN:
            raise Unobservable(f"the forge shows no more than {COMMITS_SHOWN} commits of change #{number}")
        if not commits:
            raise Unobservable(f"the forge shows no commit of change #{number}")
        return commits

    def _runs(self, since: datetime) -> Iterator[Run]:
        for one in self._all(f"{self._repository}/actions/runs", within="workflow_runs"):
            run = as_run(one)
            if run.at < since:
                return
            if run.event in {"push", "pull_request", "pull_request_target", "merge_group"}:
                yield run

    def _one(self, path: str) -> dict[str, Any]:
        found = self._get(f"{self._described.url.rstrip('/')}{path}").json()
        if not isinstance(found, dict):
            raise Unobservable(f"the forge answered {path} with something else than an object")
        return found

    def _all(self, path: str, within: str = "") -> Iterator[dict[str, Any]]:
        """Every entry of a list, page by page as the links of each page lead on."""
        root = self._described.url.rstrip("/")
        url = f"{root}{path}{'&' if '?' in path else '?'}per_page=100"
        for _ in range(PAGES):
            answer = self._get(url)
            found = answer.json()
            if within:
                found = found.get(within) if isinstance(found, dict) else None
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                raise Unobservable(f"the forge answered {path} with something else than a list")
            yield from found
            following = next_page(answer.header("link") or "")
            if not following:
                return
            url = urljoin(url, following)
            if urlsplit(url)[:2] != urlsplit(root)[:2]:
                # The token goes nowhere else.
                raise Unobservable(f"the forge's list {path} goes on at another address, {urlsplit(url).netloc}")
        raise Unobservable(f"the forge's list {path} has more than {PAGES} pages")

    def _get(self, url: str) -> Answer:
        token = secrets.resolve(self._described.token, self.session.target_folder)
        shown = self.session.redactor.add(token, "forge-token")
        answer = self._client.send(
            "GET",
            url,
            headers={
                "authorization": f"Bearer {shown}",
                "accept": "application/vnd.github+json",
                "x-github-api-version": "2022-11-28",
            },
        )
        if answer.status == 200:
            return answer
        path = urlsplit(url).path
        if answer.status == 429 or (answer.status == 403 and answer.header("x-ratelimit-remaining") == "0"):
            raise Throttled(f"the forge's rate limit stands in the way of {path}")
        if answer.status == 403 and answer.header("retry-after"):
            raise Throttled(f"the forge's limit on many requests stands in the way of {path}")
        if answer.status in {401, 403, 404}:
            why = {
                401: "the token is not accepted",
                403: "the token lacks the right",
                404: "not there, or hidden from it",
            }
            raise Refused(f"the forge answered {answer.status} to {path}: {why[answer.status]}")
        raise Unobservable(f"the forge answered {answer.status} to {path}")
