"""What a target says, is called and keeps cannot act where it is read: in a terminal, in the page, in JUnit's XML and the other exports.

A real audit of files with hostile names and contents, registers that are bombs and a server that answers with escapes and
markup. What is shown of them spells them out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from loopback import ROOT, web
from upheld.exporting import FORMATS, export
from upheld.model import Run
from upheld.reporting import html, run_json

ESCAPE, MARKUP = "\x1b]0;owned\x07\x1b[31m\x1b[2J", "<img src=x onerror=alert(1)>"
NAME = f"{ESCAPE}\u202e{MARKUP.replace('/', '')}\r[bold]"
"""A file name that no file system refuses: title and colour of the terminal, clearing it, reordering, markup, a line of its own."""
WORD = f"{ESCAPE}{MARKUP}</script></style>]]>&lt;\u2028\u202e[link=file:///etc/passwd]"
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"k{n}: &k{n} [{', '.join(['*' + ('a' if n == 0 else f'k{n - 1}')] * 9)}]\n" for n in range(30)
)
OWN = """
from collections.abc import Iterator
from upheld import OBSERVED, Finding, check
from upheld.probes.logs import Logs

@check(basis=OBSERVED)
def are_quiet(logs: Logs) -> Iterator[Finding]:
    \'\'\'The logs do not say the word.\'\'\'
    found = logs.contains("needle")
    yield Finding(f"{found.source} {found.file}", passed=not found.found, expected="no needle", observed=f"line {found.line}")
