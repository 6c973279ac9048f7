"""The action, the template and the hook that are offered: valid by their vendors' schemas, and what they run is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ...loopback import ROOT, free_port
from ...offline import copied, without_index
from .conftest import PLAIN, Project

ACTION = ROOT / "action.yml"
TEMPLATE = ROOT / "examples/gate/gitlab-ci.yml"
WORKFLOW = ROOT / "examples/gate/github-gate.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"


@pytest.mark.parametrize(
    ("schema", "path", "wrong"),
    [
        ("github-actions", ACTION, {"runs": {"using": "composite", "steps": [{"run": "x"}]}}),
        ("gitlab-ci", TEMPLATE, {"upheld-gate": {"script": "x", "allow_failure": {"exit_codes": "six"}}}),
        ("github-workflows", WORKFLOW, {"jobs": {"gate": {"runs": "x"}}}),
    ],
)
def test_each_is_valid_by_its_vendors_schema(tmp_path: Path, schema: str, path: Path, wrong: dict[str, Any]) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*check, str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "wrong.yml"
    broken.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **wrong}))
    assert subprocess.run([*check, str(broken)], capture_output=True, check=False, timeout=60).returncode == 1


def bash(project: Project, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script as a CI service runs it, with `upheld` on PATH."""
    tools = project.beside / "bin"
    tools.mkdir(exist_ok=True)
    code = "from upheld.cli.main import main; main()"
    (tools / "upheld").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    (tools / "upheld").chmod(0o755)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=project.folder,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def action(project: Project, **inputs: str) -> tuple[subprocess.CompletedProcess[str], str]:
    described = yaml.safe_load(ACTION.read_text())
    given = {name: one["default"] for name, one in described["inputs"].items()}
    given |= {"since": "", **inputs}
    step = next(one for one in described["runs"]["steps"] if one.get("id") == "gate")
    values = {name: given[text.removeprefix("${{ inputs.").removesuffix(" }}")] for name, text in step["env"].items()}
    output, summary = project.beside / "output", project.beside / "summary"
    done = bash(project, step["run"], GITHUB_OUTPUT=str(output), GITHUB_STEP_SUMMARY=str(summary), **values)
    return done, output.read_text() if output.exists() else ""


def test_the_actions_step_says_what_breaks(project: Project) -> None:
    done, output = action(project)
    assert (done.returncode, output) == (0, "code=0\n"), done.stderr
    project.write("app/a.py", PLAIN)
    done, output = action(project, since="HEAD", **{"cache-key": "a secret; echo $(id)"})
    assert (done.returncode, output) == (1, "code=0\ncode=1\n"), done.stderr
    assert "::error file=app/a.py,line=1,title=Breaks the promise c1::" in done.stdout
    assert (project.beside / "summary").read_text().count("<!-- upheld gate -->") == 2
    # An input is never a part of the script.
    hostile, _ = action(project, target='$(touch owned)"; touch owned; "')
    assert hostile.returncode == 2
    assert not (project.folder / "owned").exists()


def test_the_action_warns_of_a_target_that_is_not_reached_or_fails(project: Project) -> None:
    project.policy("own.answers")
    text = (project.folder / "target.yaml").read_text()
    project.write("target.yaml", f"{text}endpoints: [{{name: shop, url: 'http://127.0.0.1:{free_port()}'}}]\n")
    done, output = action(project)
    assert (done.returncode, output) == (0, "code=6\n"), done.stderr
    assert "::warning title=Not told::The target was not reached" in done.stdout
    assert action(project, unreachable="fail")[0].returncode == 6


def test_nothing_of_the_action_is_expanded_inside_of_a_script() -> None:
    steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    assert all("${{" not in step["run"] for step in steps)
    for step in steps:
        subprocess.run(["bash", "-n", "-c", step["run"]], check=True, timeout=30)


