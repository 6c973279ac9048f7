"""Targets that are down, hang, lie or flood: every claim is inconclusive with its reason, none is upheld, within the limits.

Each is audited by a real `upheld run` of this repository's policy, with a target file that describes everything, so that
every probe meets the hostile server.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from loopback import ROOT, Pki, free_port, raw, server_context, web
from tls_floods import FLOODS, behaving

HSTS = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains", "Content-Type": "text/html"}
LIMIT_SECONDS = 240
MEMORY = 1 << 30
"""Bytes that no process of a run may have in memory at its peak."""
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
    "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr); sys.exit(code)"
)
CERTIFICATES: dict[ssl.SSLContext, Path] = {}
"""The file of the key and certificate that each context has."""


def describe(folder: Path, ca: Path, port: int) -> Path:
    """A target file that describes every part, all of it at the hostile port or not there."""
    url = f"https://www.rivet.example:{port}"
    (folder / "logs").mkdir()
    (folder / "password").write_text("correct horse battery staple")
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "database").write_text(
        f"postgresql+psycopg://auditor:not-a-password@127.0.0.1:{port}/rivet?connect_timeout=2"
    )
    identity = {
        "role": "owner",
        "login": "password",
        "values": {"email": "a@example.com"},
        "secrets": {"password": "file:password"},
    }
    target = {
        "upheld": "target/1",
        "name": "hostile",
        "environment": "staging",
        "ca": str(ca),
        "timeout_seconds": 1.5,
        "check_seconds": 20,
        "endpoints": [{"name": "www", "url": url, "address": "127.0.0.1", "pages": ["/", "/security"]}],
        "publication": {"page": f"{url}/security"},
        "api": {
            "endpoint": "www",
            "openapi": "/openapi.json",
            "logins": {"password": {"path": "/login", "json": {"email": "{email}", "password": "{password}"}}},
            "parameters": {},
        },
        "tenants": [{"name": "one", "id": "1"}, {"name": "two", "id": "2"}],
        "identities": [
            {"name": "one-owner", "tenant": "one", **identity},
            {"name": "two-owner", "tenant": "two", **identity},
            {"name": "burn", "tenant": "one", "throwaway": True, **identity},
        ],
        "canary_flows": [
            {
                "name": "sign-up",
                "path": "success",
                "identity": "one-owner",
                "operation": "signUp",
                "json": {"code": "{canary}"},
                "statuses": [201],
            }
        ],
        "database": {
            "url": "file:database",
            "application_url": "file:database",
            "planting_url": "file:database",
            "tenant_column": "tenant_id",
        },
        "encryption": {
            "columns": [{"table": "vault.tokens", "column": "sealed", "what": "tokens"}],
            "keys": {"k1": "file:key"},
        },
        "retention": {
            "tables": [{"name": "logs", "table": "app.logs", "timestamp": "at", "tenant_column": "tenant_id"}]
        },
        "logs": [{"name": "app", "path": "logs/*.log"}],
    }
    path = folder / "target.yaml"
    path.write_text(yaml.safe_dump(target), encoding="utf-8")
    return path


@contextmanager
def down(_: ssl.SSLContext) -> Iterator[int]:
    yield free_port()


@contextmanager
def silent(_: ssl.SSLContext) -> Iterator[int]:
    with raw(lambda _, stop: stop.wait(LIMIT_SECONDS)) as port:
        yield port


@contextmanager
def garbage(_: ssl.SSLContext) -> Iterator[int]:
    def behave(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(1024)
        connection.sendall(bytes(range(256)) * 8)

    with raw(behave) as port:
        yield port


@contextmanager
def endless_body(context: ssl.SSLContext) -> Iterator[int]:
    def behave(connection: socket.socket, stop: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            lines = "".join(f"{name}: {value}\r\n" for name, value in HSTS.items())
            secure.sendall(f"HTTP/1.1 200 OK\r\n{lines}Transfer-Encoding: chunked\r\n\r\n".encode())
            while not stop.is_set():
                secure.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    with raw(behave) as port:
        yield port


@contextmanager
def redirect_loop(context: ssl.SSLContext) -> Iterator[int]:
    def answer(method, path, headers):
        after = "/b" if path != "/b" else "/a"
        return 302, {**HSTS, "Location": after}, b""

    with web(answer, context) as port:
        yield port


@contextmanager
def bomb(context: ssl.SSLContext) -> Iterator[int]:
    body = gzip.compress(b"\0" * (200 * 1024 * 1024), 9)
    with web(lambda *_: (200, {**HSTS, "Content-Encoding": "gzip"}, body), context) as port:
        yield port


@contextmanager
def empty_200(context: ssl.SSLContext) -> Iterator[int]:
    with web(lambda *_: (200, HSTS, b""), context) as port:
        yield port


@contextmanager
def always_429(context: ssl.SSLContext) -> Iterator[int]:
    with web(lambda *_: (429, {**HSTS, "Retry-After": "1"}, b"slow down"), context) as port:
        yield port


@contextmanager
def tickets(context: ssl.SSLContext) -> Iterator[int]:
    """Nothing but session tickets after each handshake, faster than they are read."""
    with raw(behaving(CERTIFICATES[context], FLOODS["tickets"])) as port:
        yield port


@contextmanager
def drip(context: ssl.SSLContext) -> Iterator[int]:
    with raw(behaving(CERTIFICATES[context], FLOODS["a drip"])) as port:
        yield port


@contextmanager
def header_flood(context: ssl.SSLContext) -> Iterator[int]:
    def behave(connection: socket.socket, stop: threading.Event) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.is_set():
                secure.sendall(b"X-Flood: 1\r\n" * 1_000)

    with raw(behave) as port:
        yield port


@pytest.mark.parametrize(
    "hostile",
    [
        down,
        silent,
        garbage,
        redirect_loop,
        empty_200,
        *(
            pytest.param(one, marks=pytest.mark.exhaustive)
            for one in (endless_body, bomb, always_429, tickets, drip, header_flood)
        ),
    ],
)
def test_a_hostile_target_upholds_nothing_and_ends_in_time(hostile, tmp_path):
    pki = Pki(tmp_path)
    certificate = pki.issue("www.rivet.example")
    context = server_context(certificate)
    CERTIFICATES[context] = certificate
    with hostile(context) as port:
        target = describe(tmp_path, pki.ca, port)
        started = time.monotonic()
        done = subprocess.run(
            [
                *(sys.executable, "-c", MEASURED),
                *(sys.executable, "-c", "from upheld.cli.main import main; main()", "run", "-n", "2"),
                *("--policy", str(ROOT / "policies.yaml"), "--target", str(target), "--out", str(tmp_path / "out")),
            ],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - started
    peak = int(done.stderr.rpartition("peak ")[2])
    assert peak < MEMORY, peak
    run = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    summary = f"{seconds:.0f} s\n{done.stdout}{done.stderr}"
    # Whoever answers emptily over faultless TLS has shown faultless TLS, and nothing else.
    earned = {"transit-tls12"} if hostile is empty_200 else set()
    assert {claim["id"] for claim in run["claims"] if claim["status"] == "upheld"} <= earned, summary
    decided = [claim for claim in run["claims"] if claim["checks"]]
    assert len(decided) == 53
    if hostile is not empty_200:
        assert {claim["status"] for claim in decided} == {"inconclusive"}, summary
        assert done.returncode == 3, summary
    for claim in decided:
        for check in claim["checks"]:
            assert check["verdict"] == "pass" or check["reason"], (check["id"], summary)
    assert "Traceback" not in done.stdout + done.stderr