"""


@dataclass(frozen=True)
class Read:
    """What readers get of one audit."""

    terminal: str
    page: str
    junit: str
    pytest: str
    doctor: str
    run: dict[str, object]
    audited: Run
    files: set[str]


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv], cwd=folder, capture_output=True, text=True, timeout=240, check=False, errors="replace",
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def repository(folder: Path) -> None:
    (folder / "code").mkdir(parents=True)
    (folder / "code" / f"{NAME}.py").write_text(
        "import subprocess\nsubprocess.call(input(), shell=True)\n", encoding="utf-8"
    )
    (folder / "code" / f"{NAME}.env").write_text(
        'AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMIK7MDENGbPxRfiCYzK3y8LpQ2vTd"\n', encoding="utf-8"
    )
    git = (
        "git",
        "-C",
        str(folder),
        "-c",
        f"user.name={WORD.replace('<', '(').replace('>', ')')}",
        "-c",
        "user.email=a@example.com",
    )
    for command in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", f"Begin {WORD}")):
        subprocess.run([*git, *command], check=True)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("logs", "registers", "checks"):
        (folder / name).mkdir()
    (folder / "logs" / f"{NAME}.log").write_text(f"begin {WORD}\nthe needle {WORD}\n", encoding="utf-8")
    (folder / "registers" / "bomb.yaml").write_text(BOMB, encoding="utf-8")
    (folder / "registers" / "words.yaml").write_text(
        f"- {{id: {json.dumps(MARKUP)}, detected_at: {json.dumps(MARKUP)}, affects_customers: true}}\n",
        encoding="utf-8",
    )
    (folder / "checks" / "own.py").write_text(OWN.replace("\\'", "'"), encoding="utf-8")
    repository(folder / "repository")
    head = {"Content-Type": "text/html; charset=utf-8", "Server": MARKUP}
    body = f"<main><a href='http://x.example/{MARKUP}'>x</a><script src='http://{MARKUP}/a.js'></script>{WORD}</main>".encode()
    answer = {
        "/": (200, head, body),
        "/status.json": (200, {"Content-Type": "application/json"}, json.dumps({"updated_at": WORD}).encode()),
    }
    policy = {
        "logs": "own.are_quiet",
        "code": "code.bandit_finds_nothing_serious",
        "secrets": "credentials.repositories_hold_no_credentials",
        "bomb": "registers.customers_are_told_in_time: {within_hours: 72}",
        "words": "registers.reports_are_acknowledged_in_time: {business_days: 2, calendar: DE, time_zone: UTC}",
        "pages": "traffic.pages_load_nothing_in_the_clear",
        "plain": "web.plain_http_only_redirects",
        "status": "status.keeps_looking",
    }
    claims = "".join(
        f"  - {{id: {name}, statement: {json.dumps('Promise ' + name + ' ' + MARKUP)}, section: S, severity: low, owner: o, checks: [{use}]}}\n"
        for name, use in policy.items()
    )
    (folder / "policies.yaml").write_text(f"upheld: policy/1\nname: hostile\nclaims:\n{claims}", encoding="utf-8")
    with web(answer) as port:
        url = f"http://127.0.0.1:{port}"
        target = {
            "upheld": "target/1",
            "name": f"hostile {MARKUP}",
            "environment": "staging",
            "timeout_seconds": 3,
            "endpoints": [{"name": "www", "url": url}],
            "status_page": {"url": f"{url}/status.json", "interval_seconds": 1},
            "logs": [{"name": "application", "path": "logs/*"}],
            "registers": {"folder": "registers", "incidents": {"file": "bomb.yaml"}, "vulnerability_reports": {"file": "words.yaml"}},
            "repository": {"path": "repository", "code": ["code"]},
            "stores_searched": {"repositories": [{"path": "repository"}]},
        }  # fmt: skip
        (folder / "target.yaml").write_text(json.dumps(target), encoding="utf-8")
        before = {str(one) for one in folder.rglob("*")}
        command = ("-c", "from upheld.cli.main import main; main()")
        audited = run(folder, *command, "run", "--target", "target.yaml", "--out", "out", "-n", "0")
        assert audited.returncode == 1, audited.stdout + audited.stderr
        tested = run(
            folder, "-m", "pytest", "policies.yaml", "--target", "target.yaml", "--junitxml=out/junit.xml", "-rA",
            "-p", "upheld.plugin", "-p", "no:cacheprovider", "--rootdir", str(folder),
        )  # fmt: skip
        doctor = run(folder, *command, "doctor", "--target", "target.yaml")
        assert doctor.returncode == 5, doctor.stdout + doctor.stderr
    out = folder / "out"
    return Read(
        terminal=audited.stdout + audited.stderr,
        page=(out / "report.html").read_text(encoding="utf-8"),
        junit=(out / "junit.xml").read_text(encoding="utf-8"),
        pytest=tested.stdout + tested.stderr,
        doctor=doctor.stdout + doctor.stderr,
        run=json.loads((out / "run.json").read_text(encoding="utf-8")),
        audited=run_json.read(out / "run.json"),
        files={str(one) for one in folder.rglob("*")} - before,
    )


def test_the_hostile_words_really_came_through(read: Read):
    """Otherwise there would be nothing to be inert."""
    text = json.dumps(read.run)
    assert json.dumps(NAME)[1:-1] in text
    assert MARKUP.replace('"', "") in text
    reasons = {claim["id"]: claim["reason"] for claim in read.run["claims"]}  # type: ignore[attr-defined]
    statuses = {claim["id"]: claim["status"] for claim in read.run["claims"]}  # type: ignore[attr-defined]
    assert statuses == {
        "logs": "refuted", "code": "refuted", "secrets": "refuted", "bomb": "inconclusive", "words": "inconclusive",
        "pages": statuses["pages"], "plain": "refuted", "status": "inconclusive",
    }  # fmt: skip
    assert statuses["pages"] != "upheld"
    assert "the document holds too many values" in reasons["bomb"]


@pytest.mark.parametrize("where", ["terminal", "pytest", "doctor"])
def test_nothing_acts_on_a_terminal(read: Read, where: str):
    said = getattr(read, where)
    assert not HARMFUL.search(said), ascii(HARMFUL.search(said))
    assert "\\x1b]0;owned" in said or where == "doctor"


def test_nothing_acts_in_the_page(read: Read):
    assert not HARMFUL.search(read.page)
    page = LexborHTMLParser(read.page)
    (script,) = page.css("script")  # The page's own, the same in every report.
    assert script.text() == (Path(html.__file__).parent / "templates" / "script.js").read_text(encoding="utf-8")
    assert not page.css("img, iframe, object, embed, form, base, link[href^=http], a[href^=http], a[href^=javascript]")
    assert not [
        one
        for one in page.css("*")
        if any(name.startswith("on") or name in {"src", "style"} for name in one.attributes)
    ]
    assert "onerror=alert(1)" in page.body.text()


def test_junit_is_xml_in_which_nothing_acts(read: Read):
    assert not HARMFUL.search(read.junit)
    suite = ET.fromstring(read.junit)[0]
    assert suite.get("tests") == "8"
    assert not list(suite.iter("img"))
    texts = {case.get("classname", "").rpartition(".")[2]: "".join(case.itertext()) for case in suite.iter("testcase")}
    assert any("\\x1b]0;owned" in text for text in texts.values())


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_acts_in_an_export(read: Read, name: str):
    text = export(read.audited, name).decode("utf-8")
    assert not HARMFUL.search(text)
    # What is spelled out has two backslashes in JSON; one alone would become a control again.
    assert name == "junit" or not re.search(r"\\u00[0189]|\\u007f|\\u20", text.replace("\\\\", ""))
    assert "]0;owned" in text.replace("\\", "") or name == "in-toto"


def test_nothing_is_written_outside_of_the_reports(read: Read):
    assert all("/out" in one or "__pycache__" in one for one in read.files), read.files
    named = {Path(one.partition("/out/")[2]) for one in read.files if "__pycache__" not in one and "/out/" in one}
    assert {one.parts[0] for one in named} == {"run.json", "report.html", "sent.json", "junit.xml", "inputs"}
    assert {one.name for one in named if one.parts[0] == "inputs" and one.suffix} == {
        "000-policies.yaml",
        "calibration.json",
        "target.json",
    }
    assert ROOT.is_dir()
