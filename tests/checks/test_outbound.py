"""The checks of outbound calls against a small real API that records the calls that it makes, well or badly."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.outbound import LINE_LIMIT, Outbound

from .test_credentials import WAYS, Service

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
GRAPH = {"purpose": "graph", "host": "graph.example"}
LATER = "2199-01-01T00:00:00Z"


class Deployment:
    """The API, the record of its calls, and the register of its sub-processors."""

    def __init__(self, service: Service, session_of: Callable[..., Session], folder: Path) -> None:
        self.service, self.session_of, self.folder = service, session_of, folder
        self.record = folder / "outbound.log"
        self.record.touch()
        self.calls: list[Any] = [GRAPH]
        service.leak = self.call
        self.hosts: Any = ["graph.example"]
        self.outbound: dict[str, Any] = {"destinations": [GRAPH], "to_customers": ["webhook"]}

    def call(self, held: dict[str, str]) -> str:
        if "code" in held:
            self.write(*self.calls)
        return ""

    def write(self, *calls: Any) -> None:
        with self.record.open("a") as record:
            for call in calls:
                record.write(call if isinstance(call, str) else json.dumps({"at": LATER, **call}) + "\n")

    def run(self, check: str, **changes: Any) -> dict[str, Any]:
        (self.folder / "parties.yaml").write_text(json.dumps([{"id": "meta", "hosts": self.hosts}]))
        identity = {"tenant": "one", "role": "owner", "login": "form", "secrets": {"password": "env:PASSWORD"}}
        flow = {"identity": "anna", "operation": "connect"}
        parts = {
            "endpoints": [{"name": "api", "url": f"http://127.0.0.1:{self.service.server.server_port}"}],
            "api": {
                "endpoint": "api",
                "openapi": "/openapi.json",
                "logins": {"form": {"path": "/tokens", "json": {"user": "{user}", "password": "{password}"}}},
            },
            "tenants": [{"name": "one", "id": "1"}],
            "identities": [{"name": "anna", "values": {"user": "anna"}, **identity}],
            "canary_flows": [
                {**flow, "name": way, "path": "success", "json": {"code": f"{way}-{{canary}}"}, "statuses": [status]}
                for way, status in WAYS.items()
            ],
            "outbound": {"record": "outbound.log*", **self.outbound},
            "registers": {"folder": ".", "sub_processors": {"file": "parties.yaml"}},
            "secret_values": {"PASSWORD": self.service.password},
        }
        session = self.session_of(**{**parts, **changes})
        one = CHECKS[f"outbound.{check}"]
        probes = [session.probe(kind) for kind in one.probes.values()]
        found = one.function(*probes, flush_seconds=0.3, settle_seconds=0)
        return {str(each.subject): each for each in found}


@pytest.fixture
def deployment(session_of: Callable[..., Session], tmp_path: Path) -> Iterator[Deployment]:
    service = Service(tmp_path)
    yield Deployment(service, session_of, tmp_path)
    service.stop()


DECLARED, REGISTERED = "only_declared_hosts_are_called", "every_called_host_is_in_the_register"
BOTH = pytest.mark.parametrize("check", [DECLARED, REGISTERED])


@BOTH
def test_calls_to_those_who_are_known_are_upheld(deployment: Deployment, check: str) -> None:
    deployment.calls = [
        {"purpose": "graph", "host": "GRAPH.example."},
        {"purpose": "webhook", "host": "anybody.example"},
    ]
    found = deployment.run(check)
    assert found["graph.example (graph)"].passed
    assert "calls: 4" in found["graph.example (graph)"].observed
    assert isinstance(found["anybody.example (webhook)"], LeftOut)
    assert len(found) == 2


@BOTH
def test_a_call_to_somebody_else_refutes(deployment: Deployment, check: str) -> None:
    deployment.calls = [GRAPH, {"host": "collector.example"}]
    found = deployment.run(check)
    assert not found["collector.example"].passed
    assert found["graph.example (graph)"].passed


@BOTH
def test_a_call_in_one_way_only_is_found(deployment: Deployment, check: str) -> None:
    errors = {"purpose": "errors", "host": "errors.example"}
    deployment.service.leak = lambda held: (
        deployment.write(GRAPH, *([errors] if held.get("code", "").startswith("crash") else [])) or ""
        if "code" in held
        else ""
    )
    assert not deployment.run(check)["errors.example (errors)"].passed


@BOTH
def test_a_record_that_does_not_grow_proves_nothing(deployment: Deployment, check: str) -> None:
    deployment.calls = []
    found = deployment.run(check)
    assert isinstance(found["record of outbound calls"], NotObserved)
    deployment.write(GRAPH)
    assert not any(isinstance(one, Finding) and one.passed for one in deployment.run(DECLARED).values())
    deployment.write({"host": "collector.example"})
    assert not deployment.run(check)["collector.example"].passed  # A defect that is seen is one all the same.


@BOTH
def test_no_record_no_flow_and_no_answer_prove_nothing(deployment: Deployment, check: str) -> None:
    assert isinstance(deployment.run(check, canary_flows=[])["record of outbound calls"], NotObserved)
    deployment.service.statuses = dict.fromkeys(WAYS, 429)
    assert isinstance(deployment.run(check)["calls during good (success)"], NotObserved)
    deployment.record.unlink()
    with pytest.raises(Unobservable, match="no record"):
        deployment.run(check)


@BOTH
def test_lines_that_name_no_host_are_counted(deployment: Deployment, check: str) -> None:
    deployment.write(
        "not json\n", "[]\n", '{"host": 7}\n', '{"host": ""}\n', "[" * 5000 + "\n", "x" * (LINE_LIMIT * 2) + "\n", "\n"
    )
    found = deployment.run(check)["lines of the record"]
    assert isinstance(found, NotObserved)
    assert found.reason.startswith("6 lines")


def test_the_register_covers_names_below_a_pattern_and_the_deployments_own(deployment: Deployment) -> None:
    deployment.calls = [{"host": "a.b.graph.example"}, {"host": "127.0.0.1"}]
    deployment.hosts = ["*.graph.example"]
    found = deployment.run(REGISTERED)
    assert found["a.b.graph.example"].passed
    assert isinstance(found["127.0.0.1"], LeftOut)
    # The declared host is called by nobody here, and the pattern does not cover it.
    assert not found["graph.example (graph)"].passed


def test_a_register_with_odd_hosts_decides_nothing(deployment: Deployment) -> None:
    deployment.hosts = {"name": "graph.example"}
    found = deployment.run(REGISTERED)
    assert isinstance(found["meta"], NotObserved)


def test_old_calls_are_left_and_rotated_files_are_read(deployment: Deployment) -> None:
    old = (datetime.now(UTC) - timedelta(days=31)).isoformat()
    deployment.write({"host": "forgotten.example", "at": old})
    with gzip.open(deployment.folder / "outbound.log.1.gz", "wt") as packed:
        packed.write(json.dumps({"host": "packed.example", "at": datetime.now(UTC).timestamp()}) + "\n")
    found = deployment.run(DECLARED)
    assert "forgotten.example" not in found
    assert not found["packed.example"].passed
    (deployment.folder / "outbound.log.2.gz").write_bytes(b"no gzip")
    with pytest.raises(Unobservable):
        deployment.run(DECLARED)


def test_a_mark_splits_the_record(deployment: Deployment) -> None:
    session = deployment.session_of(outbound={"record": "outbound.log"})
    probe: Any = session.probe(Outbound)
    deployment.write(GRAPH)
    mark = probe.mark()
    assert probe.calls(since=mark).calls == 0
    deployment.write({**GRAPH, "port": 443, "scheme": "HTTPS", "outcome": "answered 200"})
    (call,) = probe.calls(since=mark).kinds
    assert (call.port, call.scheme, call.outcome, call.count) == (443, "https", "answered 200", 1)
    deployment.record.rename(deployment.folder / "outbound.log.1")
    deployment.write(GRAPH, GRAPH)
    rotated: Any = deployment.session_of(outbound={"record": "outbound.log*"}).probe(Outbound)
    assert rotated.calls(since=mark).calls == 3
    mark = probe.mark()
    deployment.record.write_text("")
    deployment.write({"host": "g.example"})
    assert probe.calls(since=mark).calls == 1
