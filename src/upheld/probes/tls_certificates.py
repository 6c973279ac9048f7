"""The certificates that a TLS server presents, and what OpenSSL says of their chains. Runs inside the scan's process."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

# A server may hold one certificate for each kind of key, and show the other one only to clients that ask for it.
_KINDS = (("", False), ("aRSA", True), ("aECDSA", True))
_NAMES_KEPT = 100


def certificates(host: str, port: int, address: str, ca: str | None, seconds: float) -> list[dict[str, Any]]:
    """Every certificate that the server presents, as plain data; raises OSError when it presents none."""
    found: dict[bytes, dict[str, Any]] = {}
    first: OSError | None = None
    for ciphers, only_1_2 in _KINDS:
        try:
            der, error = _judged(host, port, address, ca, seconds, ciphers, only_1_2)
        except OSError as failure:
            # A kind of key that the server does not have; the first attempt lets it choose, so that one must work.
            first = first or failure
            continue
        found.setdefault(der, _described(der, error, host, address))
    if not found:
        raise first or OSError("no certificate")
    return list(found.values())


def _judged(
    host: str, port: int, address: str, ca: str | None, seconds: float, ciphers: str, only_1_2: bool
) -> tuple[bytes, str]:
    """The leaf's DER bytes, and why its chain does not verify (empty when it does)."""

    def connect(*, verify: bool, level: int) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The name is compared on its own, so that one defect does not hide the other.
        context.check_hostname = False
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        if verify and ca:
            context.load_verify_locations(cafile=ca)
        elif verify:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if level == 0:
            context.minimum_version = ssl.TLSVersion.TLSv1
        if ciphers or level == 0:
            context.set_ciphers(f"{ciphers or 'ALL'}:@SECLEVEL={level}")
        if only_1_2:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection((address, port), timeout=seconds) as sock,
            context.wrap_socket(sock, server_hostname=host) as tls,
        ):
            return tls.getpeercert(binary_form=True) or b""

    for level in (2, 0):
        try:
            return connect(verify=True, level=level), ""
        except ssl.SSLCertVerificationError as error:
            return connect(verify=False, level=0), error.verify_message
        except ssl.SSLError:
            if level == 0:
                raise
    raise OSError("unreachable")


def _described(der: bytes, chain_error: str, host: str, address: str) -> dict[str, Any]:
    leaf = x509.load_der_x509_certificate(der)
    names = _names(leaf)
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        shown, bits = f"RSA {key.key_size}", key.key_size
    elif isinstance(key, ec.EllipticCurvePublicKey):
        shown, bits = f"EC {key.curve.name}", key.key_size
    else:
        shown, bits = type(key).__name__.removesuffix("PublicKey").lstrip("_"), 0
    algorithm = leaf.signature_hash_algorithm
    return {
        "address": address,
        "subject": leaf.subject.rfc4514_string()[:500],
        "issuer": leaf.issuer.rfc4514_string()[:500],
        "names": names[:_NAMES_KEPT],
        "not_before": leaf.not_valid_before_utc.isoformat(),
        "not_after": leaf.not_valid_after_utc.isoformat(),
        "chain_error": chain_error,
        "name_matches": any(matches(name, host) for name in names),
        "self_signed": leaf.subject == leaf.issuer,
        "key": shown,
        "key_bits": bits,
        "signature_algorithm": algorithm.name if algorithm else leaf.signature_algorithm_oid.dotted_string,
        "fingerprint": leaf.fingerprint(hashes.SHA256()).hex(),
    }


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        # Clients have long stopped to read names from the subject; it is shown in the subject, and matches nothing.
        return []
    return [*extension.get_values_for_type(x509.DNSName), *map(str, extension.get_values_for_type(x509.IPAddress))]


def matches(pattern: str, host: str) -> bool:
    """Whether a name in a certificate covers `host` (RFC 9525: a wildcard is the whole leftmost label, and only that)."""
    try:
        return ipaddress.ip_address(pattern) == ipaddress.ip_address(host)
    except ValueError:
        pass
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == host
    head, _, rest = host.partition(".")
    return bool(head) and rest == pattern[2:] and "." in rest
