"""A stranger's project on which the `upheld` command is really run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKS = '''
from collections.abc import Iterator

from upheld import ATTESTED, OBSERVED, Finding, NotObserved, check
from upheld.probes.clock import Clock


@check(basis=OBSERVED)
def holds(clock: Clock, *, days: int = 3) -> Iterator[Finding]:
    """The thing is as it should be."""
    clock.now()
    yield Finding("the thing", passed=True, expected="good", observed="good")


@check(basis=OBSERVED)
def is_broken(clock: Clock) -> Iterator[Finding]:
    """The other thing is as it should be."""
    clock.now()
    yield Finding("the other thing", passed=False, expected="good", observed="it is bad")


@check(basis=OBSERVED)
def is_dark(clock: Clock) -> Iterator[NotObserved]:
    """The third thing is as it should be."""
    clock.now()
    yield NotObserved("the third thing", "connection refused by it")


@check(basis=ATTESTED)
def is_sworn(clock: Clock) -> Iterator[Finding]:
    """Somebody said so."""
    clock.now()
    yield Finding("the oath", passed=True, expected="an oath", observed="an oath")


@check(basis=OBSERVED)
def is_slow(clock: Clock) -> Iterator[Finding]:
    """It takes its time."""
    clock.wait(60)
    yield Finding("the slow one", passed=True, expected="", observed="")
'''


@dataclass
class Project:
    folder: Path

    def policy(self, text: str, name: str = "policies.yaml") -> None:
        (self.folder / name).write_text("upheld: policy/1\nname: stranger\n" + text, encoding="utf-8")

    def claims(self, *claims: tuple[str, str], extra: str = "") -> None:
        lines = [
            f'  - {{id: {claim}, statement: "Promise {claim}.", section: S, severity: low, owner: platform{extra}, checks: [{checks}]}}'
            for claim, checks in claims
        ]
        self.policy("claims:\n" + "\n".join(lines) + "\n")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "from upheld.cli.main import main; main()", *arguments]

    def upheld(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "160", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def run_json(self) -> dict:
        return json.loads((self.folder / "reports" / "latest" / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "own.py").write_text(CHECKS, encoding="utf-8")
    (tmp_path / "target.yaml").write_text(
        "upheld: target/1\nname: nothing much\nenvironment: staging\n", encoding="utf-8"
    )
    return Project(tmp_path)
