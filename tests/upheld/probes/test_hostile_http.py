"""HTTP and TLS from servers that lie about lengths, chunks and themselves: each answer is whole or Unobservable, within the budget."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from upheld.errors import TimedOut, Unobservable
from upheld.probes.base import plain
from upheld.probes.http import Http
from upheld.probes.http_client import Answer, HttpClient, NoHttpAnswer
from upheld.probes.tls import Tls, TlsVersion

from ...loopback import Pki, endpoint, raw, server_context, web

SECONDS = 2.0
Behave = Callable[[socket.socket, threading.Event], None]


def client_of(session_of: Callable[..., Any], port: int, scheme: str = "http", **parts: Any) -> HttpClient:
    session = session_of(endpoints=[endpoint("www", port, scheme=scheme)], timeout_seconds=SECONDS, **parts)
    probe = session.probe(Http)
    assert isinstance(probe, Http)
    return probe.client


def get(session_of: Callable[..., Any], behave: Behave, **options: Any) -> Answer:
    with raw(behave) as port:
        return client_of(session_of, port).send("GET", f"http://www.rivet.example:{port}/", **options)


def says(*pieces: bytes, reset: bool = False, hold: bool = False) -> Behave:
    """A server that reads a request, sends these pieces, and closes, resets or holds the connection."""

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
        if hold:
            stop.wait(20)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def deflated(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 15)
    return b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(megabytes)) + packer.flush()


def encoded(name: bytes, body: bytes) -> bytes:
    return OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (name, len(body)) + body


LIES: dict[str, tuple[Behave, str]] = {
    "a length that is too long": (says(OK + b"Content-Length: 100\r\n\r\nshort"), "ended early"),
    "a negative length": (says(OK + b"Content-Length: -1\r\n\r\nx"), "no HTTP answer"),
    "a length that is no number": (says(OK + b"Content-Length: 0x10\r\n\r\nx"), "no HTTP answer"),
    "two lengths": (says(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy"), "no HTTP answer"),
    "a length beyond all": (says(OK + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\nx"), "no HTTP answer|ended early"),
    "a length of exabytes, and silence": (
        says(OK + b"Content-Length: 9999999999999999999\r\n\r\nx", hold=True),
        "within",
    ),
    "a chunk with no size": (says(CHUNKED + b"\r\nx\r\n0\r\n\r\n"), "ended early"),
    "a chunk of a negative size": (says(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"), "ended early"),
    "a chunk that is longer than it says": (says(CHUNKED + b"2\r\nhello\r\n0\r\n\r\n"), "ended early"),
    "a chunk that is shorter than it says": (says(CHUNKED + b"ff\r\nhello\r\n"), "ended early"),
    "a chunk of exabytes": (says(CHUNKED + b"f" * 19 + b"\r\nx"), "ended early"),
    "a chunk's extension without end": (says(CHUNKED + b"1;" + b"a" * 2_000_000), "ended early|larger than"),
    "no last chunk": (says(CHUNKED + b"5\r\nhello\r\n"), "ended early"),
    "trailers without end": (says(CHUNKED + b"0\r\n" + b"X: 1\r\n" * 400_000), "ended early|larger than"),
    "a reset in mid body": (says(OK + b"Content-Length: 100\r\n\r\nhalf", reset=True), "ended early"),
    "a reset in mid header": (says(b"HTTP/1.1 200", reset=True), "no HTTP answer"),
    "a status beyond all": (says(b"HTTP/1.1 99999999 OK\r\n\r\n"), "no HTTP answer"),
    "NUL in a header": (says(OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"), "no HTTP answer"),
    "one line of a header without end": (says(OK + b"X: " + b"a" * 9_000_000), "no HTTP answer|larger than"),
    "a switch of protocols": (says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", hold=True), "within|no "),
    "interim answers one by one": (
        says(*[b"HTTP/1.1 102 Processing\r\n\r\n"] * 20_000, hold=True),
        "within|larger than",
    ),
    "a deflate bomb": (says(encoded(b"deflate", deflated(60))), "larger than 20 MiB when decompressed"),
    "a bomb within a bomb": (
        says(encoded(b"gzip, gzip", zlib.compress(zlib.compress(bytes(50_000_000)), 9))),
        "decompressed|damaged",
    ),
    "brotli": (says(encoded(b"br", b"\x0b\x02\x80abc\x03" * 1_000)), "encoded as br, which was not asked for"),
    "zstd": (says(encoded(b"zstd", b"\x28\xb5\x2f\xfd\x00")), "encoded as zstd, which was not asked for"),
    "a hundred encodings": (says(encoded(b", ".join([b"gzip"] * 100), b"x")), "encoded 100 times over"),
    "an encoding with a hostile name": (says(encoded(b"\x1b[31mred", b"x")), "no HTTP answer|which was not asked for"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_unobservable(session_of: Callable[..., Any], name: str) -> None:
    behave, reason = LIES[name]
    with pytest.raises(Unobservable, match=reason) as caught:
        get(session_of, behave)
    assert len(caught.value.reason) < 400


@pytest.mark.parametrize("hold", [False, True])
def test_what_is_beyond_the_declared_length_is_not_of_the_answer(session_of: Callable[..., Any], hold: bool) -> None:
    """A second answer smuggled behind the first is never taken for that of the next request, whether the server closes or not."""
    smuggled = OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 5\r\n\r\nwrong"
    with raw(says(smuggled, hold=hold)) as port:
        client = client_of(session_of, port)
        url = f"http://www.rivet.example:{port}/"
        assert [client.send("GET", url).text for _ in range(3)] == ["ok"] * 3


def test_a_connection_whose_answers_end_where_they_say_is_used_again(session_of: Callable[..., Any]) -> None:
    taken: list[int] = []

    def behave(connection: socket.socket, _stop: threading.Event) -> None:
        taken.append(1)
        while connection.recv(65536):
            connection.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    with raw(behave) as port:
        client = client_of(session_of, port)
        assert [client.send("GET", f"http://www.rivet.example:{port}/").text for _ in range(3)] == ["ok"] * 3
    assert len(taken) == 1


def test_numbers_and_depths_of_json_are_bounded(session_of: Callable[..., Any]) -> None:
    pages = {
        "/deep": b"[" * 100_000,
        "/long": b"9" * 10_000,
        "/nan": b'{"a": NaN}',
        "/inf": b'{"a": -Infinity}',
        "/big": b'{"a": 1e999}',
    }
    with web({path: (200, {"Content-Type": "application/json"}, body) for path, body in pages.items()}) as port:
        client = client_of(session_of, port)
        for path in ("/deep", "/long", "/nan", "/inf"):
            with pytest.raises(Unobservable, match="no JSON"):
                client.send("GET", f"http://www.rivet.example:{port}{path}").json()
        big = client.send("GET", f"http://www.rivet.example:{port}/big").json()
    assert not math.isfinite(big["a"])
    assert json.dumps(plain(big), allow_nan=False) == '{"a": "inf"}'


def test_redirects_in_circles_and_to_nowhere_end(session_of: Callable[..., Any]) -> None:
    odd = ["/a?" + "x" * 60_000, "http://[", "//", "\x7f", "?", "javascript:alert(1)", "file:///etc/passwd", "http:///"]
    for location in odd:
        with web(lambda _m, _p, _h, to=location: (302, {"Location": to}, b"")) as port:
            session = session_of(endpoints=[endpoint("www", port, scheme="http")], timeout_seconds=SECONDS)
            http = session.probe(Http)
            with contextlib.suppress(Unobservable):
                assert http.follow_redirects(f"http://www.rivet.example:{port}/")[0].status == 302


# --- TLS -------------------------------------------------------------------------------------------------------------------


ALERT = b"\x15\x03\x03\x00\x02\x02"


def alert_after(receives: int) -> Behave:
    def behave(connection: socket.socket, _: threading.Event) -> None:
        for _ in range(receives):
            connection.recv(65536)
        connection.sendall(ALERT + b"\x28")

    return behave


def half_a_handshake(context: ssl.SSLContext) -> Behave:
    """Answers the ClientHello truly, and then with an alert in clear."""

    def behave(connection: socket.socket, _: threading.Event) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        connection.sendall(outgoing.read())
        connection.recv(65536)
        connection.sendall(ALERT + b"\x50")

    return behave


def alert_instead_of_an_answer(context: ssl.SSLContext) -> Behave:
    def behave(connection: socket.socket, _: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(65536)
            tls.unwrap()

    return behave


def plain_http(connection: socket.socket, _: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def silent(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    stop.wait(20)


def records_without_end(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    while not stop.is_set():
        connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x00" * 16384)


def test_tls_that_breaks_off_at_any_stage_is_unobservable(session_of: Callable[..., Any], tmp_path: Path) -> None:
    context = server_context(Pki(tmp_path).issue("www.rivet.example"))
    behaviours: list[tuple[Behave, type[Unobservable]]] = [
        (alert_after(0), Unobservable),
        (alert_after(1), Unobservable),
        (half_a_handshake(context), Unobservable),
        (alert_instead_of_an_answer(context), NoHttpAnswer),
        (plain_http, Unobservable),
        (silent, TimedOut),
        (records_without_end, Unobservable),
    ]
    for behave, kind in behaviours:
        with raw(behave) as port:
            client = client_of(session_of, port, "https", ca="ca.pem")
            with pytest.raises(kind) as caught:
                client.send("GET", f"https://www.rivet.example:{port}/")
            assert len(caught.value.reason) < 400


HOSTILE_NAMES = (
    "\x1b[31mred.example",
    "<script>alert(1)</script>.example",
    "a\0.rivet.example",
    "www.rivet.example\r\nX: y",
    "x" * 3_000,
)


def issue(pki: Pki, names: list[str], *, chain: int = 0, padding: int = 0) -> Path:
    """A certificate with any names, in subject and issuer too, and further certificates behind it."""
    file = pki.issue("www.rivet.example")
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    assert hasattr(key, "public_key")
    old = x509.load_pem_x509_certificate(file.read_bytes())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (names[0] or "x")[:64])])
    made = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=old.not_valid_before_utc,
        not_valid_after=old.not_valid_after_utc,
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    if padding:
        made = made.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x04\x82" + b"x" * padding), critical=False
        )
    signed = made.sign(pki.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    whole = pki.folder / f"{made._serial_number}.pem"  # type: ignore[attr-defined]
    whole.write_bytes(private + signed * (chain + 1))
    return whole


@contextmanager
def serving(file: Path) -> Iterator[int]:
    with web({"/": (200, {}, b"x")}, server_context(file)) as port:
        yield port


@pytest.mark.parametrize(
    ("names", "chain", "padding"),
    [
        *(([name], 0, 0) for name in HOSTILE_NAMES),
        ([f"n{number}.rivet.example" for number in range(10_000)], 0, 0),
        (["www.rivet.example"], 80, 60_000),
    ],
)
def test_hostile_certificates_are_described_or_unobservable(
    names: list[str], chain: int, padding: int, session_of: Callable[..., Any], tmp_path: Path
) -> None:
    with serving(issue(Pki(tmp_path), names, chain=chain, padding=padding)) as port:
        session = session_of(endpoints=[endpoint("www", port)], timeout_seconds=SECONDS, ca="ca.pem")
        tls, client = session.probe(Tls), HttpClient(session)
        assert isinstance(tls, Tls)
        with pytest.raises(Unobservable):
            client.send("GET", f"https://www.rivet.example:{port}/")
        client.close()
        (place,) = tls.endpoints()
        with contextlib.suppress(Unobservable):
            found = tls.certificates(place)
            # None of these names is the host's, whatever it looks like where it is cut or shown.
            assert not any(one.name_matches or one.chain_verified for one in found)
            assert len(json.dumps([one.names for one in found])) < 1_000_000
        with contextlib.suppress(Unobservable):
            assert not tls.handshake(place, TlsVersion.TLS_1_0).completed
