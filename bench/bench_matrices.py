"""The role and the tenant matrix over an API of 300 operations, 4 roles and 2 tenants, against the bare requests by httpx.

Promise: at most 1.5 x the time of the same requests, sent by httpx at the same concurrency in the same order. The server keeps
what it was asked; each check is run and its requests are repeated, in turn, and the fastest of each counts. A third part asks for a
bounded rate, and counts what reached the server within any second. Prints requests, seconds and ratios; exits 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import httpx

from upheld import Finding, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.model import Target

ROOT = Path(__file__).parents[1]
PROMISED = 1.5
KINDS = 75
"""Kinds of object; each has four operations."""
TENANTS = ("red", "blue")
ROLES = ("owner", "admin", "agent", "viewer")
MAY = {"list": ROLES, "get": ROLES, "create": ROLES[:3], "delete": ROLES[:2]}
REQUESTS_AT_LEAST = 2_000
PER_SECOND = 400
"""The rate that the target asks for in the third part."""
JITTER = 1.1
"""What may reach the server in a second, against the rate: what left in time may arrive late, and together with the next."""
CHECKS = {
    "role matrix": ("access.roles_are_enforced", True),
    "tenant matrix": ("tenancy.foreign_identifiers_are_refused", False),
}
"""Each matrix with its check, and whether that looks at the tenants side by side."""


# --- the server, in a process of its own ---------------------------------------------------------------------------------


class Server(asyncio.Protocol):
    """HTTP/1.1 by hand, so that the server takes next to nothing of either time."""

    log: ClassVar[list[tuple[str, str, str, str, float]]] = []
    objects: ClassVar[dict[str, dict[str, str]]] = defaultdict(dict)
    made: ClassVar[dict[str, int]] = defaultdict(int)
    document: ClassVar[bytes] = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            size = int(fields.get("content-length", "0"))
            if len(rest) < size:
                return
            body, self.buffer = rest[:size], rest[size:]
            method, path, _ = lines[0].split(" ")
            status, answer = self.answer(method, path, fields.get("authorization", "").removeprefix("Bearer "), body)
            self.transport.write(
                b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(answer))
                + answer
            )

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, bytes]:
        kept = type(self)
        match path.strip("/").split("/"):
            case ["openapi.json"]:
                return 200, kept.document
            case ["login"]:
                return 200, json.dumps(
                    {"access_token": f"token-of-{json.loads(body)['user']}", "expires_in": 3600}
                ).encode()
            case ["asked"]:
                found = json.dumps(kept.log).encode()
                for each in (kept.log, kept.objects, kept.made):
                    each.clear()
                return 200, found
            case ["t", tenant, kind, *rest]:
                kept.log.append((method, path, token, body.decode(), time.monotonic()))
                return self.object(method, tenant, kind, rest[0] if rest else "", token, body)
        return 404, b"{}"

    def object(self, method: str, tenant: str, kind: str, one: str, token: str, body: bytes) -> tuple[int, bytes]:
        if not token.startswith("token-of-"):
            return 401, b'{"error": "unauthenticated"}'
        own, _, role = token.removeprefix("token-of-").partition("-")
        verb = {("GET", ""): "list", ("POST", ""): "create"}.get((method, one)) or {"GET": "get", "DELETE": "delete"}[
            method
        ]
        if own != tenant or role not in MAY[verb]:
            return 403, b'{"error": "forbidden"}'
        kept = type(self).objects[f"{tenant}/{kind}"]
        if verb == "create":
            type(self).made[tenant] += 1
            one = f"{tenant}-{kind}-{type(self).made[tenant]}"
            kept[one] = json.dumps({"id": one, "text": json.loads(body)["text"], "kind": kind, "open": True})
        found = (
            kept.pop(one, "")
            if verb == "delete"
            else f"[{', '.join(kept.values())}]"
            if verb == "list"
            else kept.get(one, "")
        )
        if not found:
            return 404, b'{"error": "not found"}'
        return {"create": 201, "delete": 204}.get(verb, 200), b"" if verb == "delete" else found.encode()


async def serve() -> None:
    """Serve until the process is ended; the port goes to stdout."""
    Server.document = json.dumps(document()).encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    schema = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    tenant = {"name": "tenant_id", "in": "path", "required": True, "schema": {"type": "string"}}
    paths: dict[str, Any] = {}
    for number in range(KINDS):
        one = {"name": f"kind{number}_id", "in": "path", "required": True, "schema": {"type": "string"}}
        paths[f"/t/{{tenant_id}}/kind{number}"] = {
            "parameters": [tenant],
            "get": {"operationId": f"list{number}"},
            "post": {"operationId": f"create{number}", "requestBody": body},
        }
        paths[f"/t/{{tenant_id}}/kind{number}/{{kind{number}_id}}"] = {
            "parameters": [tenant, one],
            "get": {"operationId": f"get{number}"},
            "delete": {"operationId": f"delete{number}"},
        }
    for item in paths.values():
        for method in {"get", "post", "delete"} & set(item):
            item[method] |= {"security": [{"bearer": []}], "responses": {"200": {"description": "as asked"}}}
    return {"openapi": "3.1.0", "info": {"title": "bench", "version": "1"}, "paths": paths}


# --- the audit -----------------------------------------------------------------------------------------------------------


def target(port: int, **more: Any) -> Target:
    """The target's description of that server."""
    return Target.model_validate(
        {
            "name": "bench",
            "environment": "reference",
            "endpoints": [{"name": "www", "url": f"http://127.0.0.1:{port}"}],
            "api": {
                "endpoint": "www",
                "openapi": "/openapi.json",
                "logins": {"password": {"path": "/login", "json": {"user": "{user}"}}},
                "parameters": {f"kind{number}_id": f"kind{number}" for number in range(KINDS)},
                "objects": {
                    f"kind{number}": {
                        "create": f"create{number}",
                        "json": {"text": "{canary}"},
                        "read": f"get{number}",
                        "delete": f"delete{number}",
                    }
                    for number in range(KINDS)
                },
            },
            "tenants": [{"name": one, "id": one} for one in TENANTS],
            "identities": [
                {
                    "name": f"{tenant}-{role}",
                    "tenant": tenant,
                    "role": role,
                    "login": "password",
                    "values": {"user": f"{tenant}-{role}"},
                }
                for tenant in TENANTS
                for role in ROLES
            ],
            "access": {"roles": {f"{verb}{number}": may for number in range(KINDS) for verb, may in MAY.items()}},
            **more,
        }
    )


