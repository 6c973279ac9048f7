"""The credentials checks against a small real API that writes a real log, well or badly."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.canaries import Canaries
from upheld.probes.clock import Clock
from upheld.probes.logs import Logs

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/me": {"get": {"operationId": "getMe", "responses": {"200": {"description": "you"}}}},
        "/tokens": {"post": {"operationId": "createToken", "responses": {"200": {"description": "token"}}}},
        "/connect": {
            "post": {
                "operationId": "connect",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"201": {"description": "connected"}},
            }
        },
    },
}
WAYS = {"good": 201, "bad": 422, "fail": 502, "crash": 500}


class Service:
    """An API over plain HTTP on loopback; `leak` gets what each request held and may write it to the log."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "app.log"
        self.log.write_text("started\n")
        (folder / "error.log").touch()
        self.password = secrets.token_urlsafe(12)
        self.statuses = dict(WAYS)
        self.records = True
        self.echo = False
        self.leak: Callable[[dict[str, str]], str] = lambda _held: ""
        self.tokens: set[str] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                body = json.loads(raw) if raw else {}
                body = body if isinstance(body, dict) else {}
                status, reply = service.answer(self.command, self.path, self.headers.get("authorization", ""), body)
                if service.records:
                    held = {
                        "authorization": self.headers.get("authorization", ""),
                        **{k: str(v) for k, v in body.items()},
                    }
                    with service.log.open("a") as log:
                        log.write(f"{self.command} {self.path} {status} token=[redacted]{service.leak(held)}\n")
                data = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                """The service's own log is the one above."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer(self, method: str, path: str, authorization: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/openapi.json":
            return 200, OPENAPI
        if (method, path) == ("POST", "/tokens"):
            if body.get("password") != self.password:
                return 401, {"error": "wrong"}
            self.tokens.add(token := f"tok.{secrets.token_urlsafe(24)}")
            return 200, {"access_token": token, "expires_in": 600}
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return 401, {"error": "who are you"}
        if (method, path) == ("POST", "/connect"):
            way = str(body["code"]).partition("-")[0]
            return self.statuses[way], {"way": way, **({"input": body["code"]} if self.echo else {})}
        return (200, {"ok": True}) if path == "/me" else (404, {"error": "nothing"})

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service(tmp_path)
    yield one
    one.stop()


@pytest.fixture
def run(service: Service, session_of: Callable[..., Session]) -> Callable[..., dict[str, Any]]:
    def go(
        check: str,
        *,
        paths: tuple[str, ...] = ("success", "validation error", "upstream error", "crash"),
        logs: Any = None,
        burnt: bool = True,
    ) -> dict[str, Any]:
        ways = dict(zip(("success", "validation error", "upstream error", "crash"), WAYS.items(), strict=True))
        flows = [
            {
                "name": way,
                "path": path,
                "identity": "anna",
                "operation": "connect",
                "json": {"code": f"{way}-{{canary}}"},
                "statuses": [status],
            }
            for path, (way, status) in ways.items()
            if path in paths
        ]
        identity = {"tenant": "one", "role": "owner", "login": "form", "secrets": {"password": "env:PASSWORD"}}
        session = session_of(
            endpoints=[{"name": "api", "url": f"http://127.0.0.1:{service.server.server_port}"}],
            api={
                "endpoint": "api",
                "openapi": "/openapi.json",
                "logins": {"form": {"path": "/tokens", "json": {"user": "{user}", "password": "{password}"}}},
            },
            tenants=[{"name": "one", "id": "1"}],
            identities=[
                {"name": "anna", "values": {"user": "anna"}, **identity},
                {"name": "burn", "values": {"user": "burn"}, "throwaway": burnt, **identity},
            ],
            canary_flows=flows,
            logs=logs or [{"name": "app", "path": "app.log"}, {"name": "error", "path": "error.log"}],
            secret_values={"PASSWORD": service.password},
        )
        probes = (session.probe(Canaries), session.probe(Logs), session.probe(Clock))
        with session.recording("t") as recorder:
            found = {
                str(one.subject): one for one in CHECKS[f"credentials.{check}"].function(*probes, flush_seconds=0.4)
            }
        kept = str(recorder.observations) + str(found)
        assert service.password not in kept
        assert not any(token in kept for token in service.tokens)
        return found

    return go


CANARIES, SESSIONS = "canaries_stay_out_of_logs", "session_tokens_stay_out_of_logs"
Run = Callable[..., dict[str, Any]]


def test_a_service_that_keeps_its_logs_clean_passes(run: Run) -> None:
    found = run(CANARIES)
    assert isinstance(found.pop("log error"), LeftOut)
    assert len(found) == 5
    assert all(isinstance(one, Finding) and one.passed for one in found.values()), found
    assert run(SESSIONS)["log app"].passed


def test_a_made_up_password_is_sent_for_nobody_but_whom_the_target_offers(service: Service, run: Run) -> None:
    assert CHECKS[f"credentials.{SESSIONS}"].marks.intrusive
    assert "a login that fails" not in run(SESSIONS)
    found = run(SESSIONS, burnt=False)
    assert isinstance(found["a login that fails"], LeftOut)
    assert found["log app"].passed


@pytest.mark.parametrize(
    ("how", "encoding"),
    [
        (lambda text: text, "plain"),
        (lambda text: text.upper(), "case changed"),
        (lambda text: base64.b64encode(f"x{text}".encode()).decode(), "base64"),
        (lambda text: text.encode().hex(), "hexadecimal"),
        (lambda text: "".join(f"\\u{ord(c):04x}" for c in text), "\\u escapes"),
        (lambda text: "\x1b[1m".join((text[:9], text[9:])), "ANSI"),
        (lambda text: "\n   ".join((text[:12], text[12:])), "line wraps"),
    ],
)
def test_a_canary_in_the_log_is_refuted_in_every_spelling(
    service: Service, run: Run, how: Callable[[str], str], encoding: str
) -> None:
    service.leak = lambda held: f" {how(held['code'])}" if held.get("code", "").startswith("crash") else ""
    found = run(CANARIES)["log app"]
    assert not found.passed
    assert encoding in found.observed
    assert "canary of the flow crash (crash) in app.log, line " in found.observed


def test_an_error_page_that_gives_the_canary_back_is_refuted(service: Service, run: Run) -> None:
    service.echo = True
    found = run(CANARIES)
    assert not found["answer of the flow bad (validation error)"].passed
    assert "the answer (422) holds it: plain" in found["answer of the flow bad (validation error)"].observed


def test_a_way_that_was_not_gone_is_not_observed(service: Service, run: Run) -> None:
    service.statuses["crash"] = 201
    found = run(CANARIES, paths=("success", "validation error", "crash"))
    assert "answered 201; only 500 shows" in found["flow crash (crash)"].reason
    assert isinstance(found["the way of crash"], NotObserved)
    assert isinstance(found["the way of upstream error"], NotObserved)
    assert "the way of success" not in found


def test_a_leak_counts_even_where_the_way_was_not_gone(service: Service, run: Run) -> None:
    service.statuses["crash"] = 201
    service.leak = lambda held: held.get("code", "")
    assert not run(CANARIES)["log app"].passed


@pytest.mark.parametrize("check", [CANARIES, SESSIONS])
def test_a_log_that_does_not_show_the_requests_proves_nothing(service: Service, run: Run, check: str) -> None:
    service.records = False
    found = run(check)["log app"]
    assert isinstance(found, NotObserved)
    assert "none of the harness's own requests" in found.reason


def test_a_log_that_cannot_be_read_is_not_observed(service: Service, run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.log.1.gz").write_bytes(b"broken")
    found = run(CANARIES, logs=[{"name": "app", "path": "app.log"}, {"name": "audit", "path": "audit.log"}])
    assert "cannot be read" in found["log app, app.log.1.gz"].reason
    assert found["log audit"].reason == "no file at audit.log"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda held: held["authorization"], "session token of anna"),
        (lambda held: held.get("password", ""), "password of anna"),
        (lambda held: held.get("password", "") if held.get("user") == "burn" else "", "made-up password"),
        (lambda held: held["authorization"] if "tok." not in held["authorization"] else "", "made-up token"),
        (lambda held: base64.b64encode(f"{held.get('user')}:{held.get('password', '')}".encode()).decode(), "base64"),
    ],
    ids=["token", "password", "wrong password", "wrong token", "basic"],
)
def test_the_harness_s_own_credentials_in_the_log_are_refuted(
    service: Service, run: Run, what: Callable[[dict[str, str]], str], words: str
) -> None:
    service.leak = what
    found = run(SESSIONS)["log app"]
    assert not found.passed
    assert words in found.observed


def test_a_line_of_the_start_is_searched_too(service: Service, run: Run) -> None:
    """The one line in which a token stands as it is, while every later one masks it."""
    service.log.write_text(f"started with {service.password}\n")
    found = run(SESSIONS)["log app"]
    assert not found.passed
    assert "password of anna in app.log, line 1" in found.observed


def test_a_secret_in_a_path_of_the_access_log_is_refuted(service: Service, run: Run) -> None:
    service.leak = lambda held: f' "GET /links/{held["code"]}?next=%2F HTTP/1.1" 302' if "code" in held else ""
    assert "plain" in run(CANARIES)["log app"].observed


def test_masked_values_and_the_word_itself_are_no_leak(service: Service, run: Run) -> None:
    words = "authorization: [secret] token=--redacted-- password=**** Authorization: Bearer ********"
    service.leak = lambda _held: f" {words}"
    assert run(CANARIES)["log app"].passed
    assert run(SESSIONS)["log app"].passed
