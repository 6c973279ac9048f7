"""How a deployment starts, stops, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from upheld_reference import deployment as deployments
from upheld_reference import embedded
from upheld_reference.deployment import Deployment, DeploymentError

Request = Callable[..., httpx.Response]
GONE_SECONDS = 10.0


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except ProcessLookupError:  # It went while it was looked at.
        return False
    except FileNotFoundError:  # Or the system has no such files.
        return not Path("/proc/self/stat").exists()
    return status.rpartition(")")[2].split()[0] != "Z"


def left_of(running: Deployment) -> list[str]:
    """What of the deployment is still there after a while."""
    facts = running.facts
    places = {str(running.folder), facts["postgres"]["home"]}
    pids = {"server": facts["pid"], "PostgreSQL": facts["postgres"]["pid"]}
    deadline = time.monotonic() + GONE_SECONDS
    while True:
        left = [place for place in places if Path(place).exists()] + [name for name in pids if alive(pids[name])]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_clean(number: signal.Signals) -> None:
    with deployments.start() as running:
        os.kill(running.facts["pid"], number)
        assert left_of(running) == []
        assert running.wait(5) == 0


def test_one_that_nobody_waits_for_is_given_up(tmp_path: Path) -> None:
    starting = deployments.Starting(folder=tmp_path / "rivet")
    starting.stop()
    assert not (tmp_path / "rivet").exists()
    with pytest.raises(DeploymentError, match="ended"):
        starting.ready()
    target = embedded()
    target.begin()
    target.__exit__(None, None, None)
    with pytest.raises(DeploymentError, match="ended"):
        target.__enter__()


def test_it_stops_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = "from upheld_reference import deployment; import json, time; d = deployment.start();"
    program += (
        "print(json.dumps([str(d.folder), d.facts['pid'], d.facts['postgres']['pid']]), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder, server, postgres = json.loads(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + GONE_SECONDS
    while time.monotonic() < deadline and (alive(server) or alive(postgres) or Path(folder).exists()):
        time.sleep(0.02)
    assert (alive(server), alive(postgres), Path(folder).exists()) == (False, False, False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child when its parent is killed")
def test_postgresql_does_not_outlive_a_killed_server() -> None:
    with deployments.start() as running:
        os.kill(running.facts["pid"], signal.SIGKILL)
        deadline = time.monotonic() + GONE_SECONDS
        while alive(running.facts["postgres"]["pid"]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not alive(running.facts["postgres"]["pid"])
    assert left_of(running) == []


def test_the_rest_goes_on_without_postgresql(request_of: Request) -> None:
    with deployments.start() as running:
        running.kill_postgres()
        assert request_of(running, "www", "/security").status_code == 200
        assert running.running
    assert left_of(running) == []


def test_two_side_by_side_do_not_disturb_each_other(deployment: Deployment, request_of: Request) -> None:
    with deployments.start() as other:
        ports = [facts["port"] for one in (deployment, other) for facts in one.facts["listeners"].values()]
        assert len(set(ports)) == len(ports)
    assert request_of(deployment, "api", "/openapi.json").status_code == 200


def test_a_folder_that_postgresql_cannot_use_is_no_obstacle(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folder = closed / ("long" * 30)
    with deployments.start(folder=folder) as running:
        assert not running.facts["postgres"]["home"].startswith(str(folder))
        with psycopg.connect(running.facts["postgres"]["urls"]["superuser"]) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("rivet",)
    assert left_of(running) == []
    assert closed.exists()


def test_a_folder_with_something_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(DeploymentError, match="not an empty folder"):
        deployments.start(folder=tmp_path)
    assert (tmp_path / "mine").read_text() == "precious"


def test_an_unknown_sabotage_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="did you mean tls_1_0_on_one_port"):
        deployments.start(["tls_1_0_on_one_prt"], folder=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_secrets_are_for_the_owner_only(deployment: Deployment) -> None:
    for path in (deployment.folder / "deployment.json", *(deployment.folder / "secrets").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    for name in ("secrets", "logs", "exports"):
        assert stat.S_IMODE((deployment.folder / name).stat().st_mode) == 0o700, name


def test_postgresql_listens_on_a_socket_that_is_closed_to_others(deployment: Deployment) -> None:
    facts = deployment.facts["postgres"]
    with psycopg.connect(facts["urls"]["auditor"]) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    folder = Path(facts["socket_folder"])
    for path in (folder, folder / ".s.PGSQL.5432"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(facts["urls"]["auditor"], password="wrong")


def test_statements_are_logged_without_passwords(deployment: Deployment) -> None:
    with psycopg.connect(deployment.facts["postgres"]["urls"]["auditor"]) as connection:
        connection.execute("SELECT 'seen-in-the-log'")
    text = Path(deployment.facts["postgres"]["log_file"]).read_text(encoding="utf-8")
    assert "SELECT 'seen-in-the-log'" in text
    assert "CREATE ROLE" not in text


def test_the_command_runs_one_until_a_signal() -> None:
    command = [sys.executable, "-m", "upheld_reference", "up", "--sabotage", "hsts_missing"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: dict[str, str] = {}
        for line in process.stdout:
            label, _, value = line.strip().partition(" ")
            lines[label] = value.strip()
            if label == "Ctrl-C":
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(GONE_SECONDS) == 0
    assert lines["sabotages"] == "hsts_missing"
    assert lines["www"].startswith("https://www.rivet.example:")
    assert not Path(lines["folder"]).exists()
