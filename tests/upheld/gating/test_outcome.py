"""What keeps a change out and what does not, and that nothing that a target sends acts where it is shown."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import click
import jsonschema
import pytest

from upheld.cli.main import cli
from upheld.errors import InputError
from upheld.exporting.places import Place
from upheld.gating import code_quality, reaching, saying, standing
from upheld.gating.baseline import Baseline
from upheld.gating.outcome import Broken, Outcome, Undecided
from upheld.gating.standing import earlier
from upheld.ledger import Ledger
from upheld.model import Run, Severity
from upheld.reporting import run_json
from upheld.target.load import load_target

from ...loopback import ROOT, free_port
from .conftest import PLAIN, Project

HOSTILE = "x\n::error::owned \x1b[31m [click](javascript:alert(1)) <script> @everyone %0A::stop-commands::t `code`"


def endpoint(port: int) -> str:
    return f"endpoints: [{{name: shop, url: 'http://127.0.0.1:{port}'}}]\n"


def test_a_target_that_is_not_reached_has_an_exit_code_and_words_of_its_own(project: Project, monkeypatch) -> None:
    monkeypatch.setattr(reaching, "PAUSE_SECONDS", 0.01)
    project.policy("own.answers", "own.has_no_plain_url")
    project.write("target.yaml", (project.folder / "target.yaml").read_text() + endpoint(free_port()))
    outcome = project.gate()
    assert outcome.code == 6
    assert [one.unreachable for one in outcome.undecided] == [True]
    said = "\n".join(saying.lines(outcome))
    assert "was not reached in 3 attempts" in said
    assert "that is not this change's doing" in said
    # What the change breaks is broken all the same.
    project.write("app/a.py", PLAIN)
    assert project.gate().code == 1
    # What could not be told for another reason is not put down to it.
    project.write("app/a.py", "def broken(:\n")
    assert project.gate().code == 3


def test_a_target_that_is_reached_is_looked_at(project: Project) -> None:
    project.policy("own.answers")
    with socket.create_server(("127.0.0.1", 0)) as server:
        project.write("target.yaml", (project.folder / "target.yaml").read_text() + endpoint(server.getsockname()[1]))
        outcome = project.gate()
    assert not any(one.unreachable for one in outcome.undecided)


def test_a_flaky_check_is_named_and_is_not_retried_into_green(project: Project) -> None:
    project.policy("own.says_good")
    project.outside.write_text("bad\ngood")
    outcome = project.gate()
    assert outcome.code == 1
    assert [one.flaky for one in outcome.broken] == [True]
    assert any("is flaky" in note and "It counts as failed" in note for note in outcome.run.notes)
    project.outside.write_text("bad\nbad")
    assert [one.flaky for one in project.gate().broken] == [False]
    # What failed once and could not be seen the second time is no less flaky, and no less failed.
    project.outside.write_text("bad\ndown")
    assert [(one.flaky, one.counts) for one in project.gate().broken] == [(True, True)]


def test_a_claim_that_is_not_gated_does_not_count(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    text = (project.folder / "policies.yaml").read_text().replace("owner: o", "owner: o, gated: false")
    project.write("policies.yaml", text)
    outcome = project.gate()
    assert (outcome.code, outcome.broken[0].excuse) == (0, "not gated, says the policy")


def test_a_claim_that_nothing_decides_is_not_told(project: Project) -> None:
    project.policy("own.has_no_plain_url")
    text = (project.folder / "policies.yaml").read_text()
    project.write(
        "policies.yaml", text + "  - {id: c9, statement: 'Promise 9.', section: S, severity: low, owner: o}\n"
    )
    outcome = project.gate()
    assert outcome.code == 3
    assert [one.claim for one in outcome.undecided] == ["c9"]


def hostile(run: Run) -> Outcome:
    broken = Broken(HOSTILE, HOSTILE, Severity.HIGH, "own.check", HOSTILE, HOSTILE, HOSTILE, "0", Place("a%3A,b.py", 3))
    undecided = Undecided(HOSTILE, HOSTILE, "own.check", HOSTILE)
    return Outcome(run, (broken, Broken(**{**_fields(broken), "excuse": HOSTILE})), (undecided,), 1, 0, 0)


def _fields(one: Broken) -> dict[str, object]:
    return {name: getattr(one, name) for name in Broken.__slots__}


def test_hostile_words_act_nowhere(project: Project) -> None:
    outcome = hostile(project.gate().run)
    for line in saying.lines(outcome):
        assert "\n" not in line
        assert "\x1b" not in line
    for command in saying.github(outcome):
        assert "\n" not in command
        assert command.count("::error") + command.count("::warning") >= 1
        properties, _, text = command.removeprefix("::").partition("::")
        assert "%0A::" not in text.replace("%250A::", "")
        assert properties.partition(" ")[0] in {"error", "warning"}
        for one in properties.partition(" ")[2].split(","):
            assert one.partition("=")[0] in {"file", "line", "title"}
    shown = saying.comment(outcome)
    assert "<script>" not in shown
    assert "](javascript" not in shown
    assert "\x1b" not in shown


def test_gitlabs_report_has_what_counts(project: Project) -> None:
    schema = json.loads((ROOT / "tests/data/schemas/gitlab-code-quality.json").read_text())
    outcome = hostile(project.gate().run)
    entries = json.loads(code_quality.dumps(outcome))
    jsonschema.validate(entries, schema)
    assert [one["severity"] for one in entries] == ["critical", "info"]
    assert len({one["fingerprint"] for one in entries}) == 2
    assert entries[0]["location"] == {"path": "a:,b.py", "lines": {"begin": 3}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{**entries[0], "severity": "high"}], schema)


def test_the_path_of_an_annotation_is_the_files_own(project: Project) -> None:
    command = next(iter(saying.github(hostile(project.gate().run))))
    assert command.startswith("::error file=a%3A%2Cb.py,line=3,title=")


def test_the_command_says_where_which_sentence_breaks(project: Project) -> None:
    project.write("app/a.py", "\n" + PLAIN)
    summary, comment = project.beside / "summary.md", project.beside / "comment.md"
    summary.write_text("before\n")
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-c",
                "from upheld.cli.main import main; main()",
                "gate",
                "--out",
                str(project.beside / "out"),
            ),
            *("--comment", str(comment), "--export", f"sarif={project.beside / 'out.sarif'}"),
        ],
        cwd=project.folder,
        env={**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("app/a.py:2: breaks “Promise 1.” (c1, high): plain-url in app/a.py:2: ")
    assert any(one.startswith("::error file=app/a.py,line=2,title=Breaks the promise c1::") for one in lines)
    assert summary.read_text().startswith("before\n<!-- upheld gate -->\n### ❌ ")
    assert comment.read_text() == summary.read_text().removeprefix("before\n")
    sarif = json.loads((project.beside / "out.sarif").read_text())
    assert sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 2
    written = json.loads((project.beside / "out" / "run.json").read_text())
    assert written["complete"] is True


def test_wrong_usage_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    for arguments in (
        ["--max-age", "soon"],
        ["--cache-key", "env:NONE"],
        ["--since", "nowhere"],
        ["--base", "nowhere"],
        ["--baseline", f"ledger:{project.beside / 'none'}"],
    ):
        with pytest.raises((click.UsageError, InputError)):
            cli.main(["gate", "--out", str(project.beside / "o"), *arguments], standalone_mode=False)


def test_a_gate_that_is_killed_leaves_no_run_that_looks_whole(project: Project) -> None:
    out = project.beside / "out"
    command = [sys.executable, "-c", "from upheld.cli.main import main; main()", "gate", "--out", str(out), "-n", "0"]
    project.policy("own.says_good")
    os.mkfifo(project.beside / "pipe")
    held = os.open(project.beside / "pipe", os.O_RDWR)  # Whoever reads it waits for ever.
    environment = {**os.environ, "OUTSIDE": str(project.beside / "pipe")}
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=project.folder, env=environment, stdout=silent, stderr=silent)
    try:
        until = time.monotonic() + 60
        while not (out / "run.json").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(30)
        os.close(held)
    assert json.loads((out / "run.json").read_text())["complete"] is False


def test_the_last_whole_run_of_a_ledger_is_a_baseline(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    baseline, folder = project.full(), project.beside / "full"
    run_json.write(baseline, folder / "run.json")
    place = project.beside / "ledger.sqlite"
    target = load_target(project.folder / "target.yaml")[0]
    ledger = Ledger.open(place)
    ledger.add(baseline, folder)
    ledger.add(
        dataclasses.replace(baseline, id="a-selection", selected=("c1",), started="2999-01-01T00:00:00.000Z"), folder
    )
    ledger.add(
        dataclasses.replace(baseline, id="broke-off", complete=False, started="2999-01-01T00:00:00.000Z"), folder
    )
    named = f"ledger:{place}"
    assert earlier(named, "--base", "shop", target) == baseline
    assert standing.baseline(named, "--baseline", "shop", target) == Baseline.of_run(baseline)
    assert project.gate(baseline=standing.baseline(named, "--baseline", "shop", target)).code == 0
    with pytest.raises(InputError, match="knows no whole run"):
        earlier(named, "--base", "another", target)
    # A later run in the same folder has put it aside there.
    run_json.write(baseline, folder / "previous" / "run.json")
    run_json.write(dataclasses.replace(baseline, seconds=0.0), folder / "run.json")
    assert earlier(named, "--base", "shop", target) == baseline
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="does not hold that run any more"):
        earlier(named, "--base", "shop", target)
    with pytest.raises(InputError, match="no ledger here"):
        earlier(f"ledger:{project.beside / 'none'}", "--base", "shop", target)
    # What the ledger itself keeps tells what is worse all the same.
    kept = standing.baseline(named, "--baseline", "shop", target)
    outcome = project.gate(baseline=kept)
    assert (outcome.code, len(outcome.broken)) == (0, 1)
    assert outcome.run.notes[-1].endswith("is what the ledger keeps of it: its folder does not hold it any more.")
    project.write("app/b.py", PLAIN)
    assert project.gate(baseline=kept).code == 1
