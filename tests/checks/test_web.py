"""The checks of plain HTTP and of HSTS against real servers that keep and that break the promise."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from upheld.model import Finding, NotObserved
from upheld.probes.http import Http

from ..loopback import Page, Pki, endpoint, free_port, load_checks, raw, server_context, web

checks = load_checks("web")
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    return server_context(Pki(tmp_path).issue("www.rivet.example"))


def audit(session: Any, check: Any, **parameters: Any) -> list[Any]:
    with session.recording("t"):
        return list(check(session.probe(Http), **parameters))


def failed(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.observed for one in found if isinstance(one, Finding) and not one.passed}


def unseen(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.reason for one in found if isinstance(one, NotObserved)}


def redirecting(method: str, path: str, headers: Mapping[str, str]) -> Page:
    return 308, {"Location": f"https://www.rivet.example{path}"}, b"moved\n"


def plain(session_of: Callable[..., Any], context: ssl.SSLContext, answer: Any, **more: Any) -> list[Any]:
    """What the check finds of a plain HTTP server that answers so, beside a sound https one."""
    with web({"/": (200, HTML, b"home")}, context) as secure, web(answer) as port:
        endpoints = [endpoint("www", secure), endpoint("http", port, scheme="http", **more)]
        found = audit(session_of(endpoints=endpoints, ca="ca.pem", timeout_seconds=5), checks.plain_http_only_redirects)
    assert any("TLS port" in str(one.subject) and one.passed for one in found if isinstance(one, Finding))
    return [one for one in found if "TLS port" not in str(one.subject)]


def test_redirects_everywhere_are_upheld(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    found = plain(session_of, context, redirecting, pages=["/", "/login"])
    assert len(found) == 6
    assert all(one.passed for one in found)


@pytest.mark.parametrize(
    ("answer", "observed"),
    [
        ((200, HTML, b"content"), "serves an answer: 200 with 7 bytes"),
        ((200, HTML, b""), "serves an answer: 200"),
        ((404, HTML, b"no such page"), "serves an answer: 404"),
        ((401, HTML, b"log in"), "serves an answer: 401"),
        ((500, HTML, b"oops"), "serves an answer: 500"),
        ((301, {"Location": "http://www.rivet.example/x"}, b""), "without TLS"),
        ((301, {"Location": "/x"}, b""), "without TLS"),
        ((301, {}, b""), "leads nowhere"),
        ((302, {"Location": "https://www.rivet.example/"}, b"x" * 10000), "but serves content"),
        ((403, HTML, b"x" * 10000), "serves an answer: 403"),
        ((300, {"Location": "https://www.rivet.example/"}, b"content"), "serves an answer: 300"),
    ],
)
def test_content_and_bad_redirects_are_refuted(
    session_of: Callable[..., Any], context: ssl.SSLContext, answer: Page, observed: str
) -> None:
    found = plain(session_of, context, lambda method, path, headers: answer)
    assert observed in failed(found)[next(s for s in failed(found) if s.endswith("GET /"))]


def test_one_path_or_one_method_of_many_is_enough(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    def answer(method: str, path: str, headers: Mapping[str, str]) -> Page:
        if path == "/login" or method == "POST":
            return 200, HTML, b"form"
        return redirecting(method, path, headers)

    found = plain(session_of, context, answer, pages=["/", "/login"])
    assert [subject.partition(") ")[2] for subject in failed(found)] == ["GET /login", "POST /upheld-no-such-page"]


@pytest.mark.parametrize("status", [400, 403, 405, 426])
def test_outright_refusals_are_upheld(session_of: Callable[..., Any], context: ssl.SSLContext, status: int) -> None:
    assert failed(plain(session_of, context, lambda *_: (status, HTML, b"use https"))) == {}


def test_a_refusal_of_everything_shows_nothing_of_plain_http(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    with web(lambda *_: (403, HTML, b"no")) as port:
        plain = endpoint("http", port, scheme="http")
        with web(lambda *_: (403, HTML, b"no"), context) as secure:
            both = session_of(endpoints=[endpoint("www", secure), plain], ca="ca.pem", timeout_seconds=5)
            found = unseen(audit(both, checks.plain_http_only_redirects))
        assert len(found) == 5
        assert all("its https endpoint answers 403 too" in reason for reason in found.values())
        dead = session_of(endpoints=[endpoint("www", free_port()), plain], ca="ca.pem", timeout_seconds=5)
        found = unseen(audit(dead, checks.plain_http_only_redirects))
        assert any("its https endpoint does not answer" in reason for reason in found.values())
        alone = session_of(endpoints=[plain], timeout_seconds=5)
        assert len(unseen(audit(alone, checks.plain_http_only_redirects))) == 5


@pytest.mark.parametrize("status", [429, 502, 503])
def test_answers_that_may_not_be_the_deployments_are_inconclusive(
    session_of: Callable[..., Any], context: ssl.SSLContext, status: int
) -> None:
    found = plain(session_of, context, lambda *_: (status, HTML, b"later"))
    assert failed(found) == {}
    assert len(unseen(found)) == len(found)


def test_closed_port_counts_only_while_the_host_is_alive(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    with web({"/": (200, HTML, b"home")}, context) as secure:
        alive = session_of(
            endpoints=[endpoint("www", secure), endpoint("http", free_port(), scheme="http")], ca="ca.pem"
        )
        found = audit(alive, checks.plain_http_only_redirects)
        assert all(isinstance(one, Finding) and one.passed for one in found)
        assert "refused" in found[-1].observed
        alone = session_of(endpoints=[endpoint("http", free_port(), scheme="http")])
        assert len(unseen(audit(alone, checks.plain_http_only_redirects))) == 5
    dead = session_of(
        endpoints=[endpoint("www", free_port()), endpoint("http", free_port(), scheme="http")], ca="ca.pem"
    )
    found = audit(dead, checks.plain_http_only_redirects)
    assert len(unseen(found)) == len(found)


def test_host_with_a_bad_certificate_is_alive_all_the_same(session_of: Callable[..., Any], tmp_path: Path) -> None:
    bad = server_context(Pki(tmp_path).issue("www.rivet.example", days=-2, age_days=9))
    with web({"/": (200, HTML, b"home")}, bad) as port:
        found = audit(session_of(endpoints=[endpoint("www", port)], ca="ca.pem"), checks.plain_http_only_redirects)
    assert [one.passed for one in found] == [True]


def drip(connection: socket.socket, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        connection.sendall(b"H")


def content_then_nothing(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<h1>secret</h1>")
    stop.wait(30)


def old_style(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"<html>an answer without any header</html>")


def test_silence_is_not_observed_and_late_content_is_content(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    for behave, refuted in (
        (lambda c, stop: stop.wait(30), False),
        (drip, False),
        (old_style, False),
        (content_then_nothing, True),
    ):
        with web({"/": (200, HTML, b"home")}, context) as secure, raw(behave) as port:
            endpoints = [endpoint("www", secure), endpoint("http", port, scheme="http")]
            session = session_of(endpoints=endpoints, ca="ca.pem", timeout_seconds=0.6)
            found = [
                one for one in audit(session, checks.plain_http_only_redirects) if str(one.subject).startswith("http ")
            ]
        assert bool(failed(found)) is refuted
        assert len(unseen(found)) == (0 if refuted else 5) or refuted


def test_tls_port_that_also_serves_plain_http(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    """A port that looks at the first byte and serves both."""

    def both(connection: socket.socket, stop: threading.Event) -> None:
        first = connection.recv(1, socket.MSG_PEEK)
        stream: socket.socket = context.wrap_socket(connection, server_side=True) if first == b"\x16" else connection
        stream.recv(65536)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhome")

    with raw(both) as port:
        found = audit(session_of(endpoints=[endpoint("www", port)], ca="ca.pem"), checks.plain_http_only_redirects)
    assert list(failed(found).values()) == ["plain HTTP serves an answer: 200 with 4 bytes"]


def test_port_80_is_tried_for_public_https_at_443_only(session_of: Callable[..., Any]) -> None:
    session = session_of(
        endpoints=[
            {"name": "www", "url": "https://www.rivet.example", "address": "127.0.0.1"},
            {"name": "in", "url": "https://in.rivet.example", "address": "127.0.0.1", "public": False},
            {"name": "six", "url": "https://[::1]", "address": "127.0.0.1"},
        ]
    )
    doors = list(checks._doors(session.probe(Http).endpoints()))
    assert [door.base for door in doors] == [
        "http://www.rivet.example:443",
        "http://www.rivet.example",
        "http://[::1]:443",
        "http://[::1]",
    ]


def test_port_80_is_tried_once_and_shows_nothing_where_nothing_answers(session_of: Callable[..., Any]) -> None:
    session = session_of(
        endpoints=[
            {"name": "www", "url": "https://www.rivet.example", "address": "127.93.0.7"},
            {"name": "app", "url": "https://app.rivet.example", "address": "127.93.0.7"},
            {"name": "old", "url": "http://app.rivet.example", "address": "127.93.0.7"},
        ]
    )
    found = audit(session, checks.plain_http_only_redirects)
    places = dict.fromkeys(subject.rpartition(" GET")[0] for subject in unseen(found) if " GET" in subject)
    assert len(unseen(found)) == len(found)
    assert list(places) == [
        "www (www.rivet.example:443) plain HTTP at its TLS port",
        "www (www.rivet.example:443) plain HTTP at port 80",
        "app (app.rivet.example:443) plain HTTP at its TLS port",
        "old (app.rivet.example:80)",
    ]


@pytest.mark.parametrize(
    ("value", "observed"),
    [
        ("max-age=31536000; includeSubDomains; preload", ""),
        ('MAX-AGE="15552000" ;;', ""),
        ("includeSubDomains;max-age=99999999", ""),
        (None, "no Strict-Transport-Security"),
        ("max-age=15551999", "too short"),
        ("max-age=0", "too short"),
        ("includeSubDomains", "no valid max-age"),
        ("max-age=", "no valid max-age"),
        ("max-age=-1", "no valid max-age"),
        ("max-age=1e9", "no valid max-age"),
        ("max-age=31536000, includeSubDomains", "browsers ignore"),
        ("max-age=31536000; max-age=31536000", "browsers ignore"),
        ("max-age 31536000", "browsers ignore"),
    ],
)
def test_hsts_values(session_of: Callable[..., Any], context: ssl.SSLContext, value: str | None, observed: str) -> None:
    headers = HTML if value is None else {**HTML, "Strict-Transport-Security": value}
    with web({"/": (200, headers, b"x")}, context) as port:
        (found,) = audit(session_of(endpoints=[endpoint("www", port)], ca="ca.pem"), checks.hsts_is_set)
    assert found.passed is not bool(observed), found
    assert observed in found.observed


def test_hsts_on_every_page_of_every_public_endpoint(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    sound = {**HTML, "Strict-Transport-Security": "max-age=63072000"}
    pages = {
        "/": (200, sound, b"x"),
        "/bare": (200, HTML, b"x"),
        "/moved": (301, {"Location": "/"}, b""),
        "/down": (503, HTML, b"x"),
        "/limited": (429, sound, b"x"),
    }
    with web(pages, context) as port, web(pages) as insecure:
        endpoints = [
            endpoint("www", port, pages=list(pages)),
            endpoint("inner", free_port(), public=False),
            endpoint("http", insecure, scheme="http"),
        ]
        found = audit(session_of(endpoints=endpoints, ca="ca.pem"), checks.hsts_is_set)
        assert len(found) == 5
        assert [subject.rpartition(" ")[2] for subject in failed(found)] == ["/bare", "/moved"]
        assert [subject.rpartition(" ")[2] for subject in unseen(found)] == ["/down", "/limited"]
        assert (
            len(failed(audit(session_of(endpoints=endpoints, ca="ca.pem"), checks.hsts_is_set, minimum_seconds=10**9)))
            == 3
        )


def test_hsts_over_a_bad_certificate_is_not_observed(session_of: Callable[..., Any], tmp_path: Path) -> None:
    bad = server_context(Pki(tmp_path).issue("www.rivet.example", days=-2, age_days=9))
    with web({"/": (200, {"Strict-Transport-Security": "max-age=63072000"}, b"x")}, bad) as port:
        found = audit(session_of(endpoints=[endpoint("www", port)], ca="ca.pem"), checks.hsts_is_set)
    assert "certificate has expired" in next(iter(unseen(found).values()))
