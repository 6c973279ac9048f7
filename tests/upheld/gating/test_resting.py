"""What looks declare that they rest on is what they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld.catalogue import Catalogue
from upheld.gating.inputs import rests_of
from upheld.opening import open_session
from upheld.probes.base import Probe
from upheld.probes.code import Code
from upheld.probes.codebase import Codebase
from upheld.probes.dependencies import Dependencies
from upheld.probes.git import Git
from upheld.probes.tls_in_code import TlsInCode

from ...loopback import ROOT
from .conftest import Project

Catalogue.load(ROOT / "checks")  # All probes that checks use are known from here on.

FILES = {
    ".github/workflows/ci.yml": "on: push\njobs: {scan: {runs-on: x, steps: [{run: pip-audit}]}}\n",
    ".github/dependabot.yml": "version: 2\nupdates: [{package-ecosystem: pip, directory: /, schedule: {interval: daily}}]\n",
    ".github/CODEOWNERS": "app/ @shop/security\n",
    ".gitlab-ci.yml": "scan: {script: [pip-audit]}\nmore: {trigger: {include: [{local: ci/more.yml}], strategy: depend}}\n",
    ".github/workflows/more.yml": "on: push\njobs: {call: {uses: ./.github/workflows/ci.yml}}\n",
    "ci/more.yml": "other: {script: [ls]}\n",
    "pyproject.toml": "[project]\nname = 'x'\ndependencies = ['jinja2']\n",
    "package.json": "{}",
    "app/page.js": "fetch('https://shop.example.com')\n",
    "app/settings.toml": "a = 1\n",
    "elsewhere/b.py": "B = 1\n",
    "docs/page.md": "words\n",
}
LOOKS: list[tuple[type[Probe], str, dict[str, Any]]] = [
    (Code, "bandit", {}),
    (Code, "bandit", {"rules": ("B602",), "within": ("app/a.py",)}),
    (Code, "semgrep", {}),
    (TlsInCode, "read", {"hosts": ("shop.example.com",), "clients": ()}),
    (TlsInCode, "read", {"hosts": ("shop.example.com",), "clients": ("app/a.py",)}),
    (Codebase, "workflows", {}),
    (Codebase, "lock_files", {}),
    (Codebase, "security", {}),
    (Codebase, "owners", {"area": "pay"}),
    (Codebase, "manifests", {}),
    (Codebase, "update_bot", {}),
    (Dependencies, "source", {}),
    (Dependencies, "ecosystem", {"lock_file": "requirements.lock"}),
]
TARGET = """upheld: target/1
name: shop
environment: staging
repository: {path: ".", code: [app], sensitive_paths: {pay: ["app/*"]}, security_team: security}
forge: {kind: github, url: "https://api.example.com", owner: shop, repository: shop, token: "env:TOKEN"}
advisories: {folder: mirror, dated: 2026-11-01}
"""


def test_what_is_declared_are_looks() -> None:
    for kind in Probe.kinds.values():
        for name in kind.rests:
            assert getattr(getattr(kind, name, None), "__look__", False), f"{kind.name}.{name} is no look"


def test_a_look_that_declares_nothing_rests_on_the_deployment() -> None:
    assert rests_of("http", "get").outside
    assert rests_of("of a check that is gone", "look").outside


@pytest.mark.parametrize(("kind", "name", "arguments"), LOOKS, ids=lambda one: getattr(one, "name", None))
def test_a_look_reads_no_file_that_it_does_not_declare(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: type[Probe], name: str, arguments: dict[str, Any]
) -> None:
    for path, text in FILES.items():
        project.write(path, text)
    project.write("target.yaml", TARGET)
    project.commit()
    session = open_session(project.folder / "target.yaml", project.beside / "scratch", "00" * 32)
    read: set[str] = set()
    content: Callable[[Git, str], bytes] = Git.content

    def noted(self: Git, path: str) -> bytes:
        read.add(path)
        return content(self, path)

    monkeypatch.setattr(Git, "content", noted)
    if name == "semgrep":  # What it lays out is what it declares; the tool itself is tried elsewhere.
        monkeypatch.setattr("upheld.probes.code.find_tool", lambda *_: "semgrep")
        monkeypatch.setattr("upheld.probes.code.run_tool", _scanned_nothing)
    try:
        getattr(session.probe(kind), name)(**arguments)
    finally:
        session.close()
    declared = kind.rests[name].content(session.target, arguments)
    assert {path for path in read if not declared(path)} == set()
    assert kind.rests[name].repeatable
    everything = {*FILES, "app/a.py", "app/b.py", "requirements.lock"}
    assert {path for path in everything if declared(path)} != everything


def _scanned_nothing(command: list[str], *, folder: Path, **_: object) -> dict[str, Any]:
    scanned = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return {"paths": {"scanned": scanned}, "errors": [], "results": []}
