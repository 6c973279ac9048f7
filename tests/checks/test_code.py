"""The checks of the code: static analysis by the real tools, and scans of lock files against a mirror and a service."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.lock_files import read_lock_file
from upheld.probes.osv import affects
from upheld.probes.tools import run_tool

from ..loopback import ROOT, free_port, web
from ..repositories import GitRepository, days

CHECKS = Catalogue.load(ROOT / "checks")
DEPENDENCIES = "code.dependencies_have_no_known_vulnerability"
BANDIT = "code.bandit_finds_nothing_serious"
SEMGREP = "code.semgrep_finds_nothing_serious"
NEEDS_SEMGREP = pytest.mark.skipif(
    shutil.which("semgrep", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") is None,
    reason="semgrep is not on PATH; it wants an environment of its own (see .ci/run)",
)
TODAY = datetime.now(UTC).date()
GOOD = "def add(a, b):\n    return a + b\n"
SHELL = "import subprocess\n\n\ndef run(x):\n    subprocess.run(f'ls {x}', shell=True)\n"
UNVERIFIED = "import ssl\n\n\ndef trust(context):\n    context.verify_mode = ssl.CERT_NONE\n"


def record(identity: str, ecosystem: str, name: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    kind = "ECOSYSTEM" if ecosystem == "PyPI" else "SEMVER"
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": kind, "events": list(events)}]}
    return {"id": identity, "modified": "2026-11-01T00:00:00Z", "affected": [affected], **more}


RECORDS = [
    record("GHSA-1", "PyPI", "jinja2", {"introduced": "0"}, {"fixed": "3.1.4"}),
    record("PYSEC-2", "PyPI", "Flask_Thing", {"introduced": "2.0"}, {"last_affected": "2.3"}, aliases=["GHSA-2"]),
    record("GHSA-3", "npm", "esbuild", {"introduced": "0"}, {"fixed": "0.25.0"}),
    record("GHSA-4", "npm", "@scope/thing", {"introduced": "1.0.0"}, {"fixed": "1.2.0-rc.1"}),
]


class Code:
    """A repository with a mirror beside it."""

    def __init__(self, folder: Path, session_of: Callable[..., Session]) -> None:
        self.folder = folder
        self.repository = GitRepository(folder / "repository")
        self.session_of = session_of
        self.mirror(*RECORDS)

    def mirror(self, *records: Any) -> None:
        shutil.rmtree(self.folder / "mirror", ignore_errors=True)
        (self.folder / "mirror").mkdir()
        for number, one in enumerate(records):
            text = one if isinstance(one, str) else json.dumps(one)
            (self.folder / "mirror" / f"{number}.json").write_text(text, encoding="utf-8")

    def run(
        self,
        check: str,
        files: dict[str, str],
        advisories: Any = None,
        code: tuple[str, ...] = (".",),
        **parameters: Any,
    ) -> list[Any]:
        self.repository.files.clear()
        self.repository.commit(files, at=days(1))
        session = self.session_of(
            repository={"path": "repository", "code": list(code)},
            advisories=advisories or {"folder": "mirror", "dated": TODAY.isoformat()},
        )
        one = CHECKS[check]
        with session.recording("t"):
            return list(one.run([session.probe(kind) for kind in one.probes.values()], one.arguments(parameters)[0]))

    def outcome(self, *arguments: Any, **more: Any) -> str:
        """`pass`, or what failed, or why nothing is known, in that order of strength."""
        try:
            found = self.run(*arguments, **more)
        except Unobservable as unobservable:
            return f"unseen: {unobservable.reason}"
        if failed := [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]:
            return "; ".join(failed)
        if unseen := [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]:
            return f"unseen: {'; '.join(unseen)}"
        assert [one for one in found if isinstance(one, Finding)]
        return "pass"


@pytest.fixture
def code(tmp_path: Path, session_of: Callable[..., Session]) -> Code:
    return Code(tmp_path, session_of)


# --- dependencies ---------------------------------------------------------------------------------------------------

PINS = "jinja2==3.1.6 \\\n    --hash=sha256:00\n# a comment\nflask-thing==1.9 ; sys_platform == 'win32'  # for some\n"


def npm(**packages: Any) -> str:
    entries = {
        f"node_modules/{name}": {"version": one} if isinstance(one, str) else one for name, one in packages.items()
    }
    return json.dumps({"lockfileVersion": 3, "packages": {"": {"name": "web"}, **entries}})


def test_lock_files_without_vulnerabilities_pass(code: Code) -> None:
    files = {"requirements.lock": PINS, "web/package-lock.json": npm(esbuild="0.25.0")}
    found = code.run(DEPENDENCIES, files)
    assert [one.observed for one in found] == [
        "2 packages scanned by pip-audit, none with one",
        "1 packages scanned by OSV records, none with one",
    ]
    assert all(one.passed for one in found)


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("requirements.lock", "jinja2==3.1.3\n", "jinja2 3.1.3 (GHSA-1)"),
        ("requirements.lock", "Jinja2 == 2.9\nflask.thing==2.3\n", "flask-thing 2.3 (GHSA-2); jinja2 2.9 (GHSA-1)"),
        # What is pinned for another platform than this one is scanned all the same.
        ("requirements.txt", "jinja2==3.1.3 ; sys_platform == 'never'\n", "jinja2 3.1.3"),
        ("poetry.lock", '[[package]]\nname = "jinja2"\nversion = "3.1.0"\n', "jinja2 3.1.0"),
        ("uv.lock", '[[package]]\nname = "jinja2"\nversion = "3.1.0"\nsource = {registry = "x"}\n', "jinja2 3.1.0"),
        ("Pipfile.lock", '{"default": {"jinja2": {"version": "==3.1.0"}}}', "jinja2 3.1.0"),
        ("package-lock.json", npm(esbuild="0.24.2"), "esbuild 0.24.2 (GHSA-3)"),
        ("package-lock.json", npm(**{"a/node_modules/@scope/thing": "1.1.9"}), "@scope/thing 1.1.9 (GHSA-4)"),
        ("package-lock.json", npm(x={"name": "esbuild", "version": "0.1.0"}), "esbuild 0.1.0"),
        (
            "package-lock.json",
            '{"dependencies": {"a": {"version": "1.0.0", "dependencies": {"esbuild": {"version": "0.2.0"}}}}}',
            "esbuild 0.2.0",
        ),
    ],
)
def test_a_vulnerable_package_is_refuted_and_named(code: Code, path: str, text: str, words: str) -> None:
    assert words in code.outcome(DEPENDENCIES, {path: text})


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("requirements.lock", "jinja2==3.1.6\nthing @ https://example.com/thing.whl\n", "comes from a URL"),
        ("requirements.lock", "jinja2==3.1.6\n-e ./here\n", "leads elsewhere"),
        ("requirements.lock", "jinja2==3.1.6\nthing>=2\n", "is not pinned"),
        ("requirements.lock", "jinja2==3.1.6\nthing==2.*\n", "is not pinned"),
        ("requirements.lock", "jinja2==3.1.6\n=== what\n", "cannot be understood"),
        ("requirements.lock", "thing>=2\n", "pins nothing"),
        ("requirements.lock", "", "pins nothing"),
        ("package-lock.json", npm(x={"version": "1.0.0", "resolved": "git+ssh://x"}), "pins nothing"),
        ("package-lock.json", npm(esbuild="1.0.0", x={"resolved": "git+ssh://x"}), "not from a registry"),
        ("package-lock.json", npm(esbuild="not a version"), "cannot be compared"),
        ("package-lock.json", "{", "cannot be read"),
        ("package-lock.json", "[]", "cannot be read"),
        ("poetry.lock", "[", "cannot be read"),
        ("yarn.lock", "esbuild@^0.24:\n", "cannot be read yet"),
        ("requirements.lock", "jinja2==3.1.6\nthing==not-a-version\n", "cannot be understood"),
    ],
)
def test_what_was_not_scanned_is_never_a_pass(code: Code, path: str, text: str, words: str) -> None:
    outcome = code.outcome(DEPENDENCIES, {path: text})
    assert outcome.startswith("unseen: "), outcome
    assert words in outcome


@pytest.mark.parametrize("path", ["requirements.lock", "package-lock.json"])
def test_advisories_that_know_of_nothing_are_not_believed(code: Code, path: str) -> None:
    files = {path: PINS if path.endswith(".lock") else npm(esbuild="0.1.0")}
    code.mirror(record("GHSA-5", "PyPI", "other", {"introduced": "0"}))
    assert "did not find a package that is known to be vulnerable" in code.outcome(DEPENDENCIES, files)
    code.mirror({**RECORDS[0], "withdrawn": "2026-01-01T00:00:00Z"}, {**RECORDS[2], "withdrawn": "x"})
    assert "the mirror of advisories is empty" in code.outcome(DEPENDENCIES, files)
    code.mirror("{")
    assert "a record that cannot be read" in code.outcome(DEPENDENCIES, files)
    code.mirror(record("GHSA-6", "PyPI", "jinja2", {"what": "0"}), record("GHSA-7", "npm", "esbuild", {"what": "0"}))
    assert "cannot be compared" in code.outcome(DEPENDENCIES, files)
    shutil.rmtree(code.folder / "mirror")
    assert code.outcome(DEPENDENCIES, files).startswith("unseen: ")
    no_control = {"folder": "mirror", "dated": TODAY.isoformat(), "controls": {}}
    code.mirror(*RECORDS)
    assert "names no package" in code.outcome(DEPENDENCIES, files, no_control)


@pytest.mark.parametrize("age", [8, -1])
def test_a_mirror_of_another_day_decides_nothing(code: Code, age: int) -> None:
    dated = {"folder": "mirror", "dated": (TODAY - timedelta(days=age)).isoformat()}
    assert f"{age} days old; it may be 7" in code.outcome(DEPENDENCIES, {"requirements.lock": PINS}, dated)
    if age > 0:
        assert code.outcome(DEPENDENCIES, {"requirements.lock": PINS}, dated, mirror_days=8) == "pass"


class Service:
    """A service that answers OSV's queries, one advisory a page."""

    def __init__(self) -> None:
        self.broken: Any = None

    def __call__(self, method: str, path: str, headers: Any) -> Any:
        if self.broken is not None:
            return self.broken
        return 200, {}, json.dumps({"vulns": [RECORDS[0]]}).encode()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ((200, {}, b"{}"), "did not find a package that is known to be vulnerable"),
        ((200, {}, b"[]"), "something else than a list"),
        ((200, {}, b"<html>"), "no JSON"),
        ((429, {}, b"{}"), "answered 429"),
        ((403, {}, b"{}"), "answered 403"),
        ((500, {}, b""), "answered 500"),
        ((200, {}, b'{"vulns": [], "next_page_token": "x"}'), "more than 50 pages"),
    ],
)
@pytest.mark.parametrize("path", ["requirements.lock", "package-lock.json"])
def test_a_service_that_answers_something_else_is_not_believed(code: Code, path: str, broken: Any, words: str) -> None:
    files = {path: "other==1.0\n" if path.endswith(".lock") else npm(other="1.0.0")}
    with web(lambda *_: broken) as port:
        outcome = code.outcome(DEPENDENCIES, files, {"url": f"http://127.0.0.1:{port}"})
    assert outcome.startswith("unseen: "), outcome
    assert words in outcome


