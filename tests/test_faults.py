"""What breaks in mid run leaves claims inconclusive, never green."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from loopback import ROOT
from upheld_reference import deployment, target_file

COMMAND = [sys.executable, "-c", "from upheld.cli.main import main; main()"]


def audit_while(
    running: deployment.Deployment, out: Path, harm: Callable[[], None], *, after: str
) -> tuple[int, dict[str, str], str]:
    """Audit a running deployment, and do harm to it once the progress shows a line with `after`."""
    target = target_file.write(running.folder, running.facts)
    description = json.loads(target.read_text(encoding="utf-8"))
    target.write_text(json.dumps({**description, "check_seconds": 8, "timeout_seconds": 3}), encoding="utf-8")
    command = [
        *COMMAND,
        "run",
        "--policy",
        str(ROOT / "policies.yaml"),
        "--target",
        str(target),
        "-n",
        "2",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    )
    timer = threading.Timer(300, process.kill)
    timer.start()
    lines, done = [], False
    try:
        for line in process.stdout or ():
            lines.append(line)
            if after in line and not done:
                done = True
                harm()
        code = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.communicate()
    assert done, "".join(lines)
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return code, {claim["id"]: claim["status"] for claim in run["claims"]}, "".join(lines)


@pytest.mark.exhaustive
def test_a_database_that_stops_in_mid_run_is_not_green(tmp_path):
    with deployment.start() as running:
        code, statuses, words = audit_while(running, tmp_path / "out", running.kill_postgres, after=" 1/")
    assert code == 3, words
    assert "refuted" not in statuses.values(), words
    for claim in ("retention-90-days", "tenant-isolation", "rate-limits", "tokens-never-logged"):
        assert statuses[claim] == "inconclusive", words


def test_a_deployment_that_dies_in_mid_run_is_not_green(tmp_path):
    with deployment.start() as running:

        def die() -> None:
            os.kill(running.facts["pid"], signal.SIGKILL)

        code, statuses, words = audit_while(running, tmp_path / "out", die, after="checks planned")
    assert code == 3, words
    assert "refuted" not in statuses.values(), words
    # What stands in files (registers, recorded facts, the repository) can be read without the deployment; nothing else can.
    for claim in (
        "retention-90-days",
        "tenant-isolation",
        "rate-limits",
        "tokens-never-logged",
        "rbac",
        "transit-tls12",
    ):
        assert statuses[claim] == "inconclusive", words
