"""Makes a record and its git objects from the planned changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from dulwich.objects import Blob, ObjectID, ShaFile, Tree
from dulwich.objects import Commit as GitCommit

from upheld_reference import people
from upheld_reference.codebase import record
from upheld_reference.codebase.model import Change, Edit, Push
from upheld_reference.codebase.record import BOT, WEB, Commit, Deploy, Identity, Pull, Record, Review, Run

CI = ".github/workflows/ci.yml"
"""The workflow that every push and pull request runs."""
DEPLOY = ".github/workflows/deploy.yml"
"""The workflow that deploys."""
START_DAYS_AGO = 125
"""When the history starts."""
STEP = dt.timedelta(hours=2, minutes=35)
"""The time between two events of a change."""
FIRST_NUMBER = 214
"""The number of the first pull request; earlier ones belonged to the repository before this one."""

_TIMEZONE_SECONDS = 2 * 3600
_FIRST_AUTHOR = "jonas"
_FIRST_MESSAGE = "Start from the platform as it runs\n\nThe history before is in the archive."
_DEPLOY_AFTER = dt.timedelta(minutes=24)
_FILE, _FOLDER = 0o100644, 0o040000

Files = Mapping[str, str]
"""Blob ids by path."""


class HistoryError(Exception):
    """A planned change does not fit the files: the text that it says to have written is not there once."""


@dataclass
class Built:
    """A record with the objects that git keeps of it."""

    record: Record
    objects: list[ShaFile] = field(repr=False)


def build(files: Mapping[str, bytes], changes: Sequence[Change], now: dt.datetime) -> Built:
    """The history that leads to ``files`` by ``changes``, in their order; equal arguments give equal commit ids.

    Raises HistoryError when a change wrote a text that its file does not have.
    """
    return _Builder(now.replace(microsecond=0)).build(files, changes)


class _Builder:
    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.objects: dict[str, ShaFile] = {}
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[tuple[tuple[str, int, str], ...], str] = {}
        self.commits: dict[str, Commit] = {}
        self.pulls: list[Pull] = []
        self.runs: list[Run] = []
        self.deploys: list[Deploy] = []
        self.reviews = 0

    def build(self, files: Mapping[str, bytes], changes: Sequence[Change]) -> Built:
        first, after = self._states({path: self._blob(content) for path, content in files.items()}, changes)
        start = self.now - dt.timedelta(days=START_DAYS_AGO)
        author = record.identity(_FIRST_AUTHOR)
        main = [self._commit(first, (), _FIRST_MESSAGE, author, author, start)]
        branches: dict[str, str] = {}
        for change, states in zip(changes, after, strict=True):
            self._change(change, states, main, branches)
        branches[record.BRANCH] = main[-1]
        by_date = sorted(self.runs, key=lambda run: run.at)
        made = Record(
            commits=self.commits,
            main=tuple(reversed(main)),
            pulls=tuple(self.pulls),
            runs=tuple(by_date),
            deploys=tuple(self.deploys),
            branches=branches,
            blobs=self.blobs,
            trees={sha: one.as_raw_string() for sha, one in self.objects.items() if isinstance(one, Tree)},
        )
        return Built(made, list(self.objects.values()))

    def _states(self, files: Files, changes: Sequence[Change]) -> tuple[Files, list[list[Files]]]:
        """The files before all changes, and for each change those after each of its pushes."""
        state = files
        backwards: list[list[Files]] = []
        for change in reversed(changes):
            pushes = [event for event in change.events if isinstance(event, Push)]
            states: list[Files] = []
            if change.merged_days_ago is None:
                branch = state
                for push in pushes:
                    branch = {**branch, **{path: self._blob(text.encode()) for path, text in push.writes.items()}}
                    states.append(branch)
            else:
                for push in reversed(pushes):
                    states.insert(0, state)
                    state = self._before(state, push)
            backwards.append(states)
        return state, list(reversed(backwards))

    def _before(self, files: Files, push: Push) -> Files:
        state = {path: sha for path, sha in files.items() if not any(fnmatchcase(path, one) for one in push.adds)}
        for edit in reversed(push.edits):
            state[edit.path] = self._unedited(state, edit)
        return {**state, **{path: self._blob(text.encode()) for path, text in push.drops.items()}}

    def _unedited(self, files: Files, edit: Edit) -> str:
        text = self.blobs[files[edit.path]].decode("utf-8") if edit.path in files else ""
        count = text.count(edit.now)
        if count != 1 and not (edit.everywhere and count):
            raise HistoryError(f"{edit.path} has {edit.now[:60]!r} {count} times, not once")
        return self._blob(text.replace(edit.now, edit.before).encode("utf-8"))

    def _change(self, change: Change, states: list[Files], main: list[str], branches: dict[str, str]) -> None:
        merged_at = None if change.merged_days_ago is None else self._ago(change.merged_days_ago)
        start = self._ago(change.opened_days_ago) if merged_at is None else merged_at - len(change.events) * STEP
        base, tip = main[-1], main[-1]
        direct = change.method == "direct"
        number = FIRST_NUMBER + len(self.pulls)
        commits: list[str] = []
        reviews: list[Review] = []
        at = start
        remaining = iter(states)
        for step, event in enumerate(change.events):
            at = start + step * STEP
            if isinstance(event, Push):
                who = _author(change, event)
                tip = self._commit(next(remaining), (tip,), event.message, who, who, at)
                commits.append(tip)
                self._push(change, tip, at, event, None if direct else number)
                if direct:
                    main.append(tip)
            else:
                self.reviews += 1
                reviews.append(Review(880_000 + self.reviews, event.by, event.state, event.body, tip, at))
        if direct:
            return
        merged_as = None
        if merged_at is not None:
            merged_as = self._merge(change, number, (base, tip), merged_at)
            main.append(merged_as)
            self._run(CI, "push", record.BRANCH, merged_as, change.merged_by, merged_at)
        else:
            branches[change.branch] = tip
        opened = start + dt.timedelta(minutes=2)
        self.pulls.append(
            Pull(
                number,
                change.title,
                change.branch,
                change.author,
                base,
                tuple(commits),
                tuple(reviews),
                opened,
                merged_at or max(at, opened),
                change.method,
                merged_at,
                change.merged_by or None,
                merged_as,
            )
        )
        if change.deployed and merged_as is not None and merged_at is not None:
            self._deploy(merged_as, record.BRANCH, number, change.merged_by, merged_at + _DEPLOY_AFTER)
        if change.deployed_head:
            self._deploy(tip, change.branch, number, change.author, at + _DEPLOY_AFTER)

    def _merge(self, change: Change, number: int, parents: tuple[str, str], at: dt.datetime) -> str:
        base, tip = parents
        files = self.commits[tip].files
        if change.method == "squash":
            message = f"{change.title} (#{number})"
            return self._commit(files, (base,), message, self.commits[tip].author, WEB, at)
        message = f"Merge pull request #{number} from rivet/{change.branch}\n\n{change.title}"
        return self._commit(files, (base, tip), message, record.identity(change.merged_by), WEB, at)

    def _push(self, change: Change, sha: str, at: dt.datetime, push: Push, pull: int | None) -> None:
        branch = record.BRANCH if pull is None else change.branch
        self._run(CI, "push", branch, sha, change.author, at, None, push.failing)
        if pull is not None:
            self._run(CI, "pull_request", branch, sha, change.author, at + dt.timedelta(minutes=2), pull, push.failing)

    def _run(
        self,
        workflow: str,
        event: str,
        branch: str,
        sha: str,
        actor: str,
        at: dt.datetime,
        pull: int | None = None,
        failing: tuple[str, ...] = (),
    ) -> Run:
        number = 1 + sum(1 for run in self.runs if run.workflow == workflow)
        started = at + dt.timedelta(seconds=5)
        run = Run(7_300_000_000 + len(self.runs), number, workflow, event, branch, sha, actor, started, pull, failing)
        self.runs.append(run)
        return run

    def _deploy(self, sha: str, branch: str, pull: int, actor: str, at: dt.datetime) -> None:
        run = self._run(DEPLOY, "workflow_dispatch", branch, sha, actor, at)
        finished = at + dt.timedelta(minutes=6)
        number = 410_000 + len(self.deploys)
        self.deploys.append(Deploy(number, sha, branch, pull, run.id, actor, _allowing(actor), finished))

    def _ago(self, days: float) -> dt.datetime:
        return self.now - dt.timedelta(seconds=round(days * 86_400))

    def _blob(self, content: bytes) -> str:
        sha = Blob.from_string(content).id.decode("ascii")
        self.blobs[sha] = content
        return sha

    def _commit(
        self,
        files: Files,
        parents: tuple[str, ...],
        message: str,
        author: Identity,
        committer: Identity,
        at: dt.datetime,
    ) -> str:
        tree = self._tree(files)
        made = GitCommit()
        made.tree = ObjectID(tree.encode("ascii"))
        made.parents = [ObjectID(parent.encode("ascii")) for parent in parents]
        made.author = f"{author.name} <{author.email}>".encode()
        made.committer = f"{committer.name} <{committer.email}>".encode()
        made.author_time = made.commit_time = int(at.timestamp())
        made.author_timezone = made.commit_timezone = _TIMEZONE_SECONDS
        made.encoding = b"UTF-8"
        made.message = f"{message}\n".encode()
        sha = made.id.decode("ascii")
        self.objects[sha] = made
        self.commits[sha] = Commit(sha, tree, parents, message, author, committer, at, files)
        return sha

    def _tree(self, files: Files) -> str:
        """The id of the tree with these files; folders that are as in an earlier tree are not made again."""
        folders: dict[str, list[tuple[str, int, str]]] = {"": []}
        for path, sha in files.items():
            folder, _, name = path.rpartition("/")
            if folder not in folders:
                for above in _parents(folder):
                    folders.setdefault(above, [])
            folders[folder].append((name, _FILE, sha))
        made = ""
        for folder in sorted(folders, key=lambda one: one.count("/") if one else -1, reverse=True):
            entries = tuple(sorted(folders[folder]))
            made = self.trees.get(entries) or self._new_tree(entries)
            if folder:
                above, _, name = folder.rpartition("/")
                folders[above].append((name, _FOLDER, made))
        return made

    def _new_tree(self, entries: tuple[tuple[str, int, str], ...]) -> str:
        tree = Tree()
        for name, mode, sha in entries:
            if mode == _FILE and sha not in self.objects:  # what no tree has, the repository need not keep
                self.objects[sha] = Blob.from_string(self.blobs[sha])
            tree.add(name.encode("utf-8"), mode, ObjectID(sha.encode("ascii")))
        made = tree.id.decode("ascii")
        self.trees[entries] = made
        self.objects[made] = tree
        return made


def _allowing(actor: str) -> str:
    """Somebody of operations who works here and did not start the deploy."""
    return next(one.login for one in people.working() if "operations" in one.teams and one.login != actor)


def _parents(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def _author(change: Change, push: Push) -> Identity:
    if push.identity is not None:
        return Identity(*push.identity, login=None)
    return BOT if change.author == BOT.login else record.identity(change.author)
