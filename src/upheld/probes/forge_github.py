"""GitHub's REST API, of github.com and of GitHub Enterprise Server, as the forge probe asks it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from upheld.errors import Throttled, Unobservable
from upheld.probes.forge_answers import (
    PAGES,
    Account,
    Branch,
    Change,
    ChangeCommit,
    Job,
    Protection,
    Review,
    Run,
    moment,
    refusal,
    unreadable,
)
from upheld.probes.git import Person, co_authors
from upheld.probes.http_client import Answer, HttpClient
from upheld.target import secrets

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.code import Forge as Described

COMMITS_SHOWN = 250
"""Commits of one change that GitHub shows at the most."""
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[a-z*]+\s*=\s*(?:"[^"]*"|[^",;\s]+))*)', re.IGNORECASE)


class GitHub:
    """One repository on GitHub; a `Vendor`."""

    def __init__(self, session: Session, described: Described) -> None:
        """Asks nothing yet."""
        self._session = session
        self._described = described
        self._client = HttpClient(session)

    def branch(self, branch: str) -> Branch:
        """The branch with its end."""
        found = self._one(f"{self._repository}/branches/{quote(branch)}")
        with unreadable("branch"):
            return Branch(str(found["name"]), str(found["commit"]["sha"]), found["protected"] is True)

    def protection(self, branch: str) -> Protection:
        """The protection of the branch and the rules of rulesets."""
        place = f"{self._repository}/branches/{quote(branch)}"
        found = self._one(place)
        rules = list(self._all(f"{self._repository}/rules/branches/{quote(branch)}"))
        with unreadable("rules"):
            # Who may go round a rule stands in the ruleset only.
            numbers = sorted({rule["ruleset_id"] for rule in rules})
            sets = [self._one(f"{self._repository}/rulesets/{number}") for number in numbers]
            classic = None
            # Rulesets make a branch "protected" as well; then there may be no protection of its own.
            if found["protected"] is True and not (rules and not found.get("protection", {}).get("enabled", True)):
                classic = self._one(f"{place}/protection")
            return _as_protection(classic, rules, sets)

    def changes(self, branch: str, since: datetime | None) -> Iterator[Change]:
        """What was merged into the branch, what was touched last first."""
        query = {"state": "closed", "base": branch, "sort": "updated", "direction": "desc"}
        for one in self._all(f"{self._repository}/pulls?{urlencode(query)}"):
            change = _as_change(one)
            # What was last touched before the rules held was not merged since.
            if since is not None and change.updated_at < since:
                return
            if change.merged_at is not None:
                yield change

    def changes_of(self, sha: str) -> Iterator[Change]:
        """The changes that a commit came by."""
        return map(_as_change, self._all(f"{self._repository}/commits/{sha}/pulls"))

    def reviews(self, number: int) -> tuple[Review, ...]:
        """The reviews of a change, the oldest first."""
        return tuple(map(_as_review, self._all(f"{self._repository}/pulls/{number}/reviews")))

    def commits(self, number: int) -> tuple[ChangeCommit, ...]:
        """The commits of a change, which GitHub shows up to a number only."""
        commits = tuple(map(_as_commit, self._all(f"{self._repository}/pulls/{number}/commits")))
        if len(commits) >= COMMITS_SHOWN:
            raise Unobservable(f"the forge shows no more than {COMMITS_SHOWN} commits of change #{number}")
        return commits

    def account(self, login: str) -> Account:
        """An account with the name and address that its profile shows."""
        return _as_account(self._one(f"/users/{quote(login, safe='')}"))

    def team(self, team: str) -> tuple[str, ...]:
        """The accounts of a team's members."""
        path = f"/orgs/{quote(self._described.owner, safe='')}/teams/{quote(team, safe='')}/members"
        with unreadable("members"):
            return tuple(str(one["login"]) for one in self._all(path))

    def runs(self, since: datetime) -> Iterator[Run]:
        """The builds since then that pushes and pull requests started, the newest first."""
        for one in self._all(f"{self._repository}/actions/runs", within="workflow_runs"):
            run = _as_run(one)
            if run.at < since:
                return
            if run.event in {"push", "pull_request", "pull_request_target", "merge_group"}:
                yield run

    def jobs(self, run: int) -> tuple[Job, ...]:
        """The jobs of a build."""
        return tuple(map(_as_job, self._all(f"{self._repository}/actions/runs/{run}/jobs", within="jobs")))

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _repository(self) -> str:
        return f"/repos/{quote(self._described.owner, safe='')}/{quote(self._described.repository, safe='')}"

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
            following = _next_page(answer.header("link") or "")
            if not following:
                return
            url = urljoin(url, following)
            if urlsplit(url)[:2] != urlsplit(root)[:2]:
                # The token goes nowhere else.
                raise Unobservable(f"the forge's list {path} goes on at another address, {urlsplit(url).netloc}")
        raise Unobservable(f"the forge's list {path} has more than {PAGES} pages")

    def _get(self, url: str) -> Answer:
        token = secrets.resolve(self._described.token, self._session.target_folder)
        shown = self._session.redactor.add(token, "forge-token")
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
        if answer.status == 403 and answer.header("retry-after"):
            raise Throttled(f"the forge's limit on many requests stands in the way of {path}")
        raise refusal(
            answer.status, path, limited=answer.status == 403 and answer.header("x-ratelimit-remaining") == "0"
        )


