"""Each promise of SECURITY.md is a claim of this project's own policy, and each of its checks can turn red."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from upheld.catalogue import Catalogue, LazyCatalogue
from upheld.cli.run import engine
from upheld.gating.deciding import Wanted, decide
from upheld.gating.outcome import Outcome
from upheld.model import Status
from upheld.plugin.audit import Audit
from upheld.policies import load
from upheld.resources import check_folders
from upheld.target.start import find

from .loopback import ROOT

OWN = ROOT / ".upheld"
FILES = {
    "src/upheld/__init__.py": '"""A small engine."""\n',
    "src/upheld/cli/__init__.py": "",
    "src/upheld/cli/main.py": "import json\n",
    "src/upheld/plugin.py": "",
    "checks/one.py": "ONE = 1\n",
    "action.yml": "runs: {using: composite, steps: []}\n",
    "requirements.lock": "jinja2==3.1.3\n",
}
DIGEST = "0123456789abcdef0123456789abcdef01234567"


def gate(folder: Path, files: dict[str, str], target: str = "") -> Outcome:
    """The project's own gate over a small project with these files."""
    shutil.copytree(OWN, folder / ".upheld", ignore=shutil.ignore_patterns("__pycache__"))
    if target:
        (folder / ".upheld" / "target.yaml").write_text(target)
    for path, text in {**FILES, **files}.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    names = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (("init", "-q", "."), ("add", "-A"), ("commit", "-q", "-m", "all")):
        subprocess.run(["git", "-C", str(folder), *command], env={**os.environ, **names}, check=True)
    policy = folder / ".upheld" / "policies.yaml"
    source = find(str(folder / ".upheld" / "target.yaml"))
    with Audit(policy, source, catalogue=LazyCatalogue(*check_folders(policy)), state=folder / "state") as audit:
        return decide(audit, Wanted(cache=folder / "cache"), lambda pending: engine(pending, 0))


def exhaustive(*values: object) -> object:
    """One more way to break a promise that another case breaks already."""
    return pytest.param(*values, marks=pytest.mark.exhaustive)


def refuted(outcome: Outcome) -> set[str]:
    return {claim.id for claim in outcome.run.claims if claim.status is Status.REFUTED}


def test_the_page_and_the_policy_say_the_same() -> None:
    policy = load(
        OWN / "policies.yaml", Catalogue.load(*check_folders(OWN / "policies.yaml")), today=datetime.now(UTC).date()
    )
    promised = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## What we promise\n")[2]
    assert re.findall(r"^- (.*)$", promised, re.MULTILINE) == [claim.statement for claim in policy.claims]


def test_a_project_that_keeps_them_passes(tmp_path: Path) -> None:
    outcome = gate(tmp_path, {})
    assert outcome.code == 0, outcome
    assert {claim.id: claim.status for claim in outcome.run.claims if claim.status is not Status.UPHELD} == {
        "dependencies-audited": Status.INCONCLUSIVE
    }


@pytest.mark.parametrize(
    ("path", "text", "claims"),
    [
        (
            "src/upheld/cli/main.py",
            "import socket\n\ntry:\n    socket.create_connection(('127.0.0.1', 1), 1)\nexcept OSError:\n    ...\n",
            {"quiet-import"},
        ),
        exhaustive(
            "src/upheld/plugin.py", "import subprocess\n\nsubprocess.run(['true'], check=True)\n", {"quiet-import"}
        ),
        (
            "src/upheld/load.py",
            "import pickle\n\n\ndef load(data):\n    return pickle.loads(data)\n",
            {"nothing-evaluated"},
        ),
        exhaustive("src/upheld/load.py", "def load(text):\n    return eval(text)\n", {"nothing-evaluated"}),
        exhaustive(
            "src/upheld/load.py",
            "import yaml\n\n\ndef load(text):\n    return yaml.load(text, Loader=yaml.Loader)\n",
            {"nothing-evaluated"},
        ),
        (
            "checks/one.py",
            "import os\n\n\ndef run(text):\n    os.system(f'ls {text}')\n",
            {"no-shell", "code-scanned"},
        ),
        (
            "checks/one.py",
            "import hashlib\n\n\ndef digest(data):\n    return hashlib.md5(data).hexdigest()\n",
            {"code-scanned"},
        ),
        (
            "action.yml",
            f"runs:\n  using: composite\n  steps:\n    - uses: a/b@{DIGEST}\n    - uses: actions/checkout@v4\n",
            {"actions-pinned"},
        ),
        exhaustive(
            ".github/workflows/ci.yml", "jobs: {a: {steps: [{}]}}\nx:\n  - 'uses': a/b@main\n", {"actions-pinned"}
        ),
    ],
)
def test_each_promise_can_be_broken(tmp_path: Path, path: str, text: str, claims: set[str]) -> None:
    outcome = gate(tmp_path, {path: text})
    assert outcome.code == 1
    assert refuted(outcome) == claims


def test_an_advisory_about_what_a_lock_file_pins_refutes_the_promise(tmp_path: Path) -> None:
    target = yaml.safe_load((OWN / "target.yaml").read_text())
    record = (
        '{"id": "GHSA-1", "modified": "2026-11-01T00:00:00Z", "affected": [{"package": {"ecosystem": "PyPI", "name": "jinja2"},'
        ' "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.4"}]}]}]}'
    )
    target["advisories"] = {"folder": "../mirror", "dated": datetime.now(UTC).date().isoformat()}
    outcome = gate(tmp_path, {"mirror/1.json": record}, yaml.safe_dump(target))
    assert refuted(outcome) == {"dependencies-audited"}
    assert outcome.code == 0  # It is shown, and not gated.
