"""The checks of internal services against real TLS servers: strict, lax in each way, and out of reach."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from upheld.model import Finding, NotObserved
from upheld.probes.clock import Clock
from upheld.probes.internal import Internal

from ..loopback import Page, Pki, free_port, load_checks, raw, server_context, web

checks = load_checks("internal")
HOST = "vault.internal.example"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def client(name: str, pem: Path) -> dict[str, str]:
    return {"name": name, "certificate": pem.name, "key": f"file:{pem.name}"}


def target(pki: Pki, port: int, *, expired_days: int = -1, **service: Any) -> dict[str, Any]:
    right = pki.issue("api.internal.example")
    expired = pki.issue("api.internal.example", days=expired_days, age_days=30)
    return {
        "ca": "ca.pem",
        "services": [
            {
                "name": "vault",
                "host": HOST,
                "port": port,
                "address": "127.0.0.1",
                "client": client("api", right),
                **service,
            }
        ],
        "refused": [{**client("old", expired), "kind": "expired"}],
    }


def mutual(pki: Pki, mode: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
    context = server_context(pki.issue(HOST))
    context.load_verify_locations(pki.ca)
    context.verify_mode = mode
    return context


def run(session_of: Callable[..., Any], described: dict[str, Any]) -> list[Any]:
    session = session_of(internal=described, timeout_seconds=3)
    internal = session.probe(Internal)
    with session.recording("t"):
        found = list(checks.only_certified_callers_come_in(internal, session.probe(Clock)))
        return found + list(checks.nothing_is_spoken_in_the_clear(internal))


def outcomes(found: list[Any]) -> dict[str, bool | str]:
    return {
        str(one.subject).partition(", ")[2]: one.passed if isinstance(one, Finding) else one.reason for one in found
    }


ALL = {
    "right certificate",
    "no certificate",
    "certificate of another authority",
    "expired certificate (old)",
    "plain text",
}
PAGES: dict[str, Page] = {"/": (200, {"Content-Type": "text/plain"}, b"hello\n")}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_service_that_asks_for_certificates(
    session_of: Callable[..., Any], pki: Pki, version: ssl.TLSVersion
) -> None:
    context = mutual(pki)
    context.minimum_version = context.maximum_version = version
    with web(PAGES, context) as port:
        assert outcomes(run(session_of, target(pki, port))) == dict.fromkeys(ALL, True)


def test_a_service_that_lets_everybody_in(session_of: Callable[..., Any], pki: Pki) -> None:
    with web(PAGES, server_context(pki.issue(HOST))) as port:
        found = outcomes(run(session_of, target(pki, port)))
    good = {"right certificate", "plain text"}
    assert found == dict.fromkeys(ALL - good, False) | dict.fromkeys(good, True)


def test_certificates_that_are_optional(session_of: Callable[..., Any], pki: Pki) -> None:
    with web(PAGES, mutual(pki, ssl.CERT_OPTIONAL)) as port:
        found = outcomes(run(session_of, target(pki, port)))
    assert [subject for subject, passed in found.items() if not passed] == ["no certificate"]


def test_a_proxy_that_completes_the_handshake_and_answers_400_refuses(session_of: Callable[..., Any], pki: Pki) -> None:
    """As nginx does; what it says to the right certificate shows that the answer is a refusal."""
    context = mutual(pki, ssl.CERT_OPTIONAL)

    def behave(connection: socket.socket, _stop: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            status = b"200 OK" if secure.getpeercert() else b"400 No required SSL certificate was sent"
            secure.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    with raw(behave) as port:
        assert outcomes(run(session_of, target(pki, port))) == dict.fromkeys(ALL, True)


def test_a_service_without_tls(session_of: Callable[..., Any], pki: Pki) -> None:
    with web(PAGES) as port:
        found = outcomes(run(session_of, target(pki, port)))
    assert found["plain text"] is False
    assert all(isinstance(found[subject], str) for subject in ALL - {"plain text"})


def test_one_that_refuses_everybody_shows_nothing(session_of: Callable[..., Any], pki: Pki) -> None:
    with web({"/": (403, {}, b"")}, mutual(pki)) as port:
        found = outcomes(run(session_of, target(pki, port)))
    assert all("right certificate" in str(reason) for reason in found.values())
    assert not [reason for reason in found.values() if isinstance(reason, bool)]


def test_what_is_down_shows_nothing(session_of: Callable[..., Any], pki: Pki) -> None:
    assert all("refused by" in str(one) for one in outcomes(run(session_of, target(pki, free_port()))).values())

    def silent(connection: socket.socket, stop: threading.Event) -> None:
        stop.wait(10)

    with raw(silent) as port:
        session = session_of(internal=target(pki, port), timeout_seconds=0.2)
        with session.recording("t"):
            found = list(checks.nothing_is_spoken_in_the_clear(session.probe(Internal)))
    assert isinstance(found[0], NotObserved)


def test_a_certificate_of_another_name_than_the_service_s_is_not_the_service(
    session_of: Callable[..., Any], pki: Pki
) -> None:
    with web(PAGES, server_context(pki.issue("elsewhere.example"))) as port:
        found = outcomes(run(session_of, target(pki, port)))
    assert "is not accepted" in str(found["right certificate"])


def test_an_expired_certificate_that_is_not_says_nothing(session_of: Callable[..., Any], pki: Pki) -> None:
    with web(PAGES, mutual(pki)) as port:
        described = target(pki, port, expired_days=5)
        assert "valid until" in str(outcomes(run(session_of, described))["expired certificate (old)"])
        found = outcomes(run(session_of, {**described, "refused": []}))
    assert found["expired certificate"] == "the target names no expired certificate"


@contextlib.contextmanager
def postgresql(context: ssl.SSLContext | None, *, asks: bool = False) -> Iterator[int]:
    """As much of PostgreSQL's protocol as a start-up needs: TLS at once, or after a request for it; or none."""

    def behave(connection: socket.socket, _stop: threading.Event) -> None:
        stream: Any = connection
        if asks and context is not None:
            first = connection.recv(8)
            if first != struct.pack("!II", 8, 80877103):
                fields = b"SFATAL\0C28000\0Mno encryption\0\0"
                connection.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
                return
            connection.sendall(b"S")
        if context is not None:
            stream = context.wrap_socket(connection, server_side=True)
        with stream:
            if stream.recv(4096):
                stream.sendall(b"R" + struct.pack("!II", 8, 3))

    with raw(behave) as port:
        yield port


@pytest.mark.parametrize("asks", [False, True])
def test_a_database(session_of: Callable[..., Any], pki: Pki, asks: bool) -> None:
    described = {"protocol": "postgresql", "user": "app", "database": "shop", "direct": not asks}
    with postgresql(mutual(pki), asks=asks) as port:
        assert outcomes(run(session_of, target(pki, port, **described))) == dict.fromkeys(ALL, True)
    with postgresql(None) as port:
        found = outcomes(run(session_of, target(pki, port, **described)))
    assert found["plain text"] is False


def test_the_made_up_certificate_has_the_names_of_the_right_one_and_none_of_its_keys(
    session_of: Callable[..., Any], pki: Pki
) -> None:
    session = session_of(internal=target(pki, 1))
    internal = session.probe(Internal)
    certificate, key = internal._impostor(internal._service("vault"))
    made = x509.load_pem_x509_certificate(certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["api.internal.example"]
    assert made.not_valid_after_utc > dt.datetime.now(dt.UTC)
    assert load_pem_private_key(key, None)
