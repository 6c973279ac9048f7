"""The HTTP transport against real servers, well-behaved and hostile."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from upheld.errors import OutOfScope, Refused, TimedOut, Unobservable
from upheld.probes.http import Http, Outcome
from upheld.probes.http_client import MAX_BODY, HttpClient, NoHttpAnswer

from ...loopback import Pki, endpoint, free_port, raw, server_context, web

HTML = {"Content-Type": "text/html; charset=utf-8"}


def client_of(session_of: Callable[..., Any], port: int, scheme: str = "http", **parts: Any) -> HttpClient:
    session = session_of(
        endpoints=[endpoint("www", port, scheme=scheme)], timeout_seconds=parts.pop("timeout_seconds", 5), **parts
    )
    return session.probe(Http).client


def url(port: int, path: str = "/", scheme: str = "http") -> str:
    return f"{scheme}://www.rivet.example:{port}{path}"


def test_answer_is_seen_as_it_came(session_of: Callable[..., Any]) -> None:
    with web(
        {"/a": (201, {**HTML, "X-Two": "1", "Set-Cookie": "sid=abcdefgh12345678; Path=/"}, "grün".encode())}
    ) as port:
        answer = client_of(session_of, port).send("GET", url(port, "/a"))
    assert (answer.status, answer.text, answer.size, answer.media_type) == (201, "grün", 5, "text/html")
    assert answer.header("X-TWO") == "1"
    assert answer.header("set-cookie") == "sid=[redacted:cookie]; Path=/"
    assert not answer.truncated
    with pytest.raises(Unobservable, match="no JSON"):
        answer.json()


def test_cookies_are_kept_only_where_that_is_asked_for(session_of: Callable[..., Any]) -> None:
    seen: list[str | None] = []

    def answer(method: str, path: str, headers: Any) -> Any:
        seen.append(dict(headers).get("cookie"))
        gone = "sid=; Max-Age=0" if path == "/out" else "sid=abcdefgh12345678; Path=/; HttpOnly"
        return 200, {**HTML, "Set-Cookie": gone}, b""

    with web(answer) as port:
        plain = client_of(session_of, port)
        keeping = HttpClient(plain._session, cookies=True)
        for client in (plain, keeping):
            for path in ("/", "/out", "/"):
                shown = client.send("GET", url(port, path))
                assert "abcdefgh12345678" not in str(shown.headers)
        keeping.close()
    assert seen == [None, None, None, None, "sid=abcdefgh12345678", None]


def test_request_goes_out_to_the_byte(session_of: Callable[..., Any]) -> None:
    seen: list[tuple[str, str, dict[str, str]]] = []

    def answer(method: str, path: str, headers: Any) -> Any:
        seen.append((method, path, dict(headers)))
        return 200, {"Content-Type": "application/json"}, b'{"ok": true}'

    with web(answer) as port:
        client = client_of(session_of, port)
        assert client.send("GET", url(port, "/x//a/../b/%2e%2E/;x?q=a b&c=[]#part")).json() == {"ok": True}
        client.send("POST", url(port, "/p"), json={"a": 1}, headers={"X-Forwarded-For": "10.0.0.1"})
        client.send("POST", url(port, "/q"))
    assert seen[0][1] == "/x//a/../b/%2e%2E/;x?q=a%20b&c=[]"
    assert seen[0][2]["host"] == f"www.rivet.example:{port}"
    assert seen[0][2]["user-agent"].startswith("upheld/")
    assert seen[1][2]["X-Forwarded-For"] == "10.0.0.1"
    assert seen[2][2]["content-length"] == "0"


def test_secrets_are_filled_in_only_for_sending(session_of: Callable[..., Any]) -> None:
    seen: list[tuple[str, str]] = []

    def answer(method: str, path: str, headers: Any) -> Any:
        seen.append((path, headers.get("authorization", "")))
        return 200, HTML, b"your token is s3cret/value+1"

    with web(answer) as port:
        session = session_of(endpoints=[endpoint("www", port, scheme="http")])
        placeholder = session.redactor.add("s3cret/value+1", "token")
        http = session.probe(Http)
        with session.recording("t") as recorder:
            got = http.get(url(port, f"/x?t={placeholder}"), headers={"authorization": f"Bearer {placeholder}"})
    assert seen == [("/x?t=s3cret%2Fvalue%2B1", "Bearer s3cret/value+1")]
    assert got.text == "your token is [redacted:token]"
    assert "s3cret" not in str(recorder.observations)


def test_out_of_scope_is_not_contacted(session_of: Callable[..., Any]) -> None:
    called: list[str] = []
    with web(lambda method, path, headers: called.append(path) or (200, HTML, b"")) as port:
        client = client_of(session_of, free_port())
        with pytest.raises(OutOfScope):
            client.send("GET", f"http://127.0.0.1:{port}/")
        with pytest.raises(OutOfScope):
            client.send("GET", url(port))
    assert called == []


def test_redirects_are_not_followed_by_the_client_and_only_in_scope_by_the_probe(
    session_of: Callable[..., Any],
) -> None:
    pages = {
        "/a": (302, {"Location": "/b"}, b""),
        "/b": (200, HTML, b"here"),
        "/out": (302, {"Location": "https://elsewhere.example.com/"}, b""),
        "/loop": (301, {"Location": "/loop"}, b""),
    }
    with web(pages) as port:
        session = session_of(endpoints=[endpoint("www", port, scheme="http")])
        http = session.probe(Http)
        assert http.get(url(port, "/a")).status == 302
        assert [answer.status for answer in http.follow_redirects(url(port, "/a"))] == [302, 200]
        assert [answer.status for answer in http.follow_redirects(url(port, "/out"))] == [302]
        with pytest.raises(Unobservable, match="redirect loop"):
            http.follow_redirects(url(port, "/loop"))
    numbers = iter(range(10000))
    with web(lambda method, path, headers: (302, {"Location": f"/{next(numbers)}x"}, b"")) as port:
        session = session_of(endpoints=[endpoint("www", port, scheme="http")])
        with pytest.raises(Unobservable, match="more than 5 redirects"):
            session.probe(Http).follow_redirects(url(port))


def test_connections_are_kept_and_a_stale_one_is_replaced(session_of: Callable[..., Any]) -> None:
    """A server that closes after every answer without saying so must not make a look fail."""

    def once(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        # The next request on this connection is read and answered by nothing.
        connection.recv(65536)

    with raw(once) as port:
        client = client_of(session_of, port)
        assert [client.send("GET", url(port)).text for _ in range(3)] == ["ok"] * 3


def test_unsafe_requests_are_never_sent_twice(session_of: Callable[..., Any]) -> None:
    posts: list[bytes] = []

    def once(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        posts.append(connection.recv(65536))

    with raw(once) as port:
        client = client_of(session_of, port)
        client.send("GET", url(port))
        with pytest.raises(NoHttpAnswer):
            client.send("POST", url(port), content=b"x")
    assert len(posts) == 1


def test_refusal_is_told_from_silence(session_of: Callable[..., Any]) -> None:
    port = free_port()
    with pytest.raises(Refused, match=r"connection refused by www \(www.rivet.example:\d+\)"):
        client_of(session_of, port).send("GET", url(port))
    with raw(lambda connection, stop: stop.wait(20)) as port, pytest.raises(TimedOut, match=r"within 0\.5 s"):
        client_of(session_of, port).send("GET", url(port), deadline_seconds=0.5)


def test_unresolvable_name_is_no_refusal_to_an_attempt(session_of: Callable[..., Any]) -> None:
    session = session_of(endpoints=[{"name": "www", "url": "http://no-such-host.invalid:80"}], timeout_seconds=5)
    with pytest.raises(Unobservable):
        session.probe(Http).attempt("GET", "http://no-such-host.invalid/")


def drip_header(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.wait(0.02):
        connection.sendall(b"X")


def drip_body(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not stop.wait(0.02):
        connection.sendall(b"X")


def drip_handshake(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while not stop.wait(0.02):
        connection.sendall(b"\x02")


def interim_for_ever(connection: socket.socket, stop: threading.Event) -> None:
    while not stop.is_set():
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)


def header_flood(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.is_set():
        connection.sendall(b"X-Flood: 1\r\n" * 1000)


def endless_body(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"X" * 65536)


def garbage(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(bytes(range(256)) * 10)


def cut_off(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")


def bad_gzip(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")


def bomb(connection: socket.socket, stop: threading.Event) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(40)) + packer.flush()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (drip_header, "within"),
        (drip_body, "within"),
        (interim_for_ever, "within|larger than"),
        (header_flood, "no HTTP answer|larger than"),
        (endless_body, "the body is larger than 5 MiB"),
        (garbage, "no HTTP answer"),
        (cut_off, "ended early"),
        (bad_gzip, "damaged"),
        (bomb, "larger than 20 MiB when decompressed"),
    ],
)
def test_hostile_servers_are_unobservable(session_of: Callable[..., Any], behave: Any, reason: str) -> None:
    with raw(behave) as port, pytest.raises(Unobservable, match=reason):
        client_of(session_of, port, timeout_seconds=2).send("GET", url(port))


def test_dripped_handshake_ends_with_the_deadline(session_of: Callable[..., Any]) -> None:
    with raw(drip_handshake) as port, pytest.raises(TimedOut):
        client_of(session_of, port, "https", timeout_seconds=1).send("GET", url(port, scheme="https"))


@pytest.mark.parametrize("behave", [drip_body, endless_body, cut_off, bad_gzip, bomb])
def test_beginning_is_enough_where_only_that_was_asked_for(session_of: Callable[..., Any], behave: Any) -> None:
    """A server that serves content and then misbehaves has still served content."""
    with raw(behave) as port:
        answer = client_of(session_of, port, timeout_seconds=2).send("GET", url(port), whole=False)
    assert answer.status == 200
    assert answer.truncated


def test_encodings_are_undone(session_of: Callable[..., Any]) -> None:
    text = b"All of it, to the end."
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    pages = {
        "/gzip": (200, {**HTML, "Content-Encoding": "gzip"}, gzip.compress(text)),
        "/members": (200, {**HTML, "Content-Encoding": "gzip"}, gzip.compress(text[:10]) + gzip.compress(text[10:])),
        "/zlib": (200, {**HTML, "Content-Encoding": "deflate"}, zlib.compress(text)),
        "/raw": (200, {**HTML, "Content-Encoding": "deflate"}, packed.compress(text) + packed.flush()),
        "/cut": (200, {**HTML, "Content-Encoding": "gzip"}, gzip.compress(text)[:-9]),
        "/br": (200, {**HTML, "Content-Encoding": "br"}, b"\x0b\x02\x80abc\x03"),
    }
    with web(pages) as port:
        client = client_of(session_of, port)
        for path in ("/gzip", "/members", "/zlib", "/raw"):
            assert client.send("GET", url(port, path)).text == text.decode(), path
        with pytest.raises(Unobservable, match="ends early"):
            client.send("GET", url(port, "/cut"))
        with pytest.raises(Unobservable, match="encoded as br"):
            client.send("GET", url(port, "/br"))
        assert client.send("HEAD", url(port, "/gzip")).size == 0


def test_certificates_are_verified_against_the_targets_ca(session_of: Callable[..., Any], tmp_path: Any) -> None:
    pki = Pki(tmp_path)
    right, wrong = server_context(pki.issue("www.rivet.example")), server_context(pki.issue("www.other.example"))
    with web({"/": (200, HTML, b"x")}, right) as port, web({"/": (200, HTML, b"x")}, wrong) as other:
        session = session_of(endpoints=[endpoint("www", port), endpoint("b", other)], ca="ca.pem")
        client = HttpClient(session)
        assert client.send("GET", url(port, scheme="https")).status == 200
        with pytest.raises(Unobservable, match=r"certificate of b .* is not accepted: Hostname mismatch"):
            client.send("GET", url(other, scheme="https"))
        assert client.send("GET", url(other, scheme="https"), verify=False).status == 200
        client.close()
        stranger = session_of(endpoints=[endpoint("www", port)])
        with pytest.raises(Unobservable, match="not accepted"):
            stranger.probe(Http).get(url(port, scheme="https"))


def test_attempt_tells_what_a_door_does(session_of: Callable[..., Any], tmp_path: Any) -> None:
    context = server_context(Pki(tmp_path).issue("www.rivet.example"))
    port = free_port()
    assert (
        session_of(endpoints=[endpoint("www", port, scheme="http")]).probe(Http).attempt("GET", url(port)).outcome
        is Outcome.REFUSED
    )
    for behave, outcome in (
        (garbage, Outcome.NOT_HTTP),
        (lambda connection, stop: connection.recv(65536), Outcome.CLOSED),
        (
            lambda connection, stop: connection.recv(65536) and connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46"),
            Outcome.TLS_ALERT,
        ),
        (cut_off, Outcome.ANSWERED),
    ):
        with raw(behave) as port:
            http = session_of(endpoints=[endpoint("www", port, scheme="http")], timeout_seconds=3).probe(Http)
            assert http.attempt("GET", url(port)).outcome is outcome
    with web({}, context) as port:
        http = session_of(endpoints=[endpoint("www", port)], timeout_seconds=3).probe(Http)
        assert http.attempt("GET", url(port)).outcome in {Outcome.CLOSED, Outcome.TLS_ALERT}


def test_what_cannot_be_sent_is_said(session_of: Callable[..., Any]) -> None:
    with web({}) as port:
        client = client_of(session_of, port)
        for bad in ("ftp://www.rivet.example/", "http://[::1", f"http://u:p@www.rivet.example:{port}/", "http:///x"):
            with pytest.raises(Unobservable):
                client.send("GET", bad)
        for headers in ({"x": "a\r\nb: c"}, {"x y": "z"}, {"x": "€"}):
            with pytest.raises(Unobservable, match="cannot be sent"):
                client.send("GET", url(port), headers=headers)


def test_large_body_within_the_limit_is_whole(session_of: Callable[..., Any]) -> None:
    with web({"/": (200, HTML, b"x" * MAX_BODY)}) as port:
        assert client_of(session_of, port).send("GET", url(port)).size == MAX_BODY


def test_threads_share_a_client(session_of: Callable[..., Any]) -> None:
    with web({"/": (200, HTML, b"ok")}) as port:
        client = client_of(session_of, port)
        got: list[int] = []
        threads = [threading.Thread(target=lambda: got.append(client.send("GET", url(port)).status)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [200] * 20