def test_a_service_is_asked_page_by_page_and_a_dead_one_decides_nothing(code: Code) -> None:
    files = {"requirements.lock": "jinja2==3.1.3\n"}
    pages = iter(range(100))

    def answer(method: str, path: str, headers: Any) -> Any:
        assert (method, path) == ("POST", "/v1/query")
        first = next(pages) % 2 == 0
        body: dict[str, Any] = {"vulns": [], "next_page_token": "2"} if first else {"vulns": [RECORDS[0]]}
        return 200, {}, json.dumps(body).encode()

    with web(answer) as port:
        assert "jinja2 3.1.3 (GHSA-1)" in code.outcome(DEPENDENCIES, files, {"url": f"http://127.0.0.1:{port}"})
    dead = {"url": f"http://127.0.0.1:{free_port()}"}
    assert "connection refused" in code.outcome(DEPENDENCIES, files, dead)


def test_without_pip_audit_nothing_is_known(code: Code, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    files = {"requirements.lock": PINS}
    assert "pip-audit is not installed: pip install 'upheld[code]'" in code.outcome(DEPENDENCIES, files)
    assert "bandit is not installed" in code.outcome(BANDIT, {"a.py": GOOD})
    assert "semgrep is not installed" in code.outcome(SEMGREP, {"a.py": GOOD})


@pytest.mark.parametrize(
    ("version", "events", "expected"),
    [
        ("1.0.0", [{"introduced": "0"}], True),
        ("1.0.0", [{"introduced": "1.0.0"}, {"fixed": "1.0.1"}], True),
        ("1.0.1", [{"introduced": "1.0.0"}, {"fixed": "1.0.1"}], False),
        ("1.0.1-rc.1", [{"introduced": "1.0.0"}, {"fixed": "1.0.1"}], True),
        ("1.0.1", [{"introduced": "0"}, {"last_affected": "1.0.1"}], True),
        ("1.0.2", [{"introduced": "0"}, {"last_affected": "1.0.1"}], False),
        ("2.1.0", [{"fixed": "1.5.0"}, {"introduced": "2.0.0"}, {"introduced": "0"}, {"fixed": "2.2.0"}], True),
        ("1.7.0", [{"fixed": "1.5.0"}, {"introduced": "2.0.0"}, {"introduced": "0"}, {"fixed": "2.2.0"}], False),
        ("10.0.0", [{"introduced": "9.0.0"}, {"fixed": "11.0.0"}], True),
    ],
)
def test_versions_are_compared_as_the_schema_says(version: str, events: Any, expected: bool) -> None:
    assert affects(record("x", "npm", "a", *events), "npm", "a", version) is expected
    assert not affects(record("x", "npm", "a", *events), "npm", "b", version)
    assert not affects(record("x", "PyPI", "a", *events), "npm", "a", version)


def test_a_mirror_may_list_versions_one_by_one() -> None:
    one = record("x", "PyPI", "a")
    one["affected"][0]["versions"] = ["1.0"]
    assert affects(one, "PyPI", "A", "1.0")
    assert not affects(one, "PyPI", "a", "1.1")


def test_cargo_is_read() -> None:
    pins = read_lock_file("Cargo.lock", '[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "registry+x"\n')
    assert (pins.ecosystem, [str(pin) for pin in pins.pins]) == ("crates.io", ["a 1.0.0"])


# --- static analysis ------------------------------------------------------------------------------------------------


def test_bandit_passes_good_code_and_refutes_bad_code(code: Code) -> None:
    assert code.outcome(BANDIT, {"app/a.py": GOOD}) == "pass"
    assert "B602 in app/b.py:5: high" in code.outcome(BANDIT, {"app/a.py": GOOD, "app/b.py": SHELL})
    # Only the platform's own code is meant, where the target says which that is.
    assert code.outcome(BANDIT, {"app/a.py": GOOD, "tools/b.py": SHELL}, code=("app",)) == "pass"
    assert "B602" in code.outcome(BANDIT, {"app/tests/b.py": SHELL})


def test_severity_is_a_parameter(code: Code) -> None:
    files = {"a.py": "import hashlib\nx = eval('1')\n"}
    assert code.outcome(BANDIT, files) == "pass"
    assert "B307 in a.py:2: medium" in code.outcome(BANDIT, files, severity="medium")


def test_a_repository_cannot_tell_the_tools_what_to_leave_out(code: Code) -> None:
    settings = {".bandit": "[bandit]\nexclude = /app\nskips = B602\n", "app/.bandit": "[bandit]\nskips = B602\n"}
    assert "B602" in code.outcome(BANDIT, {**settings, "app/b.py": SHELL})


def test_what_a_comment_suppresses_is_left_out_and_shown(code: Code) -> None:
    files = {"a.py": SHELL.replace("shell=True)", "shell=True)  # nosec B602: the name is fixed")}
    left_out, passed = code.run(BANDIT, files)
    assert isinstance(left_out, LeftOut)
    assert left_out.reason == "suppressed in the code: # nosec B602: the name is fixed"
    assert passed.passed
    assert "1 findings suppressed" in passed.observed


def test_a_file_that_bandit_cannot_read_is_not_seen(code: Code) -> None:
    assert "bandit did not scan it: syntax error" in code.outcome(BANDIT, {"a.py": GOOD, "b.py": "def (:\n"})
    assert "bandit scanned none of 1 files" in code.outcome(BANDIT, {"b.py": "def (:\n"})
    assert "B602" in code.outcome(BANDIT, {"a.py": SHELL, "b.py": "def (:\n"})


@pytest.mark.parametrize("check", [BANDIT, pytest.param(SEMGREP, marks=NEEDS_SEMGREP)])
def test_no_code_is_no_pass(code: Code, check: str) -> None:
    assert "no file that ends with" in code.outcome(check, {"README.md": "x"})
    assert "no folder app" in code.outcome(check, {"lib/a.py": GOOD}, code=("app",))


@NEEDS_SEMGREP
def test_semgrep_finds_what_the_rules_describe_wherever_it_stands(code: Code) -> None:
    assert code.outcome(SEMGREP, {"a.py": GOOD}) == "pass"
    files = {
        "a.py": GOOD,
        "tests/b.py": UNVERIFIED,
        "node_modules/c.py": UNVERIFIED,
        "large.py": GOOD + "# x\n" * 300_000 + UNVERIFIED,
        ".semgrepignore": "*\n",
        "quiet.py": UNVERIFIED.replace("CERT_NONE", "CERT_NONE  # nosemgrep"),
    }
    found = code.run(SEMGREP, files)
    failed = {str(one.subject).partition(":")[0] for one in found if isinstance(one, Finding) and not one.passed}
    assert failed == {f"tls-verification-off in {path}" for path in ("tests/b.py", "node_modules/c.py", "large.py")}
    (left_out,) = [one for one in found if isinstance(one, LeftOut)]
    assert left_out.reason == "suppressed in the code: # nosemgrep"


@NEEDS_SEMGREP
def test_a_file_that_semgrep_cannot_read_is_not_seen(code: Code) -> None:
    assert "unseen: b.py: semgrep did not scan it" in code.outcome(SEMGREP, {"a.py": GOOD, "b.py": "def (:\n  )(\n"})


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sleep 60", "did not end within 0.5 s"),
        ("exit 0", "ended with 0 and left no report"),
        ("echo went wrong; exit 3", "ended with 3 and left no report: went wrong"),
        ("echo '{' > report.json", "left no report"),
    ],
)
def test_a_tool_that_leaves_no_report_decides_nothing(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(Unobservable, match=words.replace("(", r"\(")):
        run_tool(["/bin/sh", "-c", script], folder=tmp_path, report=tmp_path / "report.json", seconds=0.5)
