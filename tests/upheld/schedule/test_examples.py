"""Each file of examples/schedule is what its own validator accepts, and says the same thing: every six hours, by a command that exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
import yaml
from croniter import croniter

from loopback import ROOT
from upheld.cli.main import cli
from upheld.cli.watch import watch
from upheld.schedule.notices import load

FOLDER = ROOT / "examples" / "schedule"
HOURS = [0, 6, 12, 18]


def hours(schedule: str) -> list[int]:
    """At which hours of a day a schedule of cron begins."""
    assert croniter.is_valid(schedule)
    times = croniter(schedule, datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    return [times.get_next(datetime).hour for _ in range(4)]


def accepted(line: str) -> dict[str, object]:
    """What the command makes of a line, which it must understand."""
    words = shlex.split(line)
    words = words[words.index("watch") + 1 :]
    context = watch.make_context("watch", words, parent=click.Context(cli))
    assert context.params["every"] == "6h"
    return context.params


def test_the_crontab():
    text = (FOLDER / "upheld.crontab").read_text(encoding="utf-8")
    (line,) = [one for one in text.splitlines() if re.match(r"[\d*]", one)]
    *schedule, user, command = line.split(None, 6)
    assert (hours(" ".join(schedule)), user) == (HOURS, "upheld")
    assert accepted(command)["once"]
    for one in set(text.splitlines()) - {line}:
        assert re.fullmatch(r"#.*|[A-Z_]+=\S+", one), one
    assert "%" not in command  # Which cron takes for a line's end.
    assert text.endswith("\n")


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (apt install systemd)"
)
def test_the_units_of_systemd(tmp_path: Path):
    units = []
    for unit in sorted((FOLDER / "systemd").iterdir()):
        text = unit.read_text(encoding="utf-8")
        for command in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE):
            accepted(command)
        # The program and the user that it names exist where it is installed; here their places are taken by others.
        text = text.replace("/opt/upheld/bin/upheld", sys.executable).replace("User=upheld", "User=root")
        units.append(tmp_path / unit.name)
        units[-1].write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, units)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    about = [line for line in done.stderr.splitlines() if "upheld" in line]
    assert (done.returncode, about) == (0, []), done.stderr
    (calendar,) = re.findall(r"OnCalendar=(.*)", (FOLDER / "systemd" / "upheld.timer").read_text(encoding="utf-8"))
    shown = subprocess.run(
        ["systemd-analyze", "calendar", "--base-time=2026-03-01 23:59:00 UTC", "--iterations=4", calendar],
        capture_output=True, text=True, check=True, timeout=60, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert [
        int(hour)
        for hour in re.findall(r"(?:Next elapse|Iter\. #\d|Iteration #\d): \S+ \S+ (\d\d):00:00 UTC", shown.stdout)
    ] == HOURS


def test_the_cron_job_of_kubernetes():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    job = yaml.safe_load((FOLDER / "cronjob.yaml").read_text(encoding="utf-8"))
    for version in kubernetes_validate.latest_version(), "1.27":
        kubernetes_validate.validate(job, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**job, "spec": {**job["spec"], "concurrency": "Forbid"}}, "1.27", strict=True)
    assert hours(job["spec"]["schedule"]) == HOURS
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert accepted(shlex.join(container["args"]))["once"]


def test_the_workflow_of_github(tmp_path: Path):
    path = FOLDER / "github-schedule.yml"
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    (tmp_path / "wrong.yml").write_text(json.dumps({**workflow, "jobs": {"audit": {"runs": "x"}}}), encoding="utf-8")
    assert (
        subprocess.run([*check, str(tmp_path / "wrong.yml")], capture_output=True, check=False, timeout=60).returncode
        == 1
    )
    (schedule,) = workflow[True]["schedule"]  # YAML 1.1 takes `on` for true.
    assert hours(schedule["cron"]) == HOURS
    (command,) = [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "watch" in step.get("run", "")]
    assert accepted(command)["once"]


def test_the_file_of_destinations():
    config = load(FOLDER / "notify.yaml")
    assert [one.name for one in config.destinations] == ["security", "legal", "on call"]


def test_every_file_is_named_with_what_it_is_for():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.name != "README.md"]
    assert len(files) == 7
    assert all(path.name in text for path in files)