def _next_page(header: str) -> str:
    """Where a list goes on by its Link header (RFC 8288); empty at the end."""
    for url, parameters in _LINK.findall(header):
        if re.search(r'(?i);\s*rel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?\s*(?:;|$)', parameters):
            return str(url)
    return ""


def _login(user: Mapping[str, Any] | None) -> str:
    """The account's name; GitHub shows an account that was deleted as nobody, and as "ghost"."""
    return str(user["login"]) if user else "ghost"


def _is_bot(user: Mapping[str, Any] | None) -> bool:
    return user is not None and (user.get("type") != "User" or str(user["login"]).endswith("[bot]"))


def _as_change(one: Mapping[str, Any]) -> Change:
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
            merged_at=moment(merged) if merged else None,
            updated_at=moment(one["updated_at"]),
        )


def _as_review(one: Mapping[str, Any]) -> Review:
    """A review of a list. One that is not submitted yet has no time and counts as made at the end of all time."""
    with unreadable("a review"):
        at = one.get("submitted_at")
        return Review(
            by=_login(one["user"]),
            bot=_is_bot(one["user"]),
            state=str(one["state"]).upper(),
            commit=str(one.get("commit_id") or ""),
            at=moment(at) if at else datetime.max.replace(tzinfo=UTC),
        )


def _as_commit(one: Mapping[str, Any]) -> ChangeCommit:
    """A commit of a change."""
    with unreadable("a commit"):
        made = one["commit"]
        people = [Person(str(made[who]["name"]), str(made[who]["email"])) for who in ("author", "committer")]
        accounts = [str(one[who]["login"]) if one.get(who) else None for who in ("author", "committer")]
        also = co_authors(str(made["message"]))
        return ChangeCommit(str(one["sha"]), people[0], accounts[0], people[1], accounts[1], also)


def _as_account(one: Mapping[str, Any]) -> Account:
    """An account."""
    with unreadable("an account"):
        return Account(str(one["login"]), str(one.get("name") or ""), str(one.get("email") or ""), _is_bot(one))


def _as_run(one: Mapping[str, Any]) -> Run:
    """A build."""
    with unreadable("a build"):
        return Run(
            id=int(one["id"]),
            workflow=str(one["path"]),
            event=str(one["event"]),
            commit=str(one["head_sha"]),
            branch=str(one.get("head_branch") or ""),
            at=moment(one["created_at"]),
            status=str(one["status"]),
            conclusion=str(one.get("conclusion") or ""),
        )


def _as_job(one: Mapping[str, Any]) -> Job:
    """A job."""
    with unreadable("a job"):
        return Job(str(one["name"]), str(one["status"]), str(one.get("conclusion") or ""))


def _as_protection(
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
