"""A stranger's project with a policy, checks of its own and a target, on which pytest and `upheld` are really run, and a real browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..fuzzing import told

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FUZZED: list[dict[str, Any]] = []

CHECKS = '''
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from upheld import ATTESTED, OBSERVED, Finding, NotObserved, check
from upheld.probes.clock import Clock


@check(basis=OBSERVED)
def holds(clock: Clock, *, subject: str = "the thing", days: int = 3) -> Iterator[Finding]:
    """The thing is as it should be."""
    clock.now()
    yield Finding(subject, passed=True, expected="good", observed="good")


@check(basis=OBSERVED)
def is_broken(clock: Clock) -> Iterator[Finding]:
    """The other thing is as it should be."""
    clock.now()
    yield Finding("the other thing", passed=False, expected="good <b>&", observed="it is bad \\x1b[31m<script>")


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
    Path("slow-began").touch()
    clock.wait(60)
    yield Finding("the slow one", passed=True, expected="", observed="")


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

    def policy(self, text: str, name: str = "policies.yaml") -> None:
        (self.folder / name).write_text("upheld: policy/1\nname: stranger\n" + text, encoding="utf-8")

    def claims(self, *claims: tuple[str, str], extra: str = "", name: str = "policies.yaml") -> None:
        """A policy of these claims, each with what its `checks` list holds."""
        lines = [
            f'  - {{id: {claim}, statement: "Promise {claim}.", section: S, severity: low, owner: platform{extra},'
            f" checks: [{checks}]}}\n"
            for claim, checks in claims
        ]
        self.policy("claims:\n" + "".join(lines), name)

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "160", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def pytest(self, *arguments: str, target: str | None = "target.yaml") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", *arguments, *(["--target", target] if target else [])]
        command += ["-p", "xdist.plugin", "-p", "upheld.plugin"]
        return self.run(command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "from upheld.cli.main import main; main()", *arguments]

    def upheld(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.command(*arguments), **environment)

    def run_json(self) -> dict[str, Any]:
        """What the last run left, of `upheld run` or of pytest with `--upheld-out out`."""
        (path,) = (one for one in self.folder.glob("*/**/run.json") if one.parent.name != "previous")
        return json.loads(path.read_text(encoding="utf-8"))

    def results(self) -> dict[str, tuple[str, str]]:
        """Verdict and reason of each check, by its name without the family."""
        checks = [check for claim in self.run_json()["claims"] for check in claim["checks"]]
        return {check["id"].split(".")[1]: (check["verdict"], check["reason"]) for check in checks}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "own.py").write_text(CHECKS, encoding="utf-8")
    (tmp_path / "target.yaml").write_text(
        "upheld: target/1\nname: nothing much\nenvironment: staging\n", encoding="utf-8"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return Project(tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser in which no name leads anywhere, for the tests of one module."""
    from ..browser import chromium

    with chromium() as launch:
        yield launch(None)


# --- workers that load damaged files -----------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep what a worker says that it has loaded (test_fuzz.py)."""
    if found := getattr(node, "workeroutput", {}).get("fuzzed"):
        FUZZED.append(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what all workers have loaded together."""
    if FUZZED:
        terminalreporter.write_line(told(FUZZED))
