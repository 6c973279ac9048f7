"""What stands in for Docker's engine, which cannot run everywhere: it speaks so much of its API that the real client reads logs.

Docker Engine API: ping, inspect a container, get a container's logs (as a multiplexed stream, with since, tail and timestamps).
"""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_NANOSECONDS = 10**9


@dataclass
class Container:
    """One container, and what it wrote: nanoseconds since 1970, stream (1 or 2) and line."""

    identifier: str
    created: datetime
    driver: str = "json-file"
    settings: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[int, int, bytes]] = field(default_factory=list)

    def write(self, text: str, *, error: bool = False) -> None:
        """Write a line, a little later than the one before."""
        now = int(datetime.now(UTC).timestamp() * 1e6) * 1000
        at = max(now, self.lines[-1][0] + 7 if self.lines else 0)
        self.lines.append((at, 2 if error else 1, text.encode() + b"\n"))


class Engine:
    """The engine, on a socket of its own."""

    def __init__(self, folder: Path) -> None:
        """Starts it."""
        self.containers: dict[str, Container] = {}
        self.asked: list[str] = []
        path = str(folder / "docker.sock")
        self.host = f"unix://{path}"
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self) -> str:
                return "client"

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                status, body, kind = engine.answer(self.path)
                self.send_response(status)
                self.send_header("Api-Version", "1.44")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self._server = Server(path, Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str) -> tuple[int, bytes, str]:
        """Status, body and media type for a path."""
        parts = urlsplit(path)
        steps = [one for one in parts.path.split("/") if one and not one.startswith("v1.")]
        if steps == ["_ping"]:
            return 200, b"OK", "text/plain"
        known = {**self.containers, **{one.identifier: one for one in self.containers.values()}}
        container = known.get(steps[1]) if len(steps) == 3 and steps[0] == "containers" else None
        if container is None:
            return _json(404, {"message": f"No such container: {steps[1] if len(steps) > 1 else ''}"})
        if steps[2] == "json":
            driver = {"Type": container.driver, "Config": container.settings}
            created = container.created.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            about = {"Id": container.identifier, "Created": created, "HostConfig": {"LogConfig": driver}}
            path = f"/var/lib/docker/containers/{container.identifier}/{container.identifier}-json.log"
            about["LogPath"] = path if container.driver == "json-file" else ""
            return _json(200, {**about, "Config": {"Tty": False}, "State": {}})
        self.asked.append(parts.query)
        if container.driver == "none":
            return _json(501, {"message": "configured logging driver does not support reading"})
        return 200, _frames(container, parse_qs(parts.query)), "application/vnd.docker.multiplexed-stream"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def _frames(container: Container, query: dict[str, list[str]]) -> bytes:
    seconds, _, fraction = query.get("since", ["0"])[0].partition(".")
    since = int(seconds or 0) * _NANOSECONDS + int(fraction.ljust(9, "0")[:9] or 0)
    lines = [one for one in container.lines if one[0] >= since]
    tail = query.get("tail", ["all"])[0]
    lines = lines if tail in {"all", ""} else lines[-int(tail) :] if int(tail) else []
    found = b""
    for at, stream, text in lines:
        shown = text
        if query.get("timestamps") in (["1"], ["true"]):
            whole = datetime.fromtimestamp(0, UTC) + timedelta(seconds=at // _NANOSECONDS)
            shown = f"{whole:%Y-%m-%dT%H:%M:%S}.{at % _NANOSECONDS:09d}Z ".encode() + text
        found += struct.pack(">BxxxL", stream, len(shown)) + shown
    return found


def _json(status: int, body: Any) -> tuple[int, bytes, str]:
    return status, json.dumps(body).encode(), "application/json"
