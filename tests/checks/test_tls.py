"""The checks of TLS against real servers that keep and that break the promise."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from upheld.model import Finding, NotObserved
from upheld.probes.clock import Clock
from upheld.probes.tls import Tls, TlsVersion

from ..loopback import Pki, endpoint, free_port, load_checks, raw, server_context, web

checks = load_checks("tls")
PAGES = {"/": (200, {"Content-Type": "text/plain"}, b"hello\n")}


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@contextlib.contextmanager
def servers(*contexts: ssl.SSLContext) -> Iterator[list[int]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(web(PAGES, context)) for context in contexts]


def audit(session: Any, check: Any, *more: Any, **parameters: Any) -> list[Finding | NotObserved]:
    with session.recording("t") as recorder:
        found = list(check(session.probe(Tls), *more, **parameters))
    assert recorder.observations
    return found


def failed(found: list[Any]) -> list[str]:
    return [str(one.subject) for one in found if isinstance(one, Finding) and not one.passed]


def test_one_of_several_ports_accepts_tls_1_0(session_of: Callable[..., Any], pki: Pki) -> None:
    pem = pki.issue("www.rivet.example")
    old = server_context(pem, minimum=ssl.TLSVersion.TLSv1)
    with servers(server_context(pem), old) as (good, bad):
        session = session_of(
            endpoints=[endpoint("www", good), endpoint("status", bad)], ca="ca.pem", timeout_seconds=10
        )
        found = audit(session, checks.refuses_old_versions)
        assert not [one for one in found if isinstance(one, NotObserved)], found
        assert len(found) == 8
        assert failed(found) == [f"status (www.rivet.example:{bad}) {v}" for v in ("TLS 1.0", "TLS 1.1")]
        assert "accepts TLS 1.0 with TLS_" in next(one.observed for one in found if not one.passed)
        stricter = audit(session, checks.refuses_old_versions, minimum=TlsVersion.TLS_1_3)
        assert len([one for one in failed(stricter) if one.endswith("TLS 1.2")]) == 2
        assert failed(audit(session, checks.accepts_current_versions)) == []


def test_only_old_versions_is_refuted_not_inconclusive(session_of: Callable[..., Any], pki: Pki) -> None:
    context = server_context(
        pki.issue("www.rivet.example"), minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1_1
    )
    with servers(context) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        assert len(failed(audit(session, checks.accepts_current_versions))) == 1
        assert len(failed(audit(session, checks.refuses_old_versions))) == 2
        # Its certificate can be judged all the same.
        assert failed(audit(session, checks.certificates_are_valid, session.probe(Clock))) == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_current_version_is_enough(session_of: Callable[..., Any], pki: Pki, version: ssl.TLSVersion) -> None:
    with servers(server_context(pki.issue("www.rivet.example"), minimum=version, maximum=version)) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        (found,) = audit(session, checks.accepts_current_versions)
    assert isinstance(found, Finding)
    assert found.passed, found.observed


def test_configuration_that_names_tls_1_0_but_cannot_speak_it_is_judged_by_behaviour(
    session_of: Callable[..., Any], pki: Pki
) -> None:
    """At the library's usual security level the old versions have no cipher left, whatever the configuration names."""
    context = server_context(pki.issue("www.rivet.example"))
    context.minimum_version = ssl.TLSVersion.TLSv1
    with servers(context) as (port,):
        found = audit(session_of(endpoints=[endpoint("www", port)], ca="ca.pem"), checks.refuses_old_versions)
        reached = TlsVersion.TLS_1_0 if failed(found) else None
        with socket.create_connection(("127.0.0.1", port)) as sock:
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
            client.set_ciphers("ALL:@SECLEVEL=0")
            client.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1
            try:
                client.wrap_socket(sock).close()
                expected = TlsVersion.TLS_1_0
            except OSError:
                expected = None
    assert reached == expected


def test_the_instrument_really_offers_every_version(session_of: Callable[..., Any]) -> None:
    tls = session_of(endpoints=[]).probe(Tls)
    assert {version: tls.offered(version) for version in TlsVersion} == dict.fromkeys(TlsVersion, True)


