"""The status page has every component, is fresh, and its samples have no hole, also while something hangs."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from upheld_reference.deployment import Deployment
from upheld_reference.edge import monitor
from upheld_reference.edge.history import Component, History, Look
from upheld_reference.edge.monitor import Monitor

Request = Callable[..., httpx.Response]

TOLERANCE = 0.5
"""How many intervals a sample may come late on a busy machine."""


def status_violations(deployment: Deployment, request_of: Request, intervals: int) -> set[str]:
    """What is wrong with the status page after ``intervals`` have gone by."""
    report = request_of(deployment, "status", "/status.json").json()
    interval = report["interval_seconds"]
    time.sleep(interval * intervals)
    report = request_of(deployment, "status", "/status.json").json()
    found = set()
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(report["checked_at"])
    if age.total_seconds() > interval * (2 + TOLERANCE):
        found.add("stale")
    public = {facts["host_name"] for facts in deployment.facts["listeners"].values() if facts["public"]}
    missing = public - {component["host_name"] for component in report["components"]}
    found |= {f"{host_name} missing" for host_name in missing}
    moments = [dt.datetime.fromisoformat(sample["at"]) for sample in report["samples"]]
    pauses = [(after - before).total_seconds() for before, after in itertools.pairwise(moments)]
    if any(pause > interval * (1 + TOLERANCE) for pause in pauses):
        found.add("hole")
    if len(moments) < 2 and "stale" not in found:
        found.add("no samples")
    return found


def test_the_status_page_is_complete_fresh_and_without_a_hole(deployment: Deployment, request_of: Request) -> None:
    assert status_violations(deployment, request_of, 3) == set()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_status_page_is_stale_and_lacks_a_component(
    batch: Callable[[list[str]], tuple[Deployment, Any]], request_of: Request
) -> None:
    running, _ = batch(["status_page_stale", "status_component_missing"])
    assert status_violations(running, request_of, 3) == {"stale", "api.rivet.example missing"}


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_samples_have_a_hole(batch: Callable[[list[str]], tuple[Deployment, Any]], request_of: Request) -> None:
    running, _ = batch(["status_samples_with_a_hole"])
    # At some moments of a hole the page is old as well.
    assert status_violations(running, request_of, 6) - {"stale"} == {"hole"}


def test_every_sample_has_every_component_with_its_latency(deployment: Deployment, request_of: Request) -> None:
    report = request_of(deployment, "status", "/status.json").json()
    names = [component["name"] for component in report["components"]]
    assert names == deployment.facts["status"]["components"]
    for sample in report["samples"]:
        assert [component["name"] for component in sample["components"]] == names
        assert all(component["latency_ms"] > 0 for component in sample["components"])
    day = report["days"][-1]
    assert [component["name"] for component in day["components"]] == names
    assert day["components"][0]["looks"] >= day["components"][0]["operational"] >= 1


def test_the_monitor_may_look_at_internal_services_and_do_nothing_else(deployment: Deployment) -> None:
    internal = deployment.facts["internal"]
    files = internal["certificates"]["monitor"]
    trusted = ssl.create_default_context(cafile=internal["ca_file"])
    trusted.load_cert_chain(files["certificate"], files["key"])
    answers = {}
    with httpx.Client(verify=trusted, trust_env=False) as client:
        for name, method, path in (
            ("vault", "GET", "/health"),
            ("vault", "GET", "/v1/workspaces"),
            ("vault", "POST", "/v1/keys"),
            ("worker", "GET", "/health"),
            ("worker", "POST", "/wake"),
        ):
            facts = deployment.facts["listeners"][name]
            url = f"https://{facts['address']}:{facts['port']}{path}"
            headers, extensions = {"host": facts["host_name"]}, {"sni_hostname": facts["host_name"]}
            answer = client.request(method, url, headers=headers, extensions=extensions)
            answers[name, path] = answer.status_code
    assert answers == {
        ("vault", "/health"): 200,
        ("vault", "/v1/workspaces"): 403,
        ("vault", "/v1/keys"): 403,
        ("worker", "/health"): 200,
        ("worker", "/wake"): 403,
    }


def test_no_sample_is_older_than_the_deployment(deployment: Deployment, request_of: Request) -> None:
    report = request_of(deployment, "status", "/status.json").json()
    written = dt.datetime.fromtimestamp(Path(deployment.facts["ca_file"]).stat().st_mtime, dt.UTC)
    assert dt.datetime.fromisoformat(report["samples"][0]["at"]) > written
    assert report["days"][0]["date"] >= written.date().isoformat()


class Watched(Monitor):
    """A monitor of made-up components."""

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self.history = History(100)
        self.components = {}


def test_what_hangs_or_fails_is_an_outage_and_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_LOOK_SECONDS", 0.05)
    hung = asyncio.Event()

    async def well() -> None:
        return

    async def hangs() -> None:
        hung.set()
        await asyncio.Event().wait()

    async def refuses() -> None:
        raise ConnectionRefusedError

    async def watch() -> History:
        watched = Watched(0.1)
        for name, probe in (("well", well), ("hangs", hangs), ("refuses", refuses)):
            watched.watch(name, probe)
        running = asyncio.create_task(watched.run())
        while len(watched.history.looks) < 4:
            await asyncio.sleep(0.01)
        running.cancel()
        return watched.history

    history = asyncio.run(watch())
    assert hung.is_set()
    for look in history.looks:
        assert {one.name: one.status for one in look.components} == {
            "well": "operational",
            "hangs": "outage",
            "refuses": "outage",
        }
    assert (history.uptime("well"), history.uptime("hangs"), history.uptime("never seen")) == (100.0, 0.0, None)


@pytest.mark.exhaustive
def test_the_page_shows_an_outage_of_the_database(
    batch: Callable[[list[str]], tuple[Deployment, Any]], request_of: Request
) -> None:
    running, _ = batch([])
    running.kill_postgres()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        report = request_of(running, "status", "/status.json").json()
        status = {component["name"]: component["status"] for component in report["components"]}
        if status["Database"] == "outage":
            break
        time.sleep(0.5)
    assert status["Database"] == "outage"
    assert status["Website"] == "operational"
    assert "Some systems are not operational" in request_of(running, "status", "/").text


def test_the_history_is_bounded() -> None:
    history = History(3)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for day in range(100):
        history.add(Look(start + dt.timedelta(days=day), (Component("API", None, "operational", 1.0),)))
    report = history.report(1.0)
    assert [sample["at"][:10] for sample in report["samples"]] == ["2026-04-08", "2026-04-09", "2026-04-10"]
    assert (len(report["days"]), report["days"][0]["date"]) == (90, "2026-01-11")
