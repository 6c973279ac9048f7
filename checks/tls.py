"""Encryption in transit: the versions that public endpoints speak, and their certificates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.tls import Certificate, Tls, TlsVersion

_SMALLEST_RSA = 2048
_BROKEN_DIGESTS = frozenset({"md5", "sha1"})


@check(basis=OBSERVED)
def refuses_old_versions(tls: Tls, *, minimum: TlsVersion = TlsVersion.TLS_1_2) -> Iterator[Finding | NotObserved]:
    """Every public endpoint refuses TLS versions older than `minimum`.

    Decides: whether a client that speaks nothing newer than an old version can connect.
    How: real handshakes with sslyze on every public https endpoint, at every address of it, offering only one version at
    a time, with every cipher that the version has. A refusal counts when the same instrument, in the same scan, could
    connect with another version, and when the instrument's own ClientHello was caught and shown to offer the old one.
    Refuted by: one handshake with an old version that completes with any cipher.
    Cannot see: endpoints that the target does not declare; servers that answer other clients, names or places otherwise.
    References: RFC 8996 (TLS 1.0 and 1.1), RFC 7568 (SSL 3.0), RFC 6176 (SSL 2.0), RFC 9325.
    """
    for endpoint in tls.endpoints():
        for version in minimum.older():
            subject = f"{endpoint} {version}"
            expected = f"refuses {version}"
            try:
                offered = tls.offered(version)
                handshake = tls.handshake(endpoint, version)
            except Unobservable as error:
                yield NotObserved(subject, error.reason, expected)
                continue
            if handshake.completed or offered:
                yield Finding(subject, passed=not handshake.completed, expected=expected, observed=handshake.summary)
            else:
                yield NotObserved(
                    subject, f"the instrument could not offer {version}, so its refusal says nothing", expected
                )


@check(basis=OBSERVED)
def accepts_current_versions(tls: Tls) -> Iterator[Finding | NotObserved]:
    """Every public endpoint accepts TLS 1.2 or TLS 1.3.

    Decides: whether a current client gets an encrypted connection.
    How: real handshakes with sslyze on every public https endpoint, at every address of it, offering only TLS 1.3 and
    only TLS 1.2.
    Refuted by: an endpoint that speaks TLS, but only in older versions.
    Cannot see: an endpoint where no handshake at all completes; that is inconclusive, as it may be a fault on the way.
    References: RFC 9325.
    """
    for endpoint in tls.endpoints():
        expected = "accepts TLS 1.2 or TLS 1.3"
        try:
            handshakes = [tls.handshake(endpoint, version) for version in (TlsVersion.TLS_1_3, TlsVersion.TLS_1_2)]
        except Unobservable as error:
            yield NotObserved(endpoint, error.reason, expected)
            continue
        summary = "; ".join(handshake.summary for handshake in handshakes)
        passed = any(handshake.completed for handshake in handshakes)
        yield Finding(endpoint, passed=passed, expected=expected, observed=summary)


@check(basis=OBSERVED)
def certificates_are_valid(tls: Tls, clock: Clock, *, minimum_days_left: int = 0) -> Iterator[Finding | NotObserved]:
    """Every certificate of every public endpoint is trusted, in its time, for its name and soundly signed.

    Decides: whether a client that verifies can know whom it talks to.
    How: every public https endpoint is asked, at every address of it, for the certificate of its choice, for one with an
    RSA key and for one with an ECDSA key. Chains are verified by OpenSSL against the target's CA, or the system's store
    when it names none; the name is compared with the subject alternative names; dates with the auditor's clock.
    Refuted by: a chain that does not verify (self-signed, unknown issuer, missing intermediate), a certificate that is
    expired, not yet valid, or has less than `minimum_days_left` days left, another name, an RSA key under 2,048 bits, a
    signature over MD5 or SHA-1.
    Cannot see: revocation, and certificates that are shown only to clients under another name or from another place.
    References: RFC 5280, RFC 9525, RFC 9325.
    """
    now = clock.now()
    for endpoint in tls.endpoints():
        expected = "a trusted certificate for its name, in its time"
        if minimum_days_left:
            expected += f" with at least {minimum_days_left} days left"
        try:
            certificates = tls.certificates(endpoint)
        except Unobservable as error:
            yield NotObserved(endpoint, error.reason, expected)
            continue
        for certificate in certificates:
            defects = list(_defects(certificate, endpoint.host))
            if now > certificate.not_after:
                defects.append(f"it expired on {certificate.not_after:%Y-%m-%d}")
            elif certificate.not_after - now < timedelta(days=minimum_days_left):
                defects.append(
                    f"it expires on {certificate.not_after:%Y-%m-%d}, in {(certificate.not_after - now).days} days"
                )
            if now < certificate.not_before:
                defects.append(f"it is not valid before {certificate.not_before:%Y-%m-%d}")
            subject = f"{endpoint} {certificate.key} certificate at {certificate.address}"
            observed = (
                f"{certificate.summary}: {'; '.join(defects)}"
                if defects
                else f"{certificate.summary}; its chain verifies"
            )
            yield Finding(subject, passed=not defects, expected=expected, observed=observed)


def _defects(certificate: Certificate, host: str) -> Iterator[str]:
    if not certificate.chain_verified:
        yield f"its chain does not verify ({certificate.chain_error})"
    if not certificate.name_matches:
        yield f"it is not for {host}"
    if certificate.key.startswith("RSA") and certificate.key_bits < _SMALLEST_RSA:
        yield f"its RSA key has only {certificate.key_bits} bits"
    if certificate.signature_algorithm.lower() in _BROKEN_DIGESTS:
        yield f"it is signed over {certificate.signature_algorithm.upper()}"
