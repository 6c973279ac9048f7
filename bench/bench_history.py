"""The review claim over a repository of 100,000 commits, with a forge on this machine that answers like GitHub.

Promise: under 20 s, from opening the repository to the last finding, where the rules hold for the last 250 changes. Beside it the
whole history is read as if the rules held from the first commit on, without a forge, for there each change costs the forge's own
requests. Prints seconds, commits a second and the peak memory; exits 1 when the promise is broken.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.loopback import web  # noqa: E402  (the tests' forge and servers lie beside the package, not in it)
from tests.repositories import TOKEN, GitHub, Pull, forge_commit  # noqa: E402

from upheld import Finding  # noqa: E402
from upheld.catalogue import Catalogue  # noqa: E402
from upheld.probes.base import Session  # noqa: E402
from upheld.probes.git import Git  # noqa: E402
from upheld.probes.scope import Scope  # noqa: E402
from upheld.redaction import Redactor  # noqa: E402
from upheld.target.model import Target  # noqa: E402

PROMISED_SECONDS = 20.0
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


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=100_000)
    options = parser.parse_args()
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        newest_first = make(folder / "app.git", options.commits, end)
        (folder / "token").write_text(TOKEN, encoding="utf-8")
        repository = {"path": "app.git", "branch": "main"}
        with web(forge(newest_first, end)) as port:
            target = Target.model_validate(
                {
                    "name": "bench",
                    "environment": "reference",
                    "repository": repository | {"since": end - (CHANGES - 1) * STEP},
                    "forge": {
                        "url": f"http://127.0.0.1:{port}",
                        "owner": "shop",
                        "repository": "app",
                        "token": "file:token",
                    },
                }
            )
            catalogue = Catalogue.load(ROOT / "checks")
            opened = session(target, folder)
            started = time.perf_counter()
            found = []
            for check in (catalogue[one] for one in CHECKS):
                with opened.recording("bench"):
                    found += list(check.function(*(opened.probe(kind) for kind in check.probes.values())))
            seconds = time.perf_counter() - started
            opened.close()
        wrong = [one for one in found if not (isinstance(one, Finding) and one.passed)]
        if wrong or len(found) <= CHANGES:
            sys.exit(f"{len(found)} findings, of which {len(wrong)} are no pass: {wrong[:1]}")
        print(
            f"review claim, {options.commits:,} commits, the last {CHANGES} judged: {seconds:.1f} s (promised {PROMISED_SECONDS:.0f} s)",
            flush=True,
        )
        whole = session(
            Target.model_validate({"name": "bench", "environment": "reference", "repository": repository}), folder
        )
        started = time.perf_counter()
        with whole.recording("bench"):
            git, after, count = whole.probe(Git), "", 0
            assert isinstance(git, Git)
            while True:
                page = git.commits(after)
                count, after = count + len(page.commits), page.following
                if not after:
                    break
        took = time.perf_counter() - started
        whole.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"whole history, {count:,} commits: {took:.1f} s, {count / took:,.0f} a second; peak {peak} MB", flush=True
        )
    sys.exit(0 if seconds < PROMISED_SECONDS and count == options.commits else 1)


if __name__ == "__main__":
    main()
