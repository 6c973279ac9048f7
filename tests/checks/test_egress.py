"""The checks of outbound calls against a real little platform that calls a partner: soundly, with each fault, and not at all."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from upheld.errors import Unobservable
from upheld.model import Finding, NotObserved
from upheld.probes.callees import Callees
from upheld.probes.canaries import Canaries
from upheld.probes.clock import Clock
from upheld.probes.outbound import Outbound

from ..loopback import Page, Pki, endpoint, load_checks, server_context, web

egress = load_checks("egress")
PARTNER = "graph.partner.example"
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "paths": {
        "/sign-ups": {
            "post": {
                "operationId": "signUp",
                "responses": {},
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"type": "object", "properties": {"code": {"type": "string"}}}}
                    }
                },
            }
        }
    },
}


class Platform:
    """Calls the partner whenever somebody signs up, and writes it down."""

    def __init__(self, folder: Path, pki: Pki, partner: int, **faults: Any) -> None:
        self.zone, self.record = folder / "hosts", folder / "outbound.log"
        self.zone.write_text(f"127.0.0.1 {PARTNER}\n")
        self.record.write_text("")
        self.pki, self.partner, self.faults = pki, partner, faults
        self.failed = False

    def answer(self, method: str, path: str, _headers: Any) -> Page:
        found: Any = {"access_token": "token-of-the-owner-0123456789"}
        status = 200
        if path == "/openapi.json":
            found = DOCUMENT
        elif path == "/sign-ups":
            found, status = {}, 201 if self.call() else 502
        return status, {"Content-Type": "application/json"}, json.dumps(found).encode()

    def call(self) -> bool:
        address = next(line.split()[0] for line in self.zone.read_text().splitlines() if self.named(line))
        context = ssl.create_default_context(cafile=str(self.pki.ca))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.faults.get("trusts_anybody"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if not self.faults.get("silent"):
            host = self.faults.get("host", PARTNER)
            call = {
                "purpose": "graph",
                "host": host,
                "port": self.partner,
                "scheme": self.faults.get("scheme", "https"),
            }
            with self.record.open("a") as record:
                record.write(json.dumps({"at": datetime.now(UTC).isoformat(), **call, "outcome": "made"}) + "\n")
        if self.faults.get("calls_nobody"):
            return True
        if self.failed and self.faults.get("gives_up"):
            return False
        try:
            with (
                socket.create_connection((address, self.partner), timeout=2) as plain,
                context.wrap_socket(plain, server_hostname=PARTNER) as secure,
            ):
                secure.sendall(f"POST / HTTP/1.1\r\nHost: {PARTNER}\r\nContent-Length: 0\r\n\r\n".encode())
                return b" 200 " in secure.recv(100)
        except OSError:
            self.failed = True
            return False

    @staticmethod
    def named(line: str) -> bool:
        return PARTNER in line.partition("#")[0].split()


@contextlib.contextmanager
def described(tmp_path: Path, **faults: Any) -> Iterator[tuple[Platform, dict[str, Any]]]:
    pki = Pki(tmp_path)
    trusted = pki.issue("*.example.net")
    partner = {"/": (200, {}, b"")}
    with web(partner, server_context(pki.issue(PARTNER))) as port:
        platform = Platform(tmp_path, pki, port, **faults)
        with web(platform.answer, server_context(pki.issue("www.rivet.example"))) as api:
            flow = {"identity": "owner", "operation": "signUp", "json": {"code": "{canary}"}, "statuses": [201]}
            yield (
                platform,
                {
                    "endpoints": [endpoint("api", api)],
                    "ca": "ca.pem",
                    "timeout_seconds": 5,
                    "tenants": [{"name": "acme", "id": "1"}],
                    "identities": [{"name": "owner", "tenant": "acme", "role": "owner", "login": "password"}],
                    "api": {
                        "endpoint": "api",
                        "openapi": "/openapi.json",
                        "logins": {"password": {"path": "/login", "json": {"name": "owner"}}},
                    },
                    "canary_flows": [{"name": "sign up", "path": "success", **flow}],
                    "receivers": {
                        "addresses": ["127.92.0.0/18"],
                        "port": 8443,
                        "names": "{random}.example.net",
                        "zone_file": "hosts",
                        "trusted": f"file:{trusted.name}",
                    },
                    "outbound": {
                        "record": "outbound.log",
                        "destinations": [{"purpose": "graph", "host": PARTNER, "port": port}],
                        "exercised_by": {"graph": ["sign up"]},
                        "idle_seconds": 0,
                    },
                },
            )


def encrypted(session: Any) -> list[Any]:
    probes = [session.probe(kind) for kind in (Outbound, Callees, Canaries, Clock)]
    with session.recording("t"):
        return list(egress.calls_are_encrypted(*probes, purpose="graph", flush_seconds=0.2))


def pretended(session: Any) -> list[Any]:
    with session.recording("t"):
        return list(egress.pretenders_get_nothing(session.probe(Callees), purpose="graph"))


def only(found: list[Any]) -> Any:
    (one,) = found
    return one


def test_sound_calls(session_of: Callable[..., Any], tmp_path: Path) -> None:
    with described(tmp_path) as (platform, parts):
        one = only(encrypted(session_of(**parts)))
        assert isinstance(one, Finding)
        assert one.passed
        one = only(pretended(session_of(**parts)))
        assert isinstance(one, Finding), one
        assert one.passed
        assert "alert" in one.observed
        assert platform.zone.read_text() == f"127.0.0.1 {PARTNER}\n"


@pytest.mark.parametrize(
    ("fault", "words"),
    [({"scheme": "http"}, "http, not https"), ({"host": "elsewhere.example"}, "not declared")],
)
def test_calls_that_are_not_as_declared(
    session_of: Callable[..., Any], tmp_path: Path, fault: dict[str, Any], words: str
) -> None:
    with described(tmp_path, **fault) as (_, parts):
        one = only(encrypted(session_of(**parts)))
    assert not one.passed
    assert words in one.observed


def test_whoever_trusts_anybody_is_found_out(session_of: Callable[..., Any], tmp_path: Path) -> None:
    with described(tmp_path, trusts_anybody=True) as (platform, parts):
        one = only(pretended(session_of(**parts)))
        assert platform.zone.read_text() == f"127.0.0.1 {PARTNER}\n"
    assert not one.passed
    assert "not verified" in one.observed


def test_calls_that_work_no_more_afterwards_show_nothing(session_of: Callable[..., Any], tmp_path: Path) -> None:
    with described(tmp_path, gives_up=True) as (_, parts):
        one = only(pretended(session_of(**parts)))
    assert isinstance(one, NotObserved)
    assert "201 before and 502 after" in one.reason


def test_calls_that_are_not_made_or_not_recorded_show_nothing(session_of: Callable[..., Any], tmp_path: Path) -> None:
    with described(tmp_path, silent=True, calls_nobody=True) as (platform, parts):
        one = only(encrypted(session_of(**parts)))
        assert isinstance(one, NotObserved)
        assert "none of the calls" in one.reason
        one = only(pretended(session_of(**parts)))
        assert isinstance(one, NotObserved)
        assert "no connection came" in one.reason
        # Another purpose's calls, and lines that are none, are no calls for this one.
        platform.record.write_text('{"purpose": "webhook", "host": "x", "port": 80, "scheme": "http"}\nnonsense\n')
        assert all(isinstance(each, NotObserved) for each in encrypted(session_of(**parts)))


def test_what_is_not_described_is_not_observed(session_of: Callable[..., Any], tmp_path: Path) -> None:
    with described(tmp_path) as (platform, parts):
        nobody = {**parts["outbound"], "destinations": []}
        assert isinstance(only(pretended(session_of(**{**parts, "outbound": nobody}))), NotObserved)
        assert isinstance(only(encrypted(session_of(**{**parts, "outbound": nobody}))), NotObserved)
        idle = {**parts["outbound"], "exercised_by": {}}
        assert isinstance(only(pretended(session_of(**{**parts, "outbound": idle}))), NotObserved)
        names = {key: value for key, value in parts["receivers"].items() if key != "zone_file"}
        one = only(pretended(session_of(**{**parts, "receivers": names})))
        assert "zone file" in one.reason
        platform.record.unlink()
        with pytest.raises(Unobservable, match="no record"):
            encrypted(session_of(**parts))
