"""TLS, certificates, redirects and Strict-Transport-Security, as they should be and as each sabotage makes them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from upheld_reference.deployment import Deployment

TLS_LISTENERS = ("www", "app", "api", "status", "graph")
TWO_YEARS = "max-age=63072000; includeSubDomains"

Handshake = Callable[..., str]
Request = Callable[..., httpx.Response]
Sabotaged = Callable[[str], Deployment]

# Naming the versions whose refusal is tested is what the warning is about.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion")


@pytest.mark.parametrize("listener", TLS_LISTENERS)
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(deployment: Deployment, handshake: Handshake, listener: str, version: str) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version|unsupported.protocol"):
        handshake(deployment, listener, ssl.TLSVersion[version])


@pytest.mark.parametrize("listener", TLS_LISTENERS)
@pytest.mark.parametrize(("version", "name"), [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")])
def test_current_versions_are_accepted_with_a_valid_certificate(
    deployment: Deployment, handshake: Handshake, listener: str, version: str, name: str
) -> None:
    assert handshake(deployment, listener, ssl.TLSVersion[version]) == name


def test_the_authority_satisfies_strict_verifiers(deployment: Deployment) -> None:
    authority = x509.load_pem_x509_certificate(Path(deployment.facts["ca_file"]).read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value.ca
    assert usage.critical
    assert usage.value.key_cert_sign


@pytest.mark.parametrize("listener", ["www", "app", "api", "status"])
@pytest.mark.parametrize("path", ["/", "/no-such-page"])
def test_every_answer_over_tls_has_the_security_headers(
    deployment: Deployment, request_of: Request, listener: str, path: str
) -> None:
    headers = request_of(deployment, listener, path).headers
    assert headers.get_list("strict-transport-security") == [TWO_YEARS]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"]


@pytest.mark.parametrize("path", ["/", "/security", "/a/b?x=1&y=2", "//other.example/", "/line%0d%0abreak"])
@pytest.mark.parametrize("method", ["GET", "POST", "TRACE"])
@pytest.mark.parametrize("listener", ["www", "app", "status"])
def test_plain_http_only_redirects_to_https(
    deployment: Deployment, request_of: Request, listener: str, path: str, method: str
) -> None:
    answer = request_of(deployment, f"{listener}-http", path, method)
    assert answer.status_code == 308
    assert answer.headers["location"].lower() == deployment.facts["listeners"][listener]["url"] + path
    assert "strict-transport-security" not in answer.headers
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/", "/v1/me", "/openapi.json", "//other.example/", "/line%0d%0abreak"])
@pytest.mark.parametrize("method", ["GET", "POST", "TRACE"])
def test_programs_are_refused_in_plain_http(
    deployment: Deployment, request_of: Request, path: str, method: str
) -> None:
    answer = request_of(deployment, "api-http", path, method)
    assert (answer.status_code, answer.content) == (403, b"")
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("sabotage", "accepted"),
    [("tls_1_0_on_one_port", {"TLSv1", "TLSv1.1"}), ("tls_1_1_on_one_port", {"TLSv1.1"})],
)
def test_an_old_version_is_accepted_on_one_port_only(
    sabotaged: Sabotaged, handshake: Handshake, sabotage: str, accepted: set[str]
) -> None:
    seen: dict[str, set[str]] = {listener: set() for listener in TLS_LISTENERS}
    for listener in TLS_LISTENERS:
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            try:
                seen[listener].add(handshake(sabotaged(sabotage), listener, version))
            except ssl.SSLError:
                continue
    assert seen == {"www": set(), "app": set(), "api": set(), "status": accepted, "graph": set()}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        ("certificate_expired", "certificate has expired"),
        ("certificate_wrong_name", "Hostname mismatch"),
        ("certificate_self_signed", "self-signed certificate"),
    ],
)
def test_a_wrong_certificate_is_on_the_status_page_only(
    sabotaged: Sabotaged, handshake: Handshake, sabotage: str, reason: str
) -> None:
    running = sabotaged(sabotage)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(running, "status", ssl.TLSVersion.TLSv1_3)
    assert handshake(running, "status", ssl.TLSVersion.TLSv1_3, verify=False) == "TLSv1.3"
    for listener in ("www", "app", "api", "graph"):
        assert handshake(running, listener, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


def test_plain_http_serves_content(sabotaged: Sabotaged, request_of: Request) -> None:
    running = sabotaged("plain_http_serves_content")
    answer = request_of(running, "www-http", "/privacy")
    assert answer.status_code == 200
    assert "Privacy Policy" in answer.text


@pytest.mark.parametrize(
    ("sabotage", "listener", "value"),
    [("hsts_missing", "status", None), ("hsts_too_short", "www", "max-age=300; includeSubDomains")],
)
def test_strict_transport_security_is_wrong_on_one_listener(
    sabotaged: Sabotaged, request_of: Request, sabotage: str, listener: str, value: str | None
) -> None:
    running = sabotaged(sabotage)
    for name in ("www", "api", "status"):
        header = request_of(running, name, "/").headers.get("strict-transport-security")
        assert header == (value if name == listener else TWO_YEARS)