def test_refusal_does_not_count_when_the_instrument_could_not_offer(
    session_of: Callable[..., Any], pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers(server_context(pki.issue("www.rivet.example"))) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        tls = session.probe(Tls)
        assert tls.offered(TlsVersion.TLS_1_0)
        tls._results[""]["offered"]["TLS 1.0"] = False
        tls._results[""]["offered"]["TLS 1.1"] = "the listener could not be opened"
        found = audit(session, checks.refuses_old_versions)
    reasons = {str(one.subject)[-7:]: one.reason for one in found if isinstance(one, NotObserved)}
    assert set(reasons) == {"TLS 1.0", "TLS 1.1"}
    assert "says nothing" in reasons["TLS 1.0"]


def test_time_outs_that_sslyze_files_under_refusals_are_none(session_of: Callable[..., Any], pki: Pki) -> None:
    with servers(server_context(pki.issue("www.rivet.example"))) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        tls = session.probe(Tls)
        tls.offered(TlsVersion.TLS_1_0)
        (place,) = [key for key in tls._results if key]
        tls._results[place]["versions"]["TLS 1.0"]["late"] = 3
        found = audit(session, checks.refuses_old_versions)
    (one,) = [one for one in found if isinstance(one, NotObserved)]
    assert "3 of the TLS 1.0 handshakes" in one.reason


@pytest.mark.parametrize("minimum", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2])
def test_a_server_without_any_certificate_passes_nothing(
    session_of: Callable[..., Any], pki: Pki, minimum: ssl.TLSVersion
) -> None:
    """With anonymous ciphers only, which no ordinary client offers, the instrument's refusal is its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ADH:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = minimum, ssl.TLSVersion.TLSv1_2
    with servers(context) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem", timeout_seconds=5)
        for check, more in (
            (checks.refuses_old_versions, ()),
            (checks.accepts_current_versions, ()),
            (checks.certificates_are_valid, (session.probe(Clock),)),
        ):
            found = audit(session, check, *more)
            assert found
            assert not [one for one in found if isinstance(one, Finding) and one.passed], found


def test_an_authority_that_was_made_by_hand_is_no_defect_of_the_certificate(
    session_of: Callable[..., Any], tmp_path: Path
) -> None:
    """Strict verifiers refuse an authority whose basic constraints are not critical; that is not what is in question."""
    with servers(server_context(Pki(tmp_path, strict=False).issue("www.rivet.example"))) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        (found,) = audit(session, checks.certificates_are_valid, session.probe(Clock))
    assert isinstance(found, Finding)
    assert found.passed, found.observed


def drip(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while not stop.wait(0.2):
        connection.sendall(b"\x02")


def test_unreachable_silent_and_dripping_endpoints_are_not_observed_and_the_others_still_judged(
    session_of: Callable[..., Any], pki: Pki
) -> None:
    def garbage(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nno TLS here")

    with (
        servers(server_context(pki.issue("www.rivet.example"))) as (good,),
        raw(drip) as dripping,
        raw(lambda connection, stop: stop.wait(60)) as silent,
        raw(garbage) as other,
    ):
        names = {"good": good, "closed": free_port(), "dripping": dripping, "silent": silent, "garbage": other}
        session = session_of(
            endpoints=[endpoint(name, port) for name, port in names.items()], ca="ca.pem", timeout_seconds=2
        )
        for check, more in (
            (checks.refuses_old_versions, ()),
            (checks.accepts_current_versions, ()),
            (checks.certificates_are_valid, (session.probe(Clock),)),
        ):
            found = audit(session, check, *more)
            assert {str(one.subject).split()[0] for one in found if isinstance(one, Finding)} == {"good"}
            assert {str(one.subject).split()[0] for one in found if isinstance(one, NotObserved)} == set(names) - {
                "good"
            }
            assert failed(found) == []


def test_missing_sslyze_is_said(
    session_of: Callable[..., Any], pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sslyze.py").write_text("raise ImportError('broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = audit(session_of(endpoints=[endpoint("www", free_port())]), checks.refuses_old_versions)
    assert all(isinstance(one, NotObserved) and "pip install sslyze" in one.reason for one in found)


@pytest.mark.parametrize(
    ("issue", "defect"),
    [
        ({"names": ["www.rivet.example"]}, ""),
        ({"names": ["*.rivet.example"]}, ""),
        ({"names": ["www.rivet.example"], "kind": "rsa"}, ""),
        ({"names": ["www.rivet.example"], "days": -2, "age_days": 30}, "expired on"),
        ({"names": ["www.rivet.example"], "age_days": -2}, "not valid before"),
        ({"names": ["www.other.example"]}, "not for www.rivet.example"),
        ({"names": ["*.example"]}, "not for www.rivet.example"),
        ({"names": ["www.rivet.example"], "self_signed": True}, "does not verify (self-signed certificate"),
        ({"names": ["www.rivet.example"], "days": 10}, "in 9 days"),
    ],
)
def test_certificates(session_of: Callable[..., Any], pki: Pki, issue: dict[str, Any], defect: str) -> None:
    pem = pki.issue(*issue.pop("names"), **issue)
    with servers(server_context(pem)) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        (found,) = audit(session, checks.certificates_are_valid, session.probe(Clock), minimum_days_left=14)
    assert isinstance(found, Finding)
    assert found.passed is not bool(defect), found.observed
    assert defect.replace("self-signed", "self") in found.observed.replace("self-signed", "self").replace(
        "self signed", "self"
    )


def test_second_certificate_shown_only_to_rsa_clients_is_found(session_of: Callable[..., Any], pki: Pki) -> None:
    context = server_context(
        pki.issue("www.rivet.example"), pki.issue("www.rivet.example", kind="rsa", days=-2, age_days=30)
    )
    with servers(context) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        found = audit(session, checks.certificates_are_valid, session.probe(Clock))
        assert len(found) == 2
        assert len(failed(found)) == 1
        assert "RSA 2048" in failed(found)[0]
        assert session.probe(Tls).certificate(session.target.endpoints[0]).chain_verified


def test_unknown_authority_and_none_at_all(session_of: Callable[..., Any], pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Pki(tmp_path / "other").issue("www.rivet.example")
    with servers(server_context(stranger)) as (port,):
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
        (found,) = audit(session, checks.certificates_are_valid, session.probe(Clock))
        assert "chain does not verify" in found.observed
        session = session_of(endpoints=[endpoint("www", port)], ca="missing.pem")
        (found,) = audit(session, checks.certificates_are_valid, session.probe(Clock))
        assert isinstance(found, NotObserved)
