"""Real git repositories and a forge that answers like GitHub, made for one test each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo

from .loopback import Page

NOW = datetime.now(UTC).replace(microsecond=0)
TOKEN = "forge-read-only-0123456789"
PEOPLE = {
    "anna": ("Anna Adler", "anna@shop.example.com"),
    "ben": ("Ben Berg", "ben@shop.example.com"),
    "sec": ("Sol Secure", "sol@shop.example.com"),
}
WEB = ("GitHub", "noreply@github.com")


def days(number: float) -> datetime:
    return NOW - timedelta(days=number)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class GitRepository:
    """A bare repository below a folder; commits are made of whole trees."""

    def __init__(self, folder: Path, branch: str = "main") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.branch = branch
        self.git = Repo.init_bare(str(folder))
        self.files: dict[str, bytes] = {}
        self.end = ""

    def commit(
        self,
        files: Mapping[str, str | None],
        *,
        at: datetime,
        author: tuple[str, str] = PEOPLE["anna"],
        committer: tuple[str, str] | None = None,
        message: str = "Change something",
        parents: tuple[str, ...] | None = None,
        move: bool = True,
    ) -> str:
        """A commit with the files of the last one and these; with `move` the branch ends with it."""
        for path, text in files.items():
            self.files.pop(path, None)
            if text is not None:
                self.files[path] = text.encode()
        made = Commit()
        made.tree = self._tree(self.files)
        made.parents = [one.encode() for one in (parents if parents is not None else (self.end,) if self.end else ())]
        made.author = f"{author[0]} <{author[1]}>".encode()
        made.committer = "{} <{}>".format(*(committer or author)).encode()
        made.author_time = made.commit_time = int(at.timestamp())
        made.author_timezone = made.commit_timezone = 0
        made.message = message.encode()
        self.git.object_store.add_object(made)
        sha = made.id.decode()
        if move:
            self.end = sha
            self.git.refs[f"refs/heads/{self.branch}".encode()] = made.id
        return sha

    def _tree(self, files: Mapping[str, bytes]) -> bytes:
        tree = Tree()
        folders: dict[str, dict[str, bytes]] = {}
        for path, content in files.items():
            first, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(first, {})[rest] = content
            else:
                blob = Blob.from_string(content)
                self.git.object_store.add_object(blob)
                tree.add(first.encode(), 0o100644, blob.id)
        for name, inside in folders.items():
            tree.add(name.encode(), 0o040000, self._tree(inside))
        self.git.object_store.add_object(tree)
        return tree.id


def person(login: str, kind: str = "User") -> dict[str, Any]:
    return {"login": login, "type": kind}


@dataclass
class Pull:
    """A pull request of the forge; `reviews` are (account, state, commit, when)."""

    number: int
    author: str
    head: str
    commits: list[dict[str, Any]]
    merged_as: str
    merged_at: datetime
    reviews: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    title: str = "Change something"
    base: str = "main"

    def shown(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "title": self.title,
            "user": person(self.author),
            "base": {"ref": self.base},
            "head": {"sha": self.head},
            "merge_commit_sha": self.merged_as,
            "merged_at": stamp(self.merged_at),
            "updated_at": stamp(self.merged_at),
        }


def forge_commit(
    sha: str,
    author: str | None = "anna",
    name: tuple[str, str] | None = None,
    committer: str | None = None,
    committer_name: tuple[str, str] | None = None,
    message: str = "Change something",
) -> dict[str, Any]:
    """A commit as the forge shows it: by an account, or by a name without one."""
    whom = name or PEOPLE[author or "anna"]
    by = committer_name or PEOPLE.get(committer or "", whom)
    account = committer or (author if committer_name is None else None)
    return {
        "sha": sha,
        "commit": {
            "author": {"name": whom[0], "email": whom[1]},
            "committer": {"name": by[0], "email": by[1]},
            "message": message,
        },
        "author": person(author) if author else None,
        "committer": person(account) if account else None,
    }


PROTECTED: dict[str, Any] = {
    "required_pull_request_reviews": {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews": True,
        "require_last_push_approval": True,
        "require_code_owner_reviews": True,
    },
    "enforce_admins": {"enabled": True},
    "allow_force_pushes": {"enabled": False},
    "allow_deletions": {"enabled": False},
}


class GitHub:
    """Answers like GitHub's API about one repository, a few entries a page; what `broken` names, it answers so."""

    def __init__(self, head: str = "") -> None:
        self.head = head
        self.pulls: list[Pull] = []
        self.protection: dict[str, Any] | None = PROTECTED
        self.protected = True
        self.rules: list[dict[str, Any]] = []
        self.rulesets: dict[int, dict[str, Any]] = {}
        self.accounts = {
            login: {"login": login, "type": "User", "name": p[0], "email": p[1]} for login, p in PEOPLE.items()
        }
        self.accounts["robot[bot]"] = {"login": "robot[bot]", "type": "Bot", "name": None, "email": None}
        self.teams = {"security": ["sec"]}
        self.runs: list[dict[str, Any]] = []
        self.jobs: dict[int, list[dict[str, Any]]] = {}
        self.broken: dict[str, Page] = {}
        self.page_size = 2
        self.elsewhere = ""
        self.asked: list[str] = []

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Page:
        assert method == "GET"
        self.asked.append(path)
        if {k.lower(): v for k, v in headers.items()}.get("authorization") != f"Bearer {TOKEN}":
            return 401, {}, b'{"message": "Bad credentials"}'
        parts = urlsplit(path)
        for ending, page in self.broken.items():
            if parts.path.endswith(ending):
                return page
        found = self._found(parts.path.removeprefix("/repos/shop/app"))
        if found is None:
            return 404, {}, b'{"message": "Not Found"}'
        within = next((key for key in ("workflow_runs", "jobs") if isinstance(found, dict) and key in found), None)
        entries = found[within] if within else found
        if not isinstance(entries, list):
            return 200, {}, json.dumps(found).encode()
        number = int(parse_qs(parts.query).get("page", ["1"])[0])
        shown = entries[(number - 1) * self.page_size : number * self.page_size]
        link = {}
        if number * self.page_size < len(entries):
            query = f"{parts.query.partition('&page=')[0]}&page={number + 1}"
            link = {"Link": f'<{self.elsewhere}{parts.path}?{query}>; rel="next", <{parts.path}>; rel="first"'}
        return 200, link, json.dumps({within: shown} if within else shown).encode()

    def _found(self, path: str) -> Any:  # noqa: PLR0911  (one return for each path)
        match path.strip("/").split("/"):
            case ["branches", "main"]:
                return {"name": "main", "commit": {"sha": self.head}, "protected": self.protected}
            case ["branches", "main", "protection"]:
                return self.protection
            case ["rules", "branches", "main"]:
                return self.rules
            case ["rulesets", number]:
                return self.rulesets.get(int(number))
            case ["pulls"]:
                return [one.shown() for one in self.pulls]
            case ["pulls", number, "reviews"]:
                return [
                    {
                        "user": person(by, "Bot" if by.endswith("[bot]") else "User"),
                        "state": state,
                        "commit_id": commit,
                        "submitted_at": stamp(at),
                    }
                    for by, state, commit, at in self._pull(number).reviews
                ]
            case ["pulls", number, "commits"]:
                return self._pull(number).commits
            case ["commits", sha, "pulls"]:
                return [
                    one.shown()
                    for one in self.pulls
                    if sha in {one.merged_as, one.head, *(commit["sha"] for commit in one.commits)}
                ]
            case ["users", login]:
                return self.accounts.get(login.replace("%5Bbot%5D", "[bot]"))
            case ["orgs", "shop", "teams", team, "members"]:
                return [person(login) for login in self.teams[team]] if team in self.teams else None
            case ["actions", "runs"]:
                return {"workflow_runs": self.runs}
            case ["actions", "runs", number, "jobs"]:
                return {"jobs": self.jobs.get(int(number), [])}
        return None

    def _pull(self, number: str) -> Pull:
        return next(one for one in self.pulls if one.number == int(number))