def audited(name: str, described: Target, folder: Path) -> float:
    """The seconds that the check takes; it must find all sound."""
    one = Catalogue.load(ROOT / "checks")[name]
    session = Session(described, Redactor(), Scope(described), folder, target_folder=folder)
    try:
        started = time.perf_counter()
        with session.recording("bench"):
            found = list(one.function(*(session.probe(kind) for kind in one.probes.values())))
        seconds = time.perf_counter() - started
    finally:
        session.close()
    wrong = [item for item in found if isinstance(item, NotObserved) or (isinstance(item, Finding) and not item.passed)]
    if wrong or not any(isinstance(item, Finding) for item in found):
        sys.exit(f"{name}: {len(found)} findings, of which {len(wrong)} are not sound: {wrong[:1]}")
    return seconds


def asked(port: int) -> list[Sequence[Any]]:
    """What the server was asked since the last time; it then forgets that, and its objects."""
    found: list[Sequence[Any]] = httpx.get(f"http://127.0.0.1:{port}/asked").json()
    return found


def bare(port: int, requests: Sequence[Sequence[Any]], *, side_by_side: bool) -> float:
    """The seconds that httpx takes for these requests, each tenant's in a thread of its own where the check does it so."""

    def send(some: Sequence[Sequence[Any]]) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            for method, path, token, body, _ in some:
                headers: Mapping[str, str] = {"authorization": f"Bearer {token}"} if token else {}
                client.request(method, path, headers=headers, content=body or None).read()

    lanes = (
        [[one for one in requests if one[1].startswith(f"/t/{tenant}/")] for tenant in TENANTS]
        if side_by_side
        else [requests]
    )
    started = time.perf_counter()
    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(send, lanes))
    return time.perf_counter() - started


def most_in_a_second(times: Sequence[float]) -> int:
    """How many of these times lie within the second in which most of them do."""
    return max(bisect_right(times, begin + 1.0) - index for index, begin in enumerate(times))


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    broken = False
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process,
    ):
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            for title, (name, side_by_side) in CHECKS.items():
                times: list[tuple[float, float]] = []
                for _ in range(options.rounds):
                    asked(port)
                    ours = audited(name, target(port), Path(folder))
                    requests = asked(port)
                    theirs = bare(port, requests, side_by_side=side_by_side)
                    times.append((ours, theirs))
                best = min(one for one, _ in times), min(one for _, one in times)
                ratio = best[0] / best[1]
                print(
                    f"{title}: {len(requests):,} requests, {best[0]:.2f} s against {best[1]:.2f} s bare: {ratio:.2f} x (promised {PROMISED} x)",
                    flush=True,
                )
                broken |= ratio > PROMISED or (side_by_side and len(requests) < REQUESTS_AT_LEAST)
            asked(port)
            bound = target(port, limits={"per_second": PER_SECOND})
            audited(CHECKS["tenant matrix"][0], bound, Path(folder))
            most = most_in_a_second([one[4] for one in asked(port)])
            print(f"tenant matrix at {PER_SECOND} requests a second: {most} in the fullest second", flush=True)
            broken |= most > PER_SECOND * JITTER
        finally:
            process.kill()
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
