"""What stands in for a cluster's API, which cannot run everywhere: it speaks so much of it that the real kubectl reads logs of pods.

Kubernetes API: discovery of core/v1, get a pod, list pods by a label, get a container's log (container, previous, sinceTime,
tailLines, timestamps), as a kubelet answers.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_NANOSECONDS = 10**9


@dataclass
class Run:
    """One run of a container: what it wrote, as nanoseconds since 1970 and a line; `unreadable` is what the kubelet then says in its place."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    unreadable: str = ""


@dataclass
class Pod:
    """A pod, with the runs of each container, the newest last. `waits` are those that wait to be started again."""

    name: str
    uid: str
    labels: dict[str, str]
    containers: dict[str, list[Run]] = field(default_factory=dict)
    waits: set[str] = field(default_factory=set)

    def write(self, text: str, container: str = "web") -> None:
        """Write a line, a little later than the one before."""
        run = self.containers.setdefault(container, [Run()])[-1]
        last = max((line[0] for one in self.containers[container] for line in one.lines), default=0)
        run.lines.append((max(int(datetime.now(UTC).timestamp() * 1e6) * 1000, last + 7), text.encode() + b"\n"))

    def crash(self, container: str = "web", *, waits: bool = False) -> None:
        """The container ends and is started again, or waits for that."""
        if waits:
            self.waits.add(container)
        else:
            self.waits.discard(container)
            self.containers[container].append(Run())

    def described(self) -> dict[str, Any]:
        """As the API shows it."""
        ended = {"terminated": {"exitCode": 1, "containerID": "containerd://x"}}
        statuses = []
        for name, runs in self.containers.items():
            waits = name in self.waits
            state: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff"}} if waits else {"running": {}}
            last = ended if waits and runs else ended if len(runs) > 1 else {}
            statuses.append({"name": name, "restartCount": max(0, len(runs) - 1), "state": state, "lastState": last})
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": "shop", "uid": self.uid, "labels": self.labels},
            "spec": {"containers": [{"name": name} for name in self.containers]},
            "status": {"phase": "Running", "containerStatuses": statuses},
        }


class ClusterApi:
    """The API, on a port of this machine."""

    def __init__(self, folder: Path) -> None:
        """Starts it, and writes a configuration for kubectl."""
        self.pods: list[Pod] = []
        self.asked: list[str] = []
        self.denied = False
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

            def do_GET(self) -> None:
                api.asked.append(self.path)
                status, body, kind = api.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "c", "cluster": {"server": self.url}}],
                    "contexts": [{"name": "shop", "context": {"cluster": "c", "user": "auditor"}}],
                    "users": [{"name": "auditor", "user": {}}],
                    "current-context": "shop",
                }
            )
        )
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str) -> tuple[int, bytes, str]:
        """Status, body and media type for a path."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        steps = [one for one in parts.path.split("/") if one]
        if steps in (["api"], ["apis"], ["api", "v1"]):
            return _json(200, _DISCOVERY[steps[-1]])
        if steps == ["api", "v1", "namespaces", "shop"]:
            return _json(200, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        return self._pods(steps, query)

    def _pods(self, steps: list[str], query: dict[str, str]) -> tuple[int, bytes, str]:
        if self.denied:
            return _status(403, "Forbidden", 'pods is forbidden: User "auditor" cannot list resource "pods"')
        if steps[:4] != ["api", "v1", "namespaces", "shop"] or len(steps) < 5 or steps[4] != "pods":
            return _status(404, "NotFound", "the server could not find the requested resource")
        if len(steps) == 5:
            wanted = dict(one.split("=", 1) for one in query.get("labelSelector", "").split(",") if one)
            met = [pod.described() for pod in self.pods if wanted.items() <= pod.labels.items()]
            return _json(200, {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": met})
        pod = next((one for one in self.pods if one.name == steps[5]), None)
        if pod is None:
            return _status(404, "NotFound", f'pods "{steps[5]}" not found')
        if len(steps) == 6:
            return _json(200, pod.described())
        return _log(pod, query)

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def _log(pod: Pod, query: dict[str, str]) -> tuple[int, bytes, str]:
    name = query["container"]
    runs = pod.containers[name]
    earlier = query.get("previous") == "true"
    # While a container waits to be started again, its last run is the one before.
    at = len(runs) - 1 - (earlier and name not in pod.waits)
    if at < 0:
        return _status(400, "BadRequest", f'previous terminated container "{name}" in pod "{pod.name}" not found')
    run = runs[at]
    if run.unreadable:
        return 200, run.unreadable.encode(), "text/plain"
    lines = run.lines
    if "sinceTime" in query:
        since = int(datetime.fromisoformat(query["sinceTime"]).timestamp()) * _NANOSECONDS
        lines = [one for one in lines if one[0] >= since]
    if "tailLines" in query:
        lines = lines[-int(query["tailLines"]) :] if int(query["tailLines"]) else []
    return 200, b"".join(_stamped(*one) if query.get("timestamps") == "true" else one[1] for one in lines), "text/plain"


def _stamped(at: int, text: bytes) -> bytes:
    whole = datetime.fromtimestamp(0, UTC) + timedelta(seconds=at // _NANOSECONDS)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{at % _NANOSECONDS:09d}Z ".encode() + text


def _status(code: int, reason: str, message: str) -> tuple[int, bytes, str]:
    about = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return _json(code, {**about, "code": code})


def _json(status: int, body: Any) -> tuple[int, bytes, str]:
    return status, json.dumps(body).encode(), "application/json"


_PODS = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]}
_DISCOVERY = {
    "api": {"kind": "APIVersions", "versions": ["v1"]},
    "apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [_PODS]},
}