class Shop:
    """A repository with a forge: a first commit, and then changes that were merged."""

    def __init__(self, folder: Path) -> None:
        self.repository = GitRepository(folder / "repository")
        self.forge = GitHub()
        self.first = self.repository.commit({"README.md": "shop\n"}, at=days(100), message="Begin")
        self.forge.head = self.first

    def merge(
        self,
        files: Mapping[str, str | None],
        *,
        by: str = "anna",
        approved_by: str | None = "ben",
        days_ago: float = 10.0,
        squash: bool = False,
    ) -> Pull:
        """A change by one that another approved, merged with the forge's button."""
        base = self.repository.end
        number = 1 + len(self.forge.pulls)
        head = self.repository.commit(
            files, at=days(days_ago + 0.2), author=PEOPLE[by], message=f"Work {number}", move=False
        )
        merged = self.repository.commit(
            {},
            at=days(days_ago),
            author=PEOPLE[by],
            committer=WEB,
            message=f"Merge #{number}",
            parents=(base,) if squash else (base, head),
        )
        pull = Pull(number, by, head, [forge_commit(head, by)], merged, days(days_ago))
        if approved_by:
            pull.reviews.append((approved_by, "APPROVED", head, days(days_ago + 0.1)))
        self.forge.pulls.insert(0, pull)
        self.forge.head = merged
        return pull

    def described(self, port: int, **repository: Any) -> dict[str, Any]:
        """The parts of a target."""
        return {
            "repository": {"path": "repository", "since_commit": self.first, **repository},
            "forge": {
                "url": f"http://127.0.0.1:{port}",
                "owner": "shop",
                "repository": "app",
                "token": "env:FORGE_TOKEN",
            },
            "secret_values": {"FORGE_TOKEN": TOKEN},
        }
