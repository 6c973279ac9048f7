"""Advisories in the OSV format (schema 1.7): which of them speak of a package in a version.

A mirror's folder is read once; a service is asked through the HTTP client, inside the scope. `Relay` serves both to a
scanner that wants to ask a service.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from upheld.errors import Unobservable
from upheld.probes.http_client import HttpClient
from upheld.probes.lock_files import CRATES, NPM, PYPI

Query = Callable[[str, str, str], list[dict[str, Any]]]
"""Gives the records about an ecosystem's package in a version."""
RECORDS = 1_000_000
"""Files of one mirror."""
LARGEST = 8 * 1024 * 1024
"""Bytes of one record."""
PAGES = 50
"""Pages of one answer."""


def read_mirror(folder: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The records of a mirror by ecosystem and package; raises Unobservable for one that is empty or cannot be read."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    count = 0
    try:
        for path in sorted(folder.rglob("*.json")):
            count += 1
            if count > RECORDS or path.stat().st_size > LARGEST:
                raise Unobservable("the mirror of advisories is too large")
            record = json.loads(path.read_bytes())
            if record.get("withdrawn"):
                continue
            for affected in record["affected"]:
                package = affected.get("package")
                if package:
                    key = (package["ecosystem"].partition(":")[0], _name(package["ecosystem"], package["name"]))
                    if record not in found.setdefault(key, []):
                        found[key].append(record)
    except OSError as error:
        raise Unobservable(f"the mirror of advisories cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unobservable(f"the mirror of advisories has a record that cannot be read: {path.name}") from error
    if not found:
        raise Unobservable("the mirror of advisories is empty")
    return found


def mirror_query(records: Mapping[tuple[str, str], list[dict[str, Any]]]) -> Query:
    """Asks a mirror."""

    def query(ecosystem: str, name: str, version: str) -> list[dict[str, Any]]:
        about = records.get((ecosystem, _name(ecosystem, name)), [])
        return [record for record in about if affects(record, ecosystem, name, version)]

    return query


def service_query(client: HttpClient, url: str) -> Query:
    """Asks a service, all pages of its answer."""

    def query(ecosystem: str, name: str, version: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        for _ in range(PAGES):
            body: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}, "version": version}
            answer = client.send(
                "POST", f"{url.rstrip('/')}/v1/query", json={**body, **({"page_token": token} if token else {})}
            )
            if answer.status != 200:
                raise Unobservable(f"the advisory service answered {answer.status}")
            said = answer.json()
            if not isinstance(said, dict) or not isinstance(said.get("vulns", []), list):
                raise Unobservable("the advisory service answered with something else than a list of advisories")
            found += said.get("vulns", [])
            token = str(said.get("next_page_token") or "")
            if not token:
                return found
        raise Unobservable(f"the advisory service's answer has more than {PAGES} pages")

    return query


def affects(record: Mapping[str, Any], ecosystem: str, name: str, version: str) -> bool:
    """Whether a record speaks of a package in a version; raises Unobservable when its ranges cannot be understood."""
    try:
        for one in record["affected"]:
            package = one.get("package") or {}
            if package.get("ecosystem", "").partition(":")[0] != ecosystem:
                continue
            if _name(ecosystem, package["name"]) != _name(ecosystem, name):
                continue
            if version in one.get("versions", ()):
                return True
            for span in one.get("ranges", ()):
                if span["type"] != "GIT" and _within(span["events"], ecosystem, version):
                    return True
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unobservable(
            f"the advisory {record.get('id')} cannot be compared with {name} {version}: {error}"
        ) from error
    return False


def _within(events: list[dict[str, str]], ecosystem: str, version: str) -> bool:
    """The evaluation of the OSV schema: events in order, introduced opens, fixed and a version past last_affected close."""
    order = _order(ecosystem)
    mine = order(version)
    ranked = []
    for event in events:
        ((kind, at),) = event.items()
        if kind not in {"introduced", "fixed", "last_affected", "limit"}:
            raise ValueError(f"the event {kind}")
        if kind != "limit":
            ranked.append((order(at) if at != "0" else None, kind))
    inside = False
    for edge, kind in sorted(ranked, key=lambda one: (one[0] is not None, one[0] if one[0] is not None else mine)):
        if kind == "introduced" and (edge is None or mine >= edge):
            inside = True
        elif (kind == "fixed" and (edge is None or mine >= edge)) or (
            kind == "last_affected" and edge is not None and mine > edge
        ):
            inside = False
    return inside


def _order(ecosystem: str) -> Callable[[str], Any]:
    """How an ecosystem's versions are compared; raises Unobservable for one that is not known or whose library is missing."""
    try:
        if ecosystem == PYPI:
            from packaging.version import Version  # noqa: PLC0415  (only where it is needed)

            return Version
        if ecosystem in {NPM, CRATES}:
            from semver import Version as Semver  # noqa: PLC0415  (only where it is needed)

            return Semver.parse
    except ImportError as error:
        raise Unobservable(
            f"comparing versions needs packaging and semver ({error.name}): pip install 'upheld[code]'"
        ) from error
    raise Unobservable(f"versions of {ecosystem} cannot be compared yet")


def _name(ecosystem: str, name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-") if ecosystem == PYPI else name


@contextmanager
def relay(query: Query) -> Iterator[tuple[str, list[str]]]:
    """A service on the loopback address that answers OSV's queries from `query`; gives its URL, and what went wrong in it."""
    faults: list[str] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # Head and body leave as one: in two, each answer waits 40 ms for an acknowledgement.

        def do_POST(self) -> None:
            """Answers one query."""
            try:
                asked = json.loads(self.rfile.read(min(int(self.headers["content-length"]), 100_000)))
                with lock:
                    found = query(asked["package"]["ecosystem"], asked["package"]["name"], asked["version"])
                status, body = 200, json.dumps({"vulns": found} if found else {}).encode()
            except Unobservable as unobservable:
                faults.append(unobservable.reason)
                status, body = 503, b"{}"
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"the scanner asked what cannot be understood: {error}")
                status, body = 400, b"{}"
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query", faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
