"""Everything that the pages' links and the OpenAPI document lead to speaks TLS, and nothing older than 1.2."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from upheld_reference.deployment import Deployment
from web_member import WebMember

Batch = Callable[[list[str]], tuple[Deployment, Any]]
_LOADED = {("link", "href"), ("img", "src"), ("script", "src"), ("form", "action"), ("iframe", "src")}


class Addresses(HTMLParser):
    """Every address that a page leads to or loads."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in {"href", "src", "action"}:
                (self.loads if (tag, name) in _LOADED else self.links).add(value)


def traffic_violations(running: Deployment, rivet: Any) -> set[str]:
    """What is in the clear, or leads out of the deployment, on the way along all links of all pages."""
    found: set[str] = set()
    listeners = running.facts["listeners"]
    names = {urlsplit(facts["url"]).netloc: name for name, facts in listeners.items() if facts["public"]}
    with contextlib.ExitStack() as stack:
        browsers = {name: stack.enter_context(WebMember(running, name)) for name in ("www", "app", "status", "api")}
        browsers["app"].log_in("acme-owner")
        document = rivet.call("GET", "/openapi.json").json()
        waiting = [facts["url"] + "/" for name, facts in listeners.items() if name in browsers]
        waiting += [server["url"] for server in document.get("servers", ()) if "//" in server["url"]]
        seen = set()
        while waiting:
            url = waiting.pop()
            parts = urlsplit(url)
            if url in seen or parts.scheme == "mailto":
                continue
            seen.add(url)
            if parts.scheme == "http":
                found.add(f"{parts.hostname} in the clear: {_in_the_clear(url)}")
            elif names.get(parts.netloc) not in browsers:
                found.add(f"leads to {parts.netloc}")
            else:
                answer = browsers[names[parts.netloc]].get(url)
                if "location" in answer.headers:
                    waiting.append(urljoin(url, answer.headers["location"]))
                if answer.headers.get("content-type", "").startswith("text/html"):
                    addresses = Addresses()
                    addresses.feed(answer.text)
                    loads = {urljoin(url, one) for one in addresses.loads}
                    found |= {f"{parts.hostname} loads over plain HTTP" for one in loads if one.startswith("http:")}
                    waiting += [urljoin(url, one).partition("#")[0] for one in addresses.links | loads]
    assert len(seen) > 15
    return found


def _in_the_clear(url: str) -> str:
    """What a plain HTTP address answers to a GET."""
    parts = urlsplit(url)
    with socket.create_connection(("127.0.0.1", parts.port), timeout=5) as connection:
        request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode("ascii"))
        return connection.makefile("rb").readline().split()[1].decode("ascii")


def test_all_links_lead_to_tls(deployment: Deployment, rivet: Any) -> None:
    assert traffic_violations(deployment, rivet) == set()


def test_an_unlisted_port_a_subdomain_and_a_style_sheet_are_in_the_clear(batch: Batch) -> None:
    names = ["extra_port_without_tls", "subdomain_without_tls", "mixed_content_on_a_page"]
    running, rivet = batch(names)
    assert traffic_violations(running, rivet) == {
        "api.rivet.example in the clear: 404",
        "help.rivet.example in the clear: 200",
        "www.rivet.example loads over plain HTTP",
        "www.rivet.example in the clear: 308",
    }
    assert {"api-legacy", "help"} & running.facts["listeners"].keys() == set(), "the list of endpoints has neither"
    legacy = rivet.call("GET", "/openapi.json").json()["servers"][1]["url"]
    identity = rivet.identity("acme-viewer")
    command = ["curl", "-sS", "-o", "-", "--resolve", f"{urlsplit(legacy).netloc}:127.0.0.1", f"{legacy}/v1/tokens"]
    command += ["--json", f'{{"email": "{identity["email"]}", "password": "{identity["password"]}"}}']
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "access_token" in answer, "the port in the clear serves the very API"


def openssl_connects(facts: dict[str, Any], version: str) -> bool:
    """Whether `openssl s_client` completes a handshake in exactly this version, offering all its ciphers."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl on PATH")
    command = [openssl, "s_client", "-connect", f"{facts['address']}:{facts['port']}", f"-{version}"]
    command += ["-servername", facts["host_name"], "-cipher", "ALL:@SECLEVEL=0", "-brief"]
    if version == "tls1_3":
        command[command.index("-cipher") : command.index("-brief")] = []
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)
    said = done.stdout + done.stderr
    if "option" in said.lower() and "unknown" in said.lower():
        pytest.skip(f"this openssl cannot offer {version}")
    return "CONNECTION ESTABLISHED" in said


def accepted_old_versions(running: Deployment) -> set[tuple[str, str]]:
    """Listener and version of every public TLS port that openssl can connect to in an old version."""
    tls = {name: facts for name, facts in running.facts["listeners"].items() if facts["scheme"] == "https"}
    public = {name: facts for name, facts in tls.items() if facts["public"]}
    for name, facts in public.items():
        assert openssl_connects(facts, "tls1_2"), f"{name} must be reachable, or its refusals say nothing"
    return {(name, old) for name, facts in public.items() for old in ("tls1", "tls1_1") if openssl_connects(facts, old)}


def test_openssl_cannot_connect_in_an_old_version(deployment: Deployment) -> None:
    assert accepted_old_versions(deployment) == set()


def test_openssl_connects_in_an_old_version_where_one_port_lets_it(sabotaged: Callable[[str], Deployment]) -> None:
    running = sabotaged("tls_1_0_on_one_port")
    assert accepted_old_versions(running) == {("status", "tls1"), ("status", "tls1_1")}
