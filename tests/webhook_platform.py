"""A small platform with webhooks, on real sockets: it registers, signs and delivers, well or with one of several faults."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from loopback import Pki, endpoint, free_port, server_context

PUBLIC, INSIDE = "127.90.0.0/18", "127.91.0.0/18"


def operation(name: str, *parameters: str, body: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": name, "responses": {}}
    found["parameters"] = [
        {"name": one, "in": "path", "required": True, "schema": {"type": "string"}} for one in parameters
    ]
    if body:
        schema = {"type": "object", "properties": {"url": {"type": "string"}}}
        found["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return found


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "paths": {
        "/hooks": {"post": operation("createHook", body=True)},
        "/hooks/{hook_id}": {
            "patch": operation("changeHook", "hook_id", body=True),
            "delete": operation("deleteHook", "hook_id"),
        },
        "/hooks/{hook_id}/ping": {"post": operation("pingHook", "hook_id")},
        "/hooks/{hook_id}/deliveries": {"get": operation("listDeliveries", "hook_id")},
    },
}


@dataclass
class Platform:
    """The platform and its faults."""

    zone: Path
    ca: Path
    takes_http: bool = False
    changes_and_refuses: bool = False
    guards: bool = True
    verifies: bool = True
    follows: bool = False
    signs: bool = True
    signs_time: bool = True
    signed_bytes: int | None = None
    shared_secret: bool = False
    clock_off: float = 0.0
    looks_up_twice: bool = False
    delivers: bool = True
    delivers_first_only: bool = False
    busy: bool = False
    names_deliveries: bool = True
    refusal: tuple[int, Any] = (422, {})
    answers: tuple[int, bytes] | None = None
    hooks: dict[str, tuple[str, str]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    listed: int = 0
    turns: dict[str, int] = field(default_factory=dict)

    def look_up(self, host: str) -> list[str]:
        with contextlib.suppress(OSError):
            return [socket.inet_ntoa(socket.inet_aton(host))]
        answers = []
        for line in self.zone.read_text().splitlines():
            addresses, *names = line.partition("#")[0].split() or [""]
            if host in names:
                answers.append(addresses.split(","))
        if not answers:
            return []
        turn = self.turns[host] = self.turns.get(host, -1) + 1
        return answers[turn % len(answers)]

    def may(self, addresses: list[str]) -> bool:
        return not self.guards or all(ipaddress.ip_address(one) in ipaddress.ip_network(PUBLIC) for one in addresses)

    def refuses(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme not in ({"http", "https"} if self.takes_http else {"https"}):
            return True
        host = parts.hostname or ""
        if self.guards and (not host.endswith(".example.net") or parts.username or "%" in parts.netloc):
            return True
        return not self.may(self.look_up(host))

    def deliver(self, hook: str) -> None:
        url, secret = self.hooks[hook]
        for attempt in range(3):
            late = self.delivers_first_only and hook != next(iter(self.outcomes))
            if self.delivers and not late and self.attempt(url, secret):
                break
            time.sleep(0.05 * attempt)
        self.outcomes[hook] = "over"

    def attempt(self, url: str, secret: str, hops: int = 0) -> bool:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        addresses = self.look_up(host)
        if not addresses or not self.may(addresses):
            return False
        if self.looks_up_twice:
            addresses = self.look_up(host)
        body = json.dumps({"event": "ping", "filler": "x" * 100}).encode()
        try:
            plain = socket.create_connection((addresses[0], port), timeout=2)
            with plain:
                stream: socket.socket = plain
                if parts.scheme == "https":
                    context = ssl.create_default_context(cafile=str(self.ca))
                    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
                    if not self.verifies:
                        context.check_hostname = False
                        context.verify_mode = ssl.CERT_NONE
                    stream = context.wrap_socket(plain, server_hostname=host)
                with stream:
                    client = http.client.HTTPConnection(host, port)
                    client.sock = stream
                    client.request("POST", parts.path or "/", body=body, headers=self.headers(secret, body))
                    answer = client.getresponse()
                    location = answer.getheader("location")
        except (OSError, http.client.HTTPException):
            return False
        if self.follows and location and hops < 3:
            return self.attempt(urljoin(url, location), secret, hops + 1)
        return answer.status < 300

    def headers(self, secret: str, body: bytes) -> dict[str, str]:
        if not self.signs:
            return {}
        now = str(int(time.time() + self.clock_off))
        signed = (now.encode() + b"." if self.signs_time else b"") + body[: self.signed_bytes]
        return {"X-Signature": f"t={now},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"}

    def answer(self, method: str, path: str, sent: bytes) -> tuple[int, Any]:  # noqa: PLR0911
        parts = path.strip("/").split("/")
        if self.answers is not None and path != "/openapi.json":
            return self.answers[0], None
        if path == "/openapi.json":
            return 200, DOCUMENT
        if path == "/login":
            return 200, {"access_token": "token-of-the-owner-0123456789"}
        if parts == ["hooks"]:
            return self.created(json.loads(sent)["url"])
        if parts[1] not in self.hooks:
            return 404, {}
        if method == "PATCH":
            return self.changed(parts[1], json.loads(sent)["url"])
        if method == "DELETE":
            del self.hooks[parts[1]]
            return 200, {}
        if parts[2] == "ping":
            self.outcomes[parts[1]] = "pending"
            threading.Thread(target=self.deliver, args=(parts[1],), daemon=True).start()
            return 202, {"id": f"ping of {parts[1]}"} if self.names_deliveries else {}
        self.listed += 1
        others = [{"id": "of something else", "status": "pending"}] if self.busy else []
        return 200, [*others, {"id": f"ping of {parts[1]}", "status": self.outcomes.get(parts[1], "pending")}]

    def created(self, url: str) -> tuple[int, Any]:
        if self.refuses(url):
            return self.refusal
        hook = f"h{len(self.hooks)}{time.monotonic_ns()}"
        secret = "whsec_shared_by_everybody" if self.shared_secret else f"whsec_{time.monotonic_ns():032d}"
        self.hooks[hook] = (url, secret)
        return 201, {"id": hook, "secret": secret}

    def changed(self, hook: str, url: str) -> tuple[int, Any]:
        if self.refuses(url):
            if self.changes_and_refuses:
                self.hooks[hook] = (url, self.hooks[hook][1])
            return 422, {}
        self.hooks[hook] = (url, self.hooks[hook][1])
        return 200, {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def platform(pki: Pki, **faults: Any) -> Iterator[tuple[Platform, dict[str, Any]]]:
    """A running platform, and the parts of a target that describe it."""
    zone = pki.folder / "hosts"
    zone.write_text("# names\n")
    running = dataclasses.replace(Platform(zone, pki.ca), **faults)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, value = running.answer(self.command, self.path, sent)
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.socket = server_context(pki.issue("www.rivet.example")).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield running, _described(pki, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _described(pki: Pki, port: int) -> dict[str, Any]:
    trusted = pki.issue("*.example.net")
    return {
        "endpoints": [endpoint("api", port)],
        "ca": "ca.pem",
        "timeout_seconds": 5,
        "tenants": [{"name": "acme", "id": "1"}],
        "identities": [{"name": "owner", "tenant": "acme", "role": "owner", "login": "password"}],
        "api": {
            "endpoint": "api",
            "openapi": "/openapi.json",
            "logins": {"password": {"path": "/login", "json": {"name": "owner"}}},
            "parameters": {"hook_id": "hook"},
            "objects": {
                "hook": {"create": "createHook", "json": {"url": "https://a.example.net/"}, "delete": "deleteHook"}
            },
            "operations": {"changeHook": {"json": {"url": "https://a.example.net/"}}},
        },
        "receivers": {
            "addresses": [PUBLIC],
            "inside": [INSIDE],
            "port": free_port(),
            "names": "{random}.example.net",
            "zone_file": "hosts",
            "trusted": f"file:{trusted.name}",
        },
        "webhooks": {
            "identity": "owner",
            "object": "hook",
            "ping": "pingHook",
            "update": "changeHook",
            "deliveries": "listDeliveries",
            "delivery_seconds": 4,
            "signature": {
                "header": "X-Signature",
                "value": "t=(?P<timestamp>[0-9]+),v1=(?P<signature>[0-9a-f]+)",
            },
        },
    }
