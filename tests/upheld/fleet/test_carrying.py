"""What workers do with jobs: real workers of a small cluster, real audits, and processes that misbehave."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fleet_parts as parts
from evidence_runs import project
from fleet_parts import forever, job, left_of, member, pid_in, runs, swept, until
from loopback import Page, web
from upheld.fleet.archives import unpack_folder
from upheld.fleet.carrying import carry_out, guarded
from upheld.fleet.guard import KEPT
from upheld.fleet.jobs import Outcome
from upheld.fleet.leases import Heart, Lease, now
from upheld.reporting import run_json

ASKS = '''
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check
from upheld.probes.http import Http


@check(basis=OBSERVED)
def answers(http: Http, *, path: str = "/") -> Iterator[Finding]:
    """The service answers."""
    status = http.get("http://www.rivet.example:{port}" + path).status
    yield Finding("the service", status == 200, "200", str(status))
'''


LOGS_IN = '''
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check
from upheld.probes.api import Api


@check(basis=OBSERVED)
def answers(api: Api) -> Iterator[Finding]:
    """The service knows who asks."""
    status = api.harmless("whoami", "ada").status
    yield Finding("the service", status == 200, "200", str(status))
'''
ADA = """
api:
  endpoint: www
  declared: {whoami: {call: GET /me}}
  logins: {key: {scheme: header, name: X-Key, value: "{token} {other}"}}
tenants: [{name: first, id: "1"}]
identities:
  - {name: ada, tenant: first, role: owner, login: key, secrets: {token: "env:UPHELD_TEST_TOKEN", other: "file:other.key"}}
"""
HERE = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def client(temporary: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        patch.setenv("UPHELD_TEST_TOKEN", "the-workers-own")
        with parts.cluster() as client:
            yield client


@pytest.fixture(scope="module")
def heart(client: Any) -> Iterator[Heart]:
    with Heart(client, "test", every=0.2) as heart:
        yield heart


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A project with one claim that is upheld."""
    return project(tmp_path / "project", {"good": "[own.holds]", "bad": "[own.is_broken]"})


def done(client: Any, heart: Heart, one: Any, **options: Any) -> Outcome:
    """What became of a job on a worker."""
    outcome: Outcome = client.submit(carry_out, one, heart.beats, pure=False, **options).result(timeout=parts.SECONDS)
    return outcome


def asking(folder: Path, port: int, checks: str = ASKS, more: str = "") -> Path:
    """A project whose check asks a service on the loopback address."""
    made = project(folder, {"up": "[own.answers]"}, checks.replace("{port}", str(port)))
    endpoint = f"{{name: www, url: 'http://www.rivet.example:{port}', address: 127.0.0.1}}"
    (made / "target.yaml").write_text(f"name: t\nenvironment: staging\nendpoints: [{endpoint}]\n{more}", "utf-8")
    return made


