"""Budget and rate of requests, counted over processes, and how the harness presents itself."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loopback import Page, Pki, endpoint, server_context, web
from upheld.errors import Unobservable
from upheld.probes.api_requests import Request
from upheld.probes.backups import Backups
from upheld.probes.base import Session
from upheld.probes.bursts import Sender, burst
from upheld.probes.database import Database
from upheld.probes.host import Host
from upheld.probes.http import Http
from upheld.probes.http_client import HttpClient
from upheld.probes.meter import Meter, sent_in
from upheld.probes.tls import Tls, TlsVersion
from upheld.target.api import Answers
from upheld.target.manners import Limits
from upheld.target.model import Target

Sessions = Callable[..., Session]
WORKER = """
import json, sys
from pathlib import Path
from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.http_client import HttpClient
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.model import Target
target = Target.model_validate_json(sys.argv[1])
client, refused = HttpClient(Session(target, Redactor(), Scope(target), Path(sys.argv[2]))), 0
for _ in range(int(sys.argv[3])):
    try:
        client.send("GET", target.endpoints[0].url + "/")
    except Unobservable as error:
        assert "used up" in error.reason, error
        refused += 1
print(refused)
"""


@dataclass
class Counting:
    port: int = 0
    at: list[float] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, _method: str, _path: str, headers: Mapping[str, str]) -> Page:
        with self.lock:
            self.at.append(time.monotonic())
            self.agents.append({key.lower(): value for key, value in headers.items()}.get("user-agent", ""))
        return 200, {"Content-Type": "text/plain"}, b"x"


@pytest.fixture
def counting() -> Iterator[Counting]:
    one = Counting()
    with web(one.answer) as one.port:
        yield one


def workers(target: Target, scratch: Path, number: int, each: int) -> list[int]:
    command = [sys.executable, "-c", WORKER, target.model_dump_json(by_alias=True), str(scratch), str(each)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    said = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0] * number
    return [int(one) for one in said]


def test_a_budget_holds_over_all_processes_of_a_run(counting: Counting, session_of: Sessions, tmp_path: Path) -> None:
    session = session_of(endpoints=[endpoint("www", counting.port, scheme="http")], limits={"requests": 25})
    refused = workers(session.target, tmp_path, 3, 12)
    assert len(counting.at) == 25
    assert sum(refused) == 36 - 25


def test_a_rate_holds_over_all_processes_of_a_run(counting: Counting, session_of: Sessions, tmp_path: Path) -> None:
    limits = {"per_second": 40, "burst": 4}
    session = session_of(endpoints=[endpoint("www", counting.port, scheme="http")], limits=limits)
    workers(session.target, tmp_path, 2, 12)
    # What was sent early may arrive late, and so seem faster; over the whole it cannot.
    assert len(counting.at) == 24
    assert counting.at[-1] - counting.at[0] >= (24 - 4) / 40 * 0.9


def test_a_host_may_have_limits_of_its_own(counting: Counting, session_of: Sessions) -> None:
    limits = {"requests": 1, "hosts": {"api.rivet.example": {"requests": 3}}}
    places = [endpoint("www", counting.port, scheme="http")]
    places.append(endpoint("api", counting.port, scheme="http", host="api.rivet.example"))
    client = HttpClient(session_of(endpoints=places, limits=limits))
    for host, allowed in (("www.rivet.example", 1), ("api.rivet.example", 3)):
        for number in range(allowed + 1):
            if number < allowed:
                client.send("GET", f"http://{host}:{counting.port}/")
                continue
            with pytest.raises(Unobservable, match=rf"budget of {allowed} requests to {host} in a run is used up"):
                client.send("GET", f"http://{host.upper()}:{counting.port}/")
    client.close()
    assert len(counting.at) == 4


def test_without_limits_it_is_counted_all_the_same(counting: Counting, session_of: Sessions) -> None:
    session = session_of(endpoints=[endpoint("www", counting.port, scheme="http")])
    assert sent_in(session.scratch) == {}
    for host in ("www.rivet.example", "WWW.rivet.example."):
        session.probe(Http).get(f"http://{host}:{counting.port}/")  # type: ignore[attr-defined]
    assert session.meter.rate("www.rivet.example") is None
    assert len(counting.at) == 2
    assert sent_in(session.scratch) == {"www.rivet.example": 2}


def test_without_limits_each_process_counts_and_all_are_added_up(
    counting: Counting, session_of: Sessions, tmp_path: Path
) -> None:
    session = session_of(endpoints=[endpoint("www", counting.port, scheme="http")])
    assert workers(session.target, tmp_path, 3, 7) == [0, 0, 0]
    meter = Meter(None, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(meter.take, ["www.rivet.example"] * 400)) == {0.0}
    if (child := os.fork()) == 0:
        meter.take("www.rivet.example")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    meter.take("www.rivet.example")
    Meter(None, tmp_path).take("www.rivet.example")
    assert sent_in(tmp_path) == {"www.rivet.example": 3 * 7 + 400 + 3}


def test_waiting_for_a_turn_is_not_the_checks_time(session_of: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    session = session_of(limits={"per_second": 0.01}, check_seconds=50)
    with session.recording("x") as recorder:
        end = recorder._until
        for _ in range(3):
            session.pace("www.rivet.example")
        assert len(slept) == 2
        assert sum(slept) > 290
        assert recorder._until - end == pytest.approx(sum(slept))


def test_a_burst_that_was_held_back_shows_no_missing_limit(counting: Counting, session_of: Sessions) -> None:
    url = f"http://www.rivet.example:{counting.port}/"
    place = [endpoint("www", counting.port, scheme="http")]
    client = HttpClient(session_of(endpoints=place, limits={"per_second": 200}))

    def made(limited: Answers) -> object:
        return burst(
            "x",
            lambda: Request("GET", url, (), None),
            Sender("", {}, {"": client}),
            limited=limited,
            requests=5,
        )

    with pytest.raises(Unobservable, match="only 200 requests per second"):
        made(Answers(statuses=(429,)))
    client.close()


def test_the_tls_scan_keeps_to_the_limits(session_of: Sessions, tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    with web({}, server_context(pki.issue("www.rivet.example"))) as port:
        session = session_of(ca="ca.pem", endpoints=[endpoint("www", port)], limits={"requests": 2})
        tls = session.probe(Tls)
        with pytest.raises(Unobservable, match="budget of 2 requests"):
            tls.handshake(tls.endpoints()[0], TlsVersion.TLS_1_3)  # type: ignore[attr-defined]
        with pytest.raises(Unobservable, match="used up"):
            session.pace("www.rivet.example")


@pytest.mark.parametrize("budget", [7, 45])
def test_a_scan_whose_budget_ends_half_way_refutes_and_shows_nothing_else(
    session_of: Sessions, tmp_path: Path, budget: int
) -> None:
    pki = Pki(tmp_path)
    context = server_context(pki.issue("www.rivet.example"))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with web({}, context) as port:
        session = session_of(ca="ca.pem", endpoints=[endpoint("www", port)], limits={"requests": budget})
        tls = session.probe(Tls)
        for version in TlsVersion:
            accepted = version in {TlsVersion.TLS_1_0, TlsVersion.TLS_1_1, TlsVersion.TLS_1_2, TlsVersion.TLS_1_3}
            try:
                handshake = tls.handshake(tls.endpoints()[0], version)  # type: ignore[attr-defined]
            except Unobservable:
                continue
            assert handshake.completed == accepted, handshake
        with pytest.raises(Unobservable, match="used up"):
            session.pace("www.rivet.example")


def test_statements_commands_and_calls_of_the_store_count_too(
    session_of: Sessions, postgres: Any, tmp_path: Path
) -> None:
    def listed(_method: str, path: str, _headers: Mapping[str, str]) -> Page:
        kind = {"type": "FILE", "length": 9, "pathSuffix": "base.tar", "modificationTime": 1_790_000_000_000}
        said = {"FileStatuses": {"FileStatus": [kind]}} if "op=LISTSTATUS" in path else {"FileStatus": kind}
        return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()

    with web(listed) as port:
        session = session_of(
            database={"url": "env:AUDITOR"},
            host={"connection": "local://"},
            backups={"store": f"webhdfs://127.0.0.1:{port}/b", "base": ["*.tar"], "keys": {"k": "env:KEY"}},
            limits={"database": {"requests": 6}, "backups": {"requests": 3}, "host": {"requests": 1}},
            secret_values={"AUDITOR": postgres.database(""), "KEY": "k" * 32},
        )
        looks: dict[str, Callable[[], object]] = {
            "the database": session.probe(Database).login_roles,  # type: ignore[attr-defined]
            "the backup store": session.probe(Backups)._store.objects,  # type: ignore[attr-defined]
            "the host": session.probe(Host).accounts,  # type: ignore[attr-defined]
        }
        for name, look in looks.items():
            look()
            with pytest.raises(Unobservable, match=rf"budget of \d requests to {name} in a run is used up"):
                look()


def test_every_request_says_who_sends_it(counting: Counting, session_of: Sessions) -> None:
    place = [endpoint("www", counting.port, scheme="http")]
    for contact in (None, "audit@example.com, +49 30 0000"):
        session = session_of(endpoints=place, contact=contact)
        session.probe(Http).get(f"http://www.rivet.example:{counting.port}/")  # type: ignore[attr-defined]
    assert counting.agents[0].startswith("upheld/")
    assert counting.agents[0].endswith("(security audit)")
    assert counting.agents[1].endswith("(security audit; audit@example.com, +49 30 0000)")
    with pytest.raises(ValueError, match="contact"):
        Target.model_validate({"name": "t", "environment": "staging", "contact": "x\r\nEvil: 1"})


def test_a_meter_waits_as_long_as_its_rate_says(tmp_path: Path) -> None:
    meter = Meter(Limits(per_second=2, burst=3), tmp_path)
    waits = [meter.take("a.example") for _ in range(5)]
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits[3] == pytest.approx(0.5, abs=0.2)
    assert waits[4] == pytest.approx(1.0, abs=0.2)
    assert meter.take("b.example") == 0.0
    assert json.loads(Limits(per_second=2).model_dump_json())["hosts"] == {}
