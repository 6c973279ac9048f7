"""`upheld fleet` as it is typed: real audits of small servers, on workers of this machine and on a cluster with TLS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

import fleets
from loopback import Pki, free_port, server_context, web
from processes import COMMAND, ROOT, hear_interruptions, inside, upheld
from upheld.fleet import state
from upheld.ledger import Ledger

HTML = {"Content-Type": "text/html"}
SOUND = {**HTML, "Strict-Transport-Security": "max-age=63072000"}
NAMES = ("good", "bare", "held")
POLICY = """upheld: policy/1
name: small
claims:
  - {id: hsts, statement: "Browsers stay with HTTPS.", section: S, severity: high, owner: platform, checks: [web.hsts_is_set]}
"""
TENANT = """upheld: target/1
name: ${name}
environment: staging
ca: ca.pem
timeout_seconds: 60
endpoints: [{name: www, url: "https://${name}.example:${port}", address: 127.0.0.1}]
"""


class Servers:
    """A sound server, one without the header, and one that keeps its visitors waiting."""

    def __init__(self, folder):
        self.folder = folder
        self.go = threading.Event()
        self.asked: list[str] = []
        self.ports: dict[str, int] = {}

    def held(self, method, path, headers):
        self.asked.append(path)
        self.go.wait(60)
        return 200, SOUND, b"x"

    def fleet(self, *names, extra=""):
        """The file of a fleet of those targets."""
        rows = ", ".join(f"{{name: {name}, port: {self.ports[name]}}}" for name in names)
        path = self.folder / "fleet.yaml"
        path.write_text(
            f"format: upheld-fleet/1\nname: small\npolicy: policies.yaml\n{extra}"
            f"targets:\n  - template: tenant.yaml\n    with: [{rows}]\n",
            encoding="utf-8",
        )
        return path


@pytest.fixture
def servers(tmp_path):
    pki = Pki(tmp_path)
    context = server_context(pki.issue(*(f"{name}.example" for name in NAMES)))
    (tmp_path / "policies.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "tenant.yaml").write_text(TENANT, encoding="utf-8")
    made = Servers(tmp_path)
    with contextlib.ExitStack() as stack:
        for name, pages in (
            ("good", {"/": (200, SOUND, b"x")}),
            ("bare", {"/": (200, HTML, b"x")}),
            ("held", made.held),
        ):
            made.ports[name] = stack.enter_context(web(pages, context))
        yield made
        made.go.set()


def fleet_command(servers, *arguments, **environment):
    """The command, started and not waited for, in a session of its own."""
    return subprocess.Popen(
        [*COMMAND, "fleet", "fleet.yaml", "--lease", "6s", "--ledger", "ledger.sqlite", "--out", "out", *arguments],
        cwd=servers.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "200", **environment},
        preexec_fn=hear_interruptions,  # noqa: PLW1509  (no thread runs here)
    )


def living(processes):
    """Those that have not ended."""
    found = []
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def states(folder):
    return {one.name: (one.state, one.code) for one in state.read(folder / "out").members}


def through(folder):
    found = state.standing(folder / "out")
    return sum(one.recorded for one in found.ran.values()) if found else 0


def ledger_of(folder):
    return {row.target: row.run for row in Ledger.open(folder / "ledger.sqlite").runs()}


def test_a_fleet_is_audited_on_this_machine_and_interrupted_in_order(servers):
    servers.fleet("good", "bare", "held", extra="limits: {requests: 40}\n")
    folder = servers.folder
    with fleet_command(servers, "--workers", "2", "-n", "0") as process:
        fleets.await_(lambda: servers.asked and through(folder) == 2, "all but one are through")
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "✓ good  The one claim is upheld" in said
    assert "✗ bare  1 of 1 decided claim refuted" in said
    assert "? held  not observed: the controller took it back" in said
    assert "small: 3 targets, 1 refuted, 1 upheld, 1 not observed" in said
    assert "the fleet's run was stopped; --resume goes on from here" in said
    assert states(folder) == {
        "good": ("ran", 0),
        "bare": ("ran", 1),
        "held": ("not observed", None),
    }
    fleets.await_(lambda: not living(children), "nothing of it is left")
    sent = {
        event["member"]: event["sent"]
        for line in (folder / "out" / state.PROGRESS).read_text(encoding="utf-8").splitlines()
        if (event := json.loads(line))["event"] == "ended"
    }
    assert sent["good"]["good.example"] >= 1
    assert sent["held"]["held.example"] >= 1
    page = (folder / "out" / "targets" / "bare" / "report.html").read_text(encoding="utf-8")
    assert "Browsers stay with HTTPS." in page
    assert "Browsers stay with HTTPS." in (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert ledger_of(folder).keys() >= {"good", "bare"}


@contextlib.contextmanager
def standing(folder, pki_files, port, workers=1):
    """A cluster as others run one, with TLS."""
    tls = [
        "--tls-ca-file",
        str(pki_files["ca"]),
        "--tls-cert",
        str(pki_files["own"]),
        "--tls-key",
        str(pki_files["own"]),
    ]
    where = f"tls://127.0.0.1:{port}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOME": str(folder)}
    scheduler = [*("-m", "distributed.cli.dask_scheduler"), "--host", where, "--no-dashboard", *tls]
    scheduler += ["--dashboard-address", "127.0.0.1:0"]
    worker = [*("-m", "distributed.cli.dask_worker"), where, "--no-nanny", "--nthreads", "1", *tls]
    worker += ["--dashboard-address", "127.0.0.1:0", "--local-directory", str(folder), "--death-timeout", "60"]
    with contextlib.ExitStack() as stack:

        def start(command):
            log = stack.enter_context((folder / "dask.log").open("ab"))
            process = subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, 30)
            stack.callback(process.kill)
            return process

        yield start(scheduler), [start(worker) for _ in range(workers)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("names", [("held",), pytest.param(("good", "held"), marks=pytest.mark.exhaustive)])
def test_a_cluster_with_tls_whose_scheduler_is_killed_in_mid_run(servers, tmp_path, names):
    folder = servers.folder
    (apart := tmp_path / "cluster").mkdir()
    pki = Pki(apart)
    own = pki.issue("localhost")
    files = {"ca": pki.ca, "own": own}
    port = free_port()
    where = ["--scheduler", f"tls://127.0.0.1:{port}", "--tls-ca", str(pki.ca)]
    where += ["--tls-cert", str(own), "--tls-key", str(own)]
    before = dict.fromkeys(names[:-1], ("ran", 0))
    servers.fleet(*names)
    with standing(apart, files, port) as (scheduler, (worker,)):
        with fleet_command(servers, *where) as process:
            fleets.await_(lambda: servers.asked and through(folder) == len(before), "the last is under way")
            audits = psutil.Process(worker.pid).children(recursive=True)
            assert audits
            scheduler.kill()
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 4, said
        assert "the scheduler was lost" in said
        assert "--resume goes on from here" in said
        assert states(folder) == {**before, "held": ("not observed", None)}
        fleets.await_(lambda: not living(audits), "the worker has stopped the audit by itself")
    if not before:
        return
    servers.go.set()
    with standing(apart, files, port), fleet_command(servers, *where, "--resume") as process:
        said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert "from before" in said
    assert states(folder) == {"good": ("ran", 0), "held": ("ran", 0)}
    assert len(ledger_of(folder)) == 2


def test_what_a_fleet_expands_to_is_listed_and_nothing_is_started(servers):
    servers.fleet("good", "bare")
    done = inside(servers.folder, "fleet", "fleet.yaml", "--list")
    assert done.returncode == 0, done.stderr
    assert "small: 2 targets" in done.stdout
    assert "good.example" in done.stdout
    done = inside(servers.folder, "fleet", "fleet.yaml", "--list", "--only", "b*")
    assert "bare" in done.stdout
    assert "good" not in done.stdout
    assert not (servers.folder / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], ["nowhere.yaml", "does not exist"]),
        (["fleet.yaml", "--only", "godo"], ["--only", "'godo'", "'good'"]),
        (["fleet.yaml", "--time-limit", "soon"], ["--time-limit", "30m"]),
        (["fleet.yaml", "--lease", "1s"], ["--lease", "5 s"]),
        (["fleet.yaml", "--workers", "0"], ["--workers", "1 or more"]),
        (["fleet.yaml", "-n", "-1"], ["-n"]),
        (["fleet.yaml", "--scheduler", "tcp://10.0.0.7:8786"], ["--scheduler", "without TLS", "--tls-ca"]),
        (["fleet.yaml", "--scheduler", "tls://10.0.0.7:8786"], ["--tls-ca", "--tls-cert", "--tls-key"]),
        (["fleet.yaml", "--ledger", "mysql://x/y"], ["--ledger"]),
    ],
)
def test_wrong_usage_is_exit_2_and_nothing_is_started(servers, arguments, words):
    servers.fleet("good", "bare")
    done = inside(servers.folder, "fleet", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (servers.folder / "reports").exists()


def test_a_wrong_description_is_exit_2_with_all_mistakes(servers):
    path = servers.fleet("good", "bare")
    (servers.folder / "tenant.yaml").write_text(TENANT.replace("staging", "stagign"), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("name: small", "nmae: small"), encoding="utf-8")
    done = inside(servers.folder, "fleet", "fleet.yaml")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "tenant.yaml:3:" in done.stderr
    assert "fleet.yaml:2:" in done.stderr
    assert "nothing was run" in done.stderr
    assert not (servers.folder / "reports").exists()


def test_without_the_extra_it_is_said_what_to_install(servers, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "distributed" else find(name, *rest)
    )
    servers.fleet("good")
    done = inside(servers.folder, "fleet", "fleet.yaml")
    assert done.returncode == 2
    assert "upheld[fleet]" in done.stderr


def test_a_scheduler_that_is_not_there_is_exit_4(servers, monkeypatch):
    from upheld.fleet import cluster

    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    servers.fleet("good")
    where = f"tcp://127.0.0.1:{free_port()}"
    done = inside(servers.folder, "fleet", "fleet.yaml", "--scheduler", where)
    assert done.returncode == 4, done.stderr
    assert where in done.stderr
    assert not (servers.folder / "reports").exists()


def test_the_command_starts_without_dask(servers):
    script = "import sys, upheld.cli.fleet; print('distributed' in sys.modules or 'dask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
    assert upheld(servers.folder, "fleet", "--help").returncode == 0
