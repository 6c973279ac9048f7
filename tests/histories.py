"""A long history with a forge that approves its last changes, and its audit: one generator for the benchmark and the tests."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upheld import Finding
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.git import Git
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.model import Target

from .loopback import web
from .repositories import TOKEN, GitHub, Pull, forge_commit

CHANGES = 250
CHECKS = ("reviews.every_commit_was_approved_by_someone_else", "reviews.protection_forbids_unreviewed_changes")
STEP = timedelta(minutes=20)


def make(folder: Path, commits: int, end: datetime) -> list[str]:
    """A bare repository with so many commits on one line; gives the ids of the last `CHANGES` with the newest first."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    lines: list[bytes] = []
    for number in range(commits):
        at = int((end - (commits - 1 - number) * STEP).timestamp())
        message, content = b"Change %d\n\nIt was time.\n" % number, b"content %d\n" % number
        lines.append(
            b"commit refs/heads/main\nauthor Anna Adler <anna@shop.example.com> %d +0000\ncommitter GitHub <noreply@github.com> %d +0000\n"
            b"data %d\n%sM 100644 inline src/%d.py\ndata %d\n%s\n"
            % (at, at, len(message), message, number % 7, len(content), content)
        )
    importing = ["git", "-C", str(folder), "fast-import", "--quiet", "--depth=0"]
    subprocess.run(importing, input=b"".join(lines), check=True)
    listing = ["git", "-C", str(folder), "rev-list", f"--max-count={CHANGES}", "main"]
    return subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()


def forge(newest_first: list[str], end: datetime) -> GitHub:
    """A forge on which each of these commits came by a change that somebody else approved."""
    made = GitHub(newest_first[0])
    made.page_size = 100
    for number, sha in enumerate(newest_first, 1):
        at = end - (number - 1) * STEP
        head = f"{number:040x}"
        pull = Pull(number, "anna", head, [forge_commit(head)], sha, at)
        pull.reviews.append(("ben", "APPROVED", head, at - timedelta(minutes=5)))
        made.pulls.append(pull)
    return made


def session(target: Target, folder: Path) -> Session:
    """A session over that target."""
    return Session(target, Redactor(), Scope(target), folder / "scratch", target_folder=folder)


@dataclass(frozen=True)
class Audited:
    """What an audit of such a history came to: how many findings, those that are no pass, commits read, and the seconds of each part.

    `peak` is the peak memory of this process in bytes.
    """

    findings: int
    wrong: tuple[object, ...]
    commits: int
    judging: float
    reading: float
    peak: int


def audit(commits: int) -> Audited:
    """Make a history of so many commits, judge the review claim over its last changes, and then read all of it without a forge."""
    import resource

    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        newest_first = make(folder / "app.git", commits, end)
        (folder / "token").write_text(TOKEN, encoding="utf-8")
        repository = {"path": "app.git", "branch": "main"}
        parts = {"name": "bench", "environment": "reference"}
        with web(forge(newest_first, end)) as port:
            hub = {"url": f"http://127.0.0.1:{port}", "owner": "shop", "repository": "app", "token": "file:token"}
            since = {"since": end - (CHANGES - 1) * STEP}
            target = Target.model_validate({**parts, "repository": repository | since, "forge": hub})
            catalogue = Catalogue.load(Path(__file__).parents[1] / "checks")
            opened = session(target, folder)
            started = time.perf_counter()
            found = []
            for check in (catalogue[one] for one in CHECKS):
                with opened.recording("bench"):
                    found += list(check.function(*(opened.probe(kind) for kind in check.probes.values())))
            judging = time.perf_counter() - started
            opened.close()
        whole = session(Target.model_validate({**parts, "repository": repository}), folder)
        started = time.perf_counter()
        with whole.recording("bench"):
            git, after, count = whole.probe(Git), "", 0
            assert isinstance(git, Git)
            while True:
                page = git.commits(after)
                count, after = count + len(page.commits), page.following
                if not after:
                    break
        reading = time.perf_counter() - started
        whole.close()
    wrong = tuple(one for one in found if not (isinstance(one, Finding) and one.passed))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Audited(len(found), wrong, count, judging, reading, peak)