def test_an_audit_comes_back_whole_and_its_secrets_never_travel(
    client: Any, heart: Heart, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[str] = []

    def page(method: str, path: str, headers: Mapping[str, str]) -> Page:
        known.append(headers.get("X-Key", ""))
        return 200, HERE, b"here"

    with web(page) as port:
        folder = asking(tmp_path / "project", port, LOGS_IN, ADA)
        (folder / "other.key").write_text("kept-in-a-file\n", "utf-8")
        monkeypatch.setenv("UPHELD_TEST_TOKEN", "the-controllers-own")
        one = job(heart, member(folder))
        travels = pickle.dumps(one)
        assert all(word not in travels for word in (b"kept-in-a-file", b"the-controllers-own", b"the-workers-own"))
        outcome = done(client, heart, one)
    assert (outcome.kind, outcome.code) == ("ran", 0), outcome.reason
    assert set(known) == {"the-workers-own kept-in-a-file"}
    assert outcome.worker.startswith("tcp://127.0.0.1:")
    assert (outcome.sent, outcome.sent_known) == ({"www.rivet.example": len(known)}, True)
    assert not list(temporary.glob("upheld-*"))
    unpack_folder(outcome.archive, tmp_path / "back")
    run = run_json.read(tmp_path / "back" / "run.json")
    assert (run.complete, [claim.status.value for claim in run.claims]) == (True, ["upheld"])
    assert {path.name for path in (tmp_path / "back").iterdir()} == {"run.json", "report.html", "sent.json", "inputs"}
    told = b"".join(path.read_bytes() for path in (tmp_path / "back").rglob("*") if path.is_file())
    assert all(word not in told for word in (b"kept-in-a-file", b"the-workers-own"))


def test_its_share_of_the_limits_its_claims_and_its_waivers_count(client: Any, heart: Heart, tmp_path: Path) -> None:
    with web({"/": (200, HERE, b"here")}) as port:
        twice = ASKS.replace("yield", 'http.get("http://www.rivet.example:{port}/again")\n    yield')
        folder = asking(tmp_path / "project", port, twice, "limits: {requests: 50}\n")
        waivers = folder / "more.yaml"
        waivers.write_text("waivers: [{claim: up, reason: R., approver: Jo, expires: 2999-01-31}]\n", "utf-8")
        with (folder / "policies.yaml").open("a") as policy:
            policy.write("  - {id: other, statement: Other., section: S, severity: low, owner: platform, checks: []}\n")
        one = member(folder, claims=("up",), waivers=waivers)
        outcome = done(client, heart, job(heart, one, share={"hosts": {"www.rivet.example": {"requests": 1}}}))
    assert (outcome.kind, outcome.code, outcome.sent) == ("ran", 0, {"www.rivet.example": 1}), outcome.reason
    unpack_folder(outcome.archive, tmp_path / "back")
    (claim,) = run_json.read(tmp_path / "back" / "run.json").claims
    assert (claim.status.value, [waiver.approver for waiver in claim.waivers]) == ("inconclusive", ["Jo"])
    assert "budget of 1 requests to www.rivet.example in a run is used up" in claim.checks[0].reason


def test_an_attempt_is_started_once(client: Any, heart: Heart, stranger: Path) -> None:
    one = job(heart, member(stranger, claims=("good",)))
    futures = [client.submit(carry_out, one, heart.beats, parts.answers, pure=False) for _ in range(4)]
    outcomes = [future.result(timeout=parts.SECONDS) for future in futures]
    assert sorted(outcome.kind for outcome in outcomes) == ["lost", "lost", "lost", "ran"]
    assert {outcome.reason for outcome in outcomes if outcome.kind == "lost"} == {
        "this attempt was started before, or the controller took it back"
    }


def test_a_ticket_that_was_taken_back_starts_nothing(client: Any, heart: Heart, stranger: Path) -> None:
    one = job(heart, member(stranger))
    heart.revoke(one.ticket)
    outcome = done(client, heart, one, work=parts.answers)
    assert (outcome.kind, outcome.archive, outcome.sent) == ("lost", b"", {})


def test_an_attempt_that_is_taken_back_stops_and_tells_what_it_sent(client: Any, heart: Heart, tmp_path: Path) -> None:
    asked = threading.Event()
    answered = threading.Event()

    def page(method: str, path: str, headers: Mapping[str, str]) -> Page:
        asked.set()
        answered.wait(parts.SECONDS)
        return 200, HERE, b"late"

    with web(page) as port:
        one = job(heart, member(asking(tmp_path / "project", port, more="timeout_seconds: 200\n")))
        future = client.submit(carry_out, one, heart.beats, pure=False)
        assert asked.wait(parts.SECONDS)
        heart.revoke(one.ticket)
        try:
            outcome = future.result(timeout=parts.SECONDS)
        finally:
            answered.set()
    assert (outcome.kind, outcome.reason) == ("stopped", "the controller took it back")
    assert (outcome.sent, outcome.sent_known) == ({"www.rivet.example": 1}, True)


def test_an_audit_that_never_ends_is_ended_in_time(client: Any, heart: Heart, tmp_path: Path) -> None:
    hangs = project(
        tmp_path / "project",
        {"up": "[own.hangs]"},
        "import time\nfrom collections.abc import Iterator\nfrom upheld import OBSERVED, Finding, check\n"
        "from upheld.probes.clock import Clock\n\n\n@check(basis=OBSERVED)\ndef hangs(clock: Clock) -> Iterator[Finding]:\n"
        '    """It ends."""\n    while True:\n        time.sleep(60)\n    yield\n',
    )
    outcome = done(client, heart, job(heart, member(hangs), time_limit=1.0))
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("the audit did not end within 1 s")


def test_wrong_input_is_no_verdict_and_says_what_is_wrong(client: Any, heart: Heart, stranger: Path) -> None:
    one = job(heart, member(stranger))
    files = tuple((path, b"name: [" if path == one.policy else content) for path, content in one.files)
    outcome = done(client, heart, replace(one, files=files))
    assert (outcome.kind, outcome.code, outcome.archive) == ("failed", 2, b"")
    assert "policies.yaml:2:1: no valid YAML" in outcome.reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"version": "0.0.1"}, "the worker has upheld"),
        ({"machine": "another"}, "this worker is on another machine than the controller"),
        ({"files": (("../../elsewhere", b""),)}, "../../elsewhere: is no path within a job"),
        ({"files": (("/tmp/elsewhere", b""),)}, "/tmp/elsewhere: is no path within a job"),
        ({"share": {"per_second": -1}}, "greater than 0"),
    ],
)
def test_a_job_that_is_none(client: Any, heart: Heart, stranger: Path, changed: dict[str, Any], reason: str) -> None:
    outcome = done(client, heart, replace(job(heart, member(stranger)), **changed), work=parts.answers)
    assert outcome.kind == "failed"
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("work", "kind", "code", "reason"),
    [
        (parts.writes_nothing, "failed", 0, "the audit ended with exit code 0 and left no run.json"),
        (parts.answers_four, "failed", 4, "the audit ended with exit code 4"),
        (parts.breaks, "failed", None, "the audit failed: ZeroDivisionError: division by zero"),
        (parts.gives_up, "failed", 3, "the replay has no more"),
        (parts.leaves_too_much, "failed", 0, "the folder of the run cannot be sent: a file in it is called 'a\\nb'"),
    ],
)
def test_work_that_shows_nothing_is_no_verdict(
    client: Any, heart: Heart, stranger: Path, work: Any, kind: str, code: int | None, reason: str
) -> None:
    outcome = done(client, heart, job(heart, member(stranger)), work=work)
    assert (outcome.kind, outcome.code, outcome.reason) == (kind, code, reason)


