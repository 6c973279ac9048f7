"""Mutual TLS with a real MariaDB: strict, lax about certificates, lax about plain text, and without TLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from upheld.model import Finding, NotObserved
from upheld.probes.clock import Clock
from upheld.probes.internal import Internal

from ..loopback import Pki, load_checks
from ..mariadb import MariaDBServer, missing, running

checks = load_checks("internal")
HOST = "db.internal.example"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def encrypted(pki: Pki) -> Iterator[MariaDBServer]:
    if missing():
        pytest.skip(missing())
    accounts = [
        f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'of-a-test' REQUIRE {how}"
        for name, how in (("strict", "X509"), ("lax", "SSL"))
    ]
    with running(statements=accounts, certificate=pki.issue(HOST), authority=pki.ca) as server:
        yield server


@pytest.fixture
def internal(pki: Pki, session_of: Callable[..., Any]) -> Callable[..., Any]:
    def session(port: int, user: str) -> Any:
        right, expired = pki.issue("api.internal.example"), pki.issue("api.internal.example", days=-1, age_days=30)

        def client(name: str, pem: Path) -> dict[str, str]:
            return {"name": name, "certificate": str(pem), "key": f"file:{pem}"}

        service = {"name": "database", "host": HOST, "port": port, "address": "127.0.0.1", "protocol": "mysql"}
        service |= {"user": user, "password": "env:P", "client": client("api", right)}
        refused = [{**client("old", expired), "kind": "expired"}]
        described = {"ca": str(pki.ca), "services": [service], "refused": refused}
        return session_of(secret_values={"P": "of-a-test"}, internal=described)

    return session


def judged(found: Any) -> dict[str, bool | str]:
    """What was found of each subject: passed or not, or the reason why that was not seen."""
    return {
        one.subject.rpartition(", ")[2]: one.passed if isinstance(one, Finding) else one.reason
        for one in found
        if isinstance(one, Finding | NotObserved)
    }


def callers(session: Any) -> dict[str, bool | str]:
    return judged(checks.only_certified_callers_come_in(session.probe(Internal), session.probe(Clock)))


def test_an_account_that_asks_for_a_certificate_holds(encrypted: MariaDBServer, internal: Callable[..., Any]) -> None:
    found = callers(internal(encrypted.port, "strict"))
    assert set(found.values()) == {True}
    assert len(found) == 4


def test_an_account_that_asks_for_encryption_only_lets_everybody_in(
    encrypted: MariaDBServer, internal: Callable[..., Any]
) -> None:
    found = callers(internal(encrypted.port, "lax"))
    assert found["right certificate"] is True
    assert found["no certificate"] is False


def test_an_account_that_is_not_let_in_at_all_shows_nothing(
    encrypted: MariaDBServer, internal: Callable[..., Any]
) -> None:
    found = callers(internal(encrypted.port, "nobody"))
    assert all("the right certificate is refused too" in str(one) for one in found.values())


def test_plain_text_is_refused_only_by_a_server_that_takes_nothing_else(
    encrypted: MariaDBServer, internal: Callable[..., Any]
) -> None:
    session = internal(encrypted.port, "strict")
    assert judged(checks.nothing_is_spoken_in_the_clear(session.probe(Internal))) == {"plain text": False}
    connection = encrypted.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL require_secure_transport = ON")
        try:
            session = internal(encrypted.port, "strict")
            assert judged(checks.nothing_is_spoken_in_the_clear(session.probe(Internal))) == {"plain text": True}
        finally:
            cursor.execute("SET GLOBAL require_secure_transport = OFF")


def test_a_server_without_tls_is_refuted_and_its_certificates_are_not_seen(
    mariadb: MariaDBServer, internal: Callable[..., Any]
) -> None:
    session = internal(mariadb.port, "strict")
    assert judged(checks.nothing_is_spoken_in_the_clear(session.probe(Internal))) == {"plain text": False}
    assert all("offers no TLS" in str(one) for one in callers(session).values())


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xff\xff\xff", b"\x05\0\0\0\x0a5.5"])
def test_what_is_no_mysql_is_not_judged(internal: Callable[..., Any], said: bytes) -> None:
    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        session = internal(listener.getsockname()[1], "strict")
        found = [
            *judged(checks.nothing_is_spoken_in_the_clear(session.probe(Internal))).values(),
            *callers(session).values(),
        ]
        assert all(isinstance(one, str) for one in found)
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
