"""`upheld run`: exit codes, files, isolation, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from xml.etree import ElementTree as ET

import pytest

from processes import hear_interruptions


@pytest.mark.parametrize(
    ("claims", "extra", "code"),
    [
        ([("good", "own.holds")], "", 0),
        ([("good", "own.holds"), ("bad", "own.is_broken")], "", 1),
        ([("dark", "own.is_dark"), ("bad", "own.is_broken")], "", 1),
        ([("good", "own.holds"), ("dark", "own.is_dark")], "", 3),
        ([("good", "own.holds"), ("bare", "")], "", 3),
        ([("sworn", "own.is_sworn")], "", 3),
        ([("sworn", "own.is_sworn")], ", accept_attested: true", 0),
        ([("bad", "own.is_broken")], ", gated: false", 0),
    ],
)
def test_exit_codes(project, claims, extra, code):
    project.claims(*claims, extra=extra)
    done = project.upheld("run", "-n", "0")
    assert done.returncode == code, done.stdout + done.stderr


def test_waivers_of_one_run_count_beside_the_policys_own(project):
    project.claims(("bad", "own.is_broken"))
    (project.folder / "acme.yaml").write_text(
        "waivers: [{claim: bad, reason: It is replaced., approver: Jo, expires: 2999-01-31}]\n", encoding="utf-8"
    )
    assert project.upheld("run", "-n", "0").returncode == 1
    done = project.upheld("run", "-n", "0", "--waivers", "acme.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    (claim,) = project.run_json()["claims"]
    assert (claim["status"], [waiver["approver"] for waiver in claim["waivers"]]) == ("refuted", ["Jo"])
    missing = project.upheld("run", "-n", "0", "--waivers", "acne.yaml")
    assert missing.returncode == 2
    assert "acne.yaml: the file does not exist; did you mean 'acme.yaml'?" in missing.stderr


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_leaves_its_evidence_and_its_page(project, workers):
    project.claims(("good", "own.holds"), ("bad", "own.is_broken"), ("dark", "own.is_dark"))
    done = project.upheld("run", "-n", workers)
    run = project.run_json()
    assert [(claim["id"], claim["status"], claim["basis"]) for claim in run["claims"]] == [
        ("good", "upheld", "observed"),
        ("bad", "refuted", "observed"),
        ("dark", "inconclusive", "observed"),
    ]
    check = run["claims"][1]["checks"][0]
    assert (check["id"], check["verdict"], check["reason"]) == (
        "own.is_broken",
        "fail",
        "the other thing: it is bad \x1b[31m<script>",
    )
    assert check["findings"][0]["observations"] == [check["observations"][0]["id"]]
    page = (project.folder / "reports" / "latest" / "report.html").read_text(encoding="utf-8")
    assert "Promise bad." in page
    assert "it is bad" in done.stdout
    assert "Promise bad." in done.stdout


def test_selected_claims_bring_those_that_decide_them(project):
    project.policy(
        "claims:\n"
        '  - {id: whole, statement: "Whole.", section: S, severity: low, owner: platform, decided_by: [part]}\n'
        '  - {id: part, statement: "Part.", section: S, severity: low, owner: platform, checks: [own.is_broken]}\n'
        '  - {id: other, statement: "Other.", section: S, severity: low, owner: platform, checks: [own.holds]}\n'
    )
    done = project.upheld("run", "-n", "0", "--claims", "whole")
    assert done.returncode == 1
    assert {claim["id"]: claim["status"] for claim in project.run_json()["claims"]} == {
        "whole": "refuted",
        "part": "refuted",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--claims", "godo"), ("'godo'", "good")),
        (("--policy", "nowhere.yaml"), ("nowhere.yaml", "does not exist")),
        (("--target", "refrence"), ("refrence", "reference")),
        (("--target", "nowhere.yaml"), ("nowhere.yaml", "does not exist")),
        (("--sabotage", "anything"), ("--sabotage", "reference")),
        (("-n", "many"), ("-n", "many")),
        (("--no-such-option",), ("--no-such-option",)),
    ],
)
def test_wrong_usage_is_exit_2_with_what_was_expected(project, arguments, words):
    project.claims(("good", "own.holds"))
    done = project.upheld("run", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "reports" / "latest" / "run.json").exists()


@pytest.mark.parametrize(
    ("policy", "line", "words"),
    [
        (
            "claims: [{id: a, statement: S, section: S, severity: low, owner: platform, checks: [own.hold]}]",
            3,
            ("own.hold", "own.holds"),
        ),
        (
            "claims: [{id: a, statement: S, section: S, severity: low, owner: platform, checks: [own.holds: {dais: 3}]}]",
            3,
            ("dais", "days"),
        ),
        (
            "claims: [{id: a, statement: S, section: S, severity: low, owner: platform, checks: [own.holds: {days: three}]}]",
            3,
            ("three", "whole number"),
        ),
        ("claims: [{id: a, statement: S, section: S, severity: lo, owner: platform}]", 3, ("lo", "low")),
        ("claims:\n  - id: a\n    id: b\n", 5, ("id",)),
    ],
)
def test_a_wrong_policy_is_exit_2_with_file_and_line(project, policy, line, words):
    project.policy(policy)
    done = project.upheld("run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"policies.yaml:{line}:" in done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("upheld: target/1\nname: x\nenvironment: stagign\n", ("target.yaml:3:", "staging")),
        (
            "upheld: target/1\nname: x\nenvironment: staging\ndatabase: {url: 'postgresql://u:hunter2secret@h/d'}\n",
            ("target.yaml:4:", "reference (env:NAME or file:PATH)"),
        ),
        ("- not\n- a target\n", ("target.yaml",)),
        ("", ("target.yaml", "empty")),
    ],
)
def test_a_wrong_target_is_exit_2_and_repeats_no_secret(project, target, words):
    project.claims(("good", "own.holds"))
    (project.folder / "target.yaml").write_text(target, encoding="utf-8")
    done = project.upheld("run")
    assert done.returncode == 2, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr
    assert "hunter2secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_policy_of_ones_own_is_not_run_against_the_reference_by_default(project):
    project.claims(("good", "own.holds"))
    (project.folder / "target.yaml").unlink()
    done = project.upheld("run")
    assert done.returncode == 2
    assert "no target was named" in done.stderr


def test_the_projects_own_pytest_configuration_does_not_reach_the_audit(project):
    project.claims(("good", "own.holds"))
    (project.folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    (project.folder / "conftest.py").write_text("raise RuntimeError('not for the audit')\n", encoding="utf-8")
    done = project.upheld("run", "-n", "2", PYTEST_ADDOPTS="--also-none", PYTEST_PLUGINS="no_such_plugin")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_that_cannot_be_written_is_said_before_the_work(project):
    project.claims(("good", "own.holds"))
    (project.folder / "reports").write_text("a file stands in the way", encoding="utf-8")
    done = project.upheld("run")
    assert done.returncode == 4
    assert "reports" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_that_nobody_listens_to_any_more_ends_as_it_should(project, workers):
    project.claims(*((f"good-{number}", "own.holds") for number in range(20)), ("bad", "own.is_broken"))
    with subprocess.Popen(
        project.command("run", "-n", workers),
        cwd=project.folder,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            process.stdout.readline()
            process.stdout.close()
            said = process.stderr.read()
        finally:
            process.wait(120)
    assert (process.returncode, said) == (1, "")
    assert project.run_json()["complete"] is True
    assert len(project.run_json()["claims"]) == 21


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_interrupted_run_upholds_nothing_that_it_did_not_finish(project, number, workers):
    project.claims(("slow", "own.is_slow"), ("slow-too", "own.is_slow"), ("good", "own.holds"))
    with subprocess.Popen(
        project.command("run", "-n", workers, "--export", "junit=upheld.xml"),
        cwd=project.folder,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hear_interruptions,  # noqa: PLW1509  (no thread runs here)
    ) as process:
        try:
            until = time.monotonic() + 60
            while not (project.folder / "slow-began").exists() and time.monotonic() < until:
                time.sleep(0.1)
            process.send_signal(number)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 3, out
    run = project.run_json()
    statuses = {claim["id"]: claim["status"] for claim in run["claims"]}
    assert statuses["slow"] == statuses["slow-too"] == "inconclusive"
    assert run["complete"] is False
    exported = ET.parse(project.folder / "upheld.xml").getroot()
    assert exported.find(".//testcase[@name='run-came-to-its-end']/error") is not None
    assert exported.find(".//testcase[@name='slow']/error") is not None


def test_a_worker_that_dies_leaves_its_check_inconclusive_and_the_rest_decided(project):
    project.claims(*((f"good-{n}", "own.holds") for n in range(6)), ("killer", "own.kills_its_worker"))
    done = project.upheld("run", "-n", "2")
    assert done.returncode == 3, done.stdout + done.stderr
    statuses = {claim["id"]: claim["status"] for claim in project.run_json()["claims"]}
    assert statuses.pop("killer") == "inconclusive"
    assert set(statuses.values()) == {"upheld"}
    assert "worker died in mid check" in done.stdout
