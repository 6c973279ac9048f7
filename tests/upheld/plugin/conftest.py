"""A stranger's project with a policy, checks of its own and a target, on which pytest is really run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKS = '''
import os
import signal
from collections.abc import Iterator

from upheld import OBSERVED, Finding, NotObserved, check
from upheld.probes.clock import Clock


@check(basis=OBSERVED)
def holds(clock: Clock, *, subject: str = "the thing") -> Iterator[Finding]:
    """The thing is as it should be."""
    clock.now()
    yield Finding(subject, passed=True, expected="good", observed="good")


@check(basis=OBSERVED)
def is_broken(clock: Clock) -> Iterator[Finding]:
    """The other thing is as it should be."""
    clock.now()
    yield Finding("the other thing", passed=False, expected="good <b>&", observed="bad \\x1b[31m<script>")


@check(basis=OBSERVED)
def is_dark(clock: Clock) -> Iterator[NotObserved]:
    """The third thing is as it should be."""
    clock.now()
    yield NotObserved("the third thing", "connection refused by it")


@check(basis=OBSERVED)
def kills_its_worker(clock: Clock) -> Iterator[Finding]:
    """The worker lives."""
    clock.now()
    yield Finding("the worker", passed=True, expected="alive", observed="alive")
    os.kill(os.getpid(), signal.SIGKILL)


@check(basis=OBSERVED)
def is_large(clock: Clock) -> Iterator[Finding]:
    """A large thing is as it should be."""
    clock.now()
    yield Finding("large", passed=True, expected="good", observed="x" * 300_000)
'''


@dataclass
class Project:
    folder: Path

    def policy(self, *claims: tuple[str, str], name: str = "policies.yaml") -> None:
        lines = [
            f'  - {{id: {claim}, statement: "Promise {claim}.", section: S, severity: low, owner: platform, checks: [{check}]}}'
            for claim, check in claims
        ]
        text = "upheld: policy/1\nname: stranger\nclaims:\n" + "\n".join(lines) + "\n"
        (self.folder / name).write_text(text, encoding="utf-8")

    def pytest(self, *arguments: str, target: str | None = "target.yaml") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", *arguments, *(["--target", target] if target else [])]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "160"}
        command += ["-p", "xdist.plugin", "-p", "upheld.plugin"]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def run_json(self) -> dict:
        return json.loads((self.folder / "out" / "run.json").read_text(encoding="utf-8"))

    def results(self) -> dict[str, tuple[str, str]]:
        return {
            check["id"].split(".")[1]: (check["verdict"], check["reason"])
            for claim in self.run_json()["claims"]
            for check in claim["checks"]
        }


@pytest.fixture
def project(tmp_path):
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "own.py").write_text(textwrap.dedent(CHECKS), encoding="utf-8")
    (tmp_path / "target.yaml").write_text(
        "upheld: target/1\nname: nothing much\nenvironment: staging\n", encoding="utf-8"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return Project(tmp_path)