def test_the_templates_script_writes_the_reports_that_it_names(project: Project) -> None:
    job = yaml.safe_load(TEMPLATE.read_text())["upheld-gate"]
    project.write("app/a.py", PLAIN)
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    done = bash(project, "\n".join(job["script"]), CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    assert done.returncode == 1, done.stderr
    reports = [*job["artifacts"]["reports"].values(), *job["artifacts"]["paths"]]
    assert all((project.folder / name).stat().st_size for name in reports)
    assert job["allow_failure"] == {"exit_codes": 6}


def test_the_hook_keeps_a_commit_out(project: Project) -> None:
    validated = [sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS)]
    subprocess.run(validated, check=True, timeout=60, capture_output=True)
    (hook,) = yaml.safe_load(HOOKS.read_text())
    assert hook.pop("additional_dependencies") == [".[code]"]
    # As it is offered, but for the environment, which is made in the next test.
    local = {**hook, "language": "system"}
    project.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [{"repo": "local", "hooks": [local]}]}))
    project.commit()
    project.write("app/a.py", PLAIN)
    project.git("add", "-A")
    run = f"{shlex.quote(sys.executable)} -m pre_commit run --hook-stage pre-commit --color never"
    home = {"PRE_COMMIT_HOME": str(project.beside / "pre-commit")}
    done = bash(project, run, **home)
    assert done.returncode == 1, done.stderr
    assert "app/a.py:1: breaks “Promise 1.”" in done.stdout
    # What is not staged is no part of the commit.
    project.git("restore", "--staged", "--worktree", "app/a.py")
    project.write("app/a.py", PLAIN)
    assert bash(project, run, **home).returncode == 0
    assert project.git("status", "--porcelain") == "M app/a.py"


@pytest.mark.exhaustive
def test_pre_commit_makes_the_environment_of_the_hook_and_runs_it(project: Project) -> None:
    """As it is offered, with its language and what it needs besides; what is installed here already stands for the index."""
    offered = project.beside / "offered"
    copied(offered)
    names = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for words in (("init", "-q", "."), ("add", "-A"), ("commit", "-q", "-m", "offered")):
        subprocess.run(["git", *words], cwd=offered, check=True, env={**os.environ, **names}, timeout=60)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=offered, check=True, capture_output=True, text=True)
    taken = {"repo": str(offered), "rev": head.stdout.strip(), "hooks": [{"id": "upheld-gate"}]}
    project.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [taken]}))
    project.commit()
    home = project.beside / "pre-commit"
    environ = {**os.environ, **without_index(project.beside / "others"), **names, "PRE_COMMIT_HOME": str(home)}
    command = [sys.executable, "-m", "pre_commit", "run", "--hook-stage", "pre-commit", "--color", "never"]

    def committed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=project.folder, env=environ, capture_output=True, text=True, check=False, timeout=300
        )

    done = committed()
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(home.glob("repo*/py_env-*/lib/python3*/site-packages/upheld/cli/gate.py"))
    project.write("app/a.py", PLAIN)
    project.git("add", "-A")
    done = committed()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "app/a.py:1: breaks “Promise 1.”" in done.stdout


def test_the_worked_example_of_the_page(project: Project) -> None:
    page = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
    files = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", page, re.DOTALL)
    shutil.rmtree(project.folder)
    project.folder.mkdir()
    project.git("init", "-q", "-b", "main", ".")
    for path, text in files:
        project.write(path, text)
    project.commit()
    (console,) = re.findall(r"<!-- commands -->\n```console\n(.*?)```", page, re.DOTALL)
    steps = [one.partition("\n") for one in console.removeprefix("$ ").split("\n$ ")]
    names = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    # One script, whose commands may fail; `code` keeps what `$?` was meant to show.
    script = "set +e\n" + "".join(f"{command.replace('$?', '$code')}\ncode=$?\necho @@@\n" for command, _, _ in steps)
    done = bash(project, script, **names)
    said = [one.strip("\n") for one in done.stdout.split("@@@\n")]
    for (command, _, expected), got in zip(steps, said, strict=False):
        pattern = ".*".join(re.escape(part) for part in expected.strip("\n").split("…"))
        assert re.fullmatch(pattern, got), (command, got, done.stderr)
    assert len(said) == len(steps) + 1
