"""A stranger's project under git with checks of its own over its files and over what they stand for as a deployment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld.catalogue import LazyCatalogue
from upheld.cli.run import engine
from upheld.gating.baseline import Baseline
from upheld.gating.deciding import Wanted, decide
from upheld.gating.outcome import Outcome
from upheld.model import Run
from upheld.plugin.audit import Audit
from upheld.reporting import run_json
from upheld.resources import check_folders
from upheld.target.start import find

CHECKS = '''
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from upheld import INSPECTED, OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.base import Probe, look
from upheld.probes.codebase import Codebase
from upheld.probes.http import Http
from upheld.probes.tls_in_code import TlsInCode


class Outside(Probe):
    """A deployment, in a file of whoever runs the test."""

    name: ClassVar[str] = "outside_of_%(mark)s"
    detached = True

    @look
    def says(self) -> str:
        """What it says: the first line, which is gone when it was said."""
        lines = Path(os.environ["OUTSIDE"]).read_text().splitlines()
        if not lines or lines[0] == "down":
            raise Unobservable("it is down")
        Path(os.environ["OUTSIDE"]).write_text("\\n".join(lines[1:] or lines[:1]))
        return lines[0]


@check(basis=INSPECTED)
def has_no_plain_url(tls_in_code: TlsInCode, *, host: str = "shop.example.com") -> Iterator[Finding | NotObserved]:
    """The code has no plain URL of the host."""
    read = tls_in_code.read((host,), ())
    for path, reason in read.unread:
        yield NotObserved(path, reason)
    for one in read.plain:
        yield Finding(one, False, "https", one.text)
    yield Finding("the code", True, "https", f"{read.files} files")


@check(basis=INSPECTED)
def has_a_lock_file(codebase: Codebase) -> Iterator[Finding]:
    """Dependencies are pinned."""
    for one in codebase.lock_files():
        yield Finding(one, True, "a lock file", "is there")


@check(basis=OBSERVED)
def says_good(outside: Outside) -> Iterator[Finding]:
    """The deployment says good."""
    said = outside.says()
    yield Finding("the deployment", said == "good", "good", said)


@check(basis=OBSERVED)
def says_bad_twice(outside: Outside) -> Iterator[Finding]:
    """The deployment says bad about two things."""
    said = outside.says()
    yield Finding("one thing", said == "bad", "bad", said)
    yield Finding("another thing", said == "bad", "bad", said)


@check(basis=OBSERVED)
def answers(http: Http) -> Iterator[Finding]:
    """The deployment answers."""
    for one in http.endpoints():
        yield Finding(one, True, "an answer", "an answer")
'''
TARGET = """upheld: target/1
name: shop
environment: staging
repository: {path: ".", code: [app]}
"""
PLAIN = 'URL = "http://shop.example.com/x"\n'
GOOD = 'URL = "https://shop.example.com/x"\n'


class Project:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.beside = folder.parent
        self.git("init", "-q", "-b", "main", ".")
        self.outside = self.beside / "outside"
        self.baseline_of: Callable[[Run], Baseline] = Baseline.of_run
        self.outside.write_text("good")
        monkeypatch.setenv("OUTSIDE", str(self.outside))
        self.write("checks/own.py", CHECKS.replace("%(mark)s", f"n{abs(hash(str(folder)))}"))
        self.write("target.yaml", TARGET)
        self.write("app/a.py", GOOD)
        self.write("app/b.py", "ONE = 1\nTWO = 2\n")
        self.write("requirements.lock", "jinja2==3.1.6\n")
        self.write("README.md", "A shop.\n")
        self.policy("own.has_no_plain_url")

    def git(self, *arguments: str) -> str:
        names = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env={**os.environ, **names},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def policy(self, *checks: str, more: str = "") -> None:
        claims = "".join(
            f"  - {{id: c{number}, statement: 'Promise {number}.', section: S, severity: high, owner: o, checks: [{one}]}}\n"
            for number, one in enumerate(checks, 1)
        )
        self.write("policies.yaml", f"upheld: policy/1\nname: shop\n{more}claims:\n{claims}")

    def full(self) -> Run:
        """A full run of what is committed then: only of such a one the files can be compared with later."""
        self.commit()
        return self.gate().run

    def gate(
        self, *, base: Run | None = None, baseline: Run | Baseline | None = None, cache: bool = False, **wanted: Any
    ) -> Outcome:
        policy = self.folder / "policies.yaml"
        source = find(str(self.folder / "target.yaml"))
        if isinstance(baseline, Run):
            baseline = self.baseline_of(baseline)
        asked = Wanted(base=base, baseline=baseline, cache=self.beside / "cache" if cache else None, **wanted)
        state = self.beside / "state"
        with Audit(policy, source, catalogue=LazyCatalogue(*check_folders(policy)), state=state) as audit:
            outcome = decide(audit, asked, lambda pending: engine(pending, 0))
        # What is compared with later is what was written.
        run = run_json.loads(run_json.dumps(outcome.run), Path("run.json"))
        assert run == outcome.run
        return outcome


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "shop").mkdir()
    made = Project(tmp_path / "shop", monkeypatch)
    made.commit()
    return made