def test_a_beat_that_stops_ends_the_lease(client: Any, stranger: Path, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with Heart(client, "stops", every=0.1) as heart, swept(file):
        one = replace(job(heart, member(stranger), lease=5.0), claims=(str(file),))
        future = client.submit(carry_out, one, heart.beats, parts.sleeps, pure=False)
        pid = pid_in(file)
        heart.fall_silent()
        outcome = future.result(timeout=parts.SECONDS)
        assert (outcome.kind, outcome.reason) == ("stopped", "lease: nothing was heard of the controller for 5 s")
        assert not runs(pid)


def test_work_that_outlasts_its_lease_does_not_count(client: Any, stranger: Path) -> None:
    with Heart(client, "outlasts", every=0.1) as heart:
        one = job(heart, member(stranger), lease=1.0)
        heart.fall_silent()
        outcome = done(client, heart, one, work=parts.answers_late)
    assert (outcome.kind, outcome.reason) == ("stopped", "nothing was heard of the controller for 1 s")


def test_a_worker_that_is_killed_takes_its_audit_with_it(
    client: Any, heart: Heart, stranger: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    with swept(file):
        one = replace(job(heart, member(stranger)), claims=(str(file),))
        future = client.submit(carry_out, one, heart.beats, parts.sleeps, pure=False, retries=0)
        pid = pid_in(file)
        (address,) = [worker for worker, keys in client.processing().items() if future.key in keys]
        victim = client.run(os.getpid, workers=[address])[address]
        os.kill(victim, signal.SIGKILL)
        until(lambda: not runs(pid))
        # Dask starts the task again by itself; nothing is done a second time.
        assert future.result(timeout=parts.SECONDS).kind == "lost"


# --- the guard ---------------------------------------------------------------------------------------------------------


def held(seconds: float = 1000.0) -> Lease:
    """A lease that nobody follows."""
    return Lease("ticket", seconds, now())


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_a_flood_is_read_and_its_end_is_kept(tmp_path: Path) -> None:
    flood = "import sys\nfor n in range(3000):\n    sys.stdout.write('x' * 10000)\nprint('the last words')\nsys.exit(5)"
    ended = guarded(python(flood), tmp_path, os.environ, held(), 1000.0)
    assert (ended.how, ended.code, len(ended.said)) == ("ended", 5, KEPT)
    assert ended.said.endswith("xthe last words\n")


def test_one_that_is_killed_says_by_what(tmp_path: Path) -> None:
    ended = guarded(
        python("import os; print('so far', flush=True); os.kill(os.getpid(), 9)"), tmp_path, os.environ, held(), 1e3
    )
    assert (ended.how, ended.code, ended.said) == ("ended", -9, "so far\n")


def test_what_it_left_in_sessions_of_its_own_is_ended_too(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    leaves = f"import subprocess; subprocess.Popen({forever(file, deaf=True)!r}, start_new_session=True)\n"
    leaves += f"import os, time\nwhile not os.path.exists({str(file)!r}):\n    time.sleep(0.01)"
    with swept(file):
        ended = guarded(python(leaves), tmp_path, os.environ, held(), 1000.0)
        assert (ended.how, ended.code) == ("ended", 0)
        assert not runs(pid_in(file))


@pytest.mark.parametrize("deaf", [False, True])
def test_the_time_limit_is_kept_by_one_that_is_deaf_as_well(tmp_path: Path, deaf: bool) -> None:
    file = tmp_path / "pid"
    with swept(file):
        grace = 0.5 if deaf else 1000.0
        ended = guarded(forever(file, deaf=deaf), tmp_path, os.environ, held(), 2.0, grace=grace)
        assert (ended.how, ended.code) == ("time", -signal.SIGKILL if deaf else -signal.SIGTERM)
        assert not file.exists() or not runs(pid_in(file))


def test_an_end_of_the_lease_is_told_at_once_and_needs_no_telling(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with swept(first, second):
        lease = held()
        threading.Thread(target=lambda: (pid_in(first), lease.end("enough"))).start()
        ended = guarded(forever(first), tmp_path, os.environ, lease, 1000.0)
        assert (ended.how, lease.reason) == ("stopped", "enough")
        ended = guarded(forever(second, deaf=True), tmp_path, os.environ, held(1.5), 1000.0)
        assert ended.how == "lease"
        assert not any(runs(pid_in(file)) for file in (first, second) if file.exists())


def test_no_audit_goes_on_without_its_guard_or_its_worker(tmp_path: Path) -> None:
    stands_still = f"os.kill(os.getpid(), {signal.SIGSTOP:d})"
    for name, victim, lease in (
        ("guard", "os.kill(child, 9)", 1000.0),
        ("worker", "os.kill(os.getpid(), 9)", 1000.0),
        ("worker that stands still", stands_still, 3.0),
    ):
        file = tmp_path / name
        script = f"""
import os, threading, time
from pathlib import Path
from fleet_parts import forever, pid_in
from upheld.fleet.carrying import guarded
from upheld.fleet.leases import Lease, now

def kill():
    pid = pid_in(Path({str(file)!r}))
    child = int(Path(f"/proc/{{pid}}/stat").read_bytes().rpartition(b")")[2].split()[1])
    {victim}

threading.Thread(target=kill).start()
ended = guarded(forever(Path({str(file)!r}), deaf=True), Path({str(tmp_path)!r}), os.environ, Lease("t", {lease}, now()), 1000.0)
print(ended.how)
"""
        with swept(file), left_of(script, stdout=-1) as process:
            until(lambda file=file: file.exists() and not runs(pid_in(file)))  # type: ignore[misc]
            if name == "worker that stands still":
                process.kill()
            said = process.communicate(timeout=parts.SECONDS)[0]
            assert said == (b"unguarded\n" if name == "guard" else b"")
