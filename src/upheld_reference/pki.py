"""Certificate authorities, and the certificates of servers and clients that they sign."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Authority:
    """A certificate authority; its key never leaves the process."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The authority's certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Credential:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM (PKCS #8), not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def load_into(self, context: ssl.SSLContext, folder: Path) -> None:
        """Makes ``context`` present this credential; the PEM file that ssl needs is in ``folder`` only meanwhile."""
        path = folder / f"{self.certificate.serial_number:x}.pem"
        path.touch(mode=0o600, exist_ok=False)
        try:
            path.write_bytes(self.certificate_pem + self.key_pem)
            context.load_cert_chain(path)
        finally:
            path.unlink()


def authority(common_name: str = "Rivet reference CA") -> Authority:
    """A new authority, valid for a year: critical basicConstraints and keyUsage, as strict verifiers want them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rivet reference deployment"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + dt.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def server_credential(
    issuer: Authority | None, host_name: str, *, not_before: dt.datetime, not_after: dt.datetime
) -> Credential:
    """A server's certificate for ``host_name``, valid between the two instants; without an ``issuer`` it signs itself."""
    return _credential(issuer, host_name, not_before, not_after, ExtendedKeyUsageOID.SERVER_AUTH)


def client_credential(
    issuer: Authority, host_name: str, *, not_before: dt.datetime, not_after: dt.datetime
) -> Credential:
    """A certificate by which the service called ``host_name`` shows who it is, valid between the two instants."""
    return _credential(issuer, host_name, not_before, not_after, ExtendedKeyUsageOID.CLIENT_AUTH)


def _credential(
    issuer: Authority | None,
    host_name: str,
    not_before: dt.datetime,
    not_after: dt.datetime,
    usage: x509.ObjectIdentifier,
) -> Credential:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host_name)])
    signer = key if issuer is None else issuer.key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host_name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Credential(certificate, key)


def current_credential(issuer: Authority, host_name: str, lifetime_days: int) -> Credential:
    """A certificate for ``host_name`` that is valid from now on for ``lifetime_days`` days."""
    now = dt.datetime.now(dt.UTC)
    return server_credential(
        issuer, host_name, not_before=now - _CLOCK_SKEW, not_after=now + dt.timedelta(days=lifetime_days)
    )


def server_context(protocol: str = "http/1.1") -> ssl.SSLContext:
    """A server's TLS context without a certificate yet: TLS 1.2 and 1.3, forward secrecy, authenticated ciphers.

    ``protocol`` is the name of what is spoken inside (RFC 7301).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _AlertingConnection
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols([protocol])
    return context


class _AlertingConnection(ssl.SSLObject):
    """A connection that tells the client by a TLS alert why its handshake failed.

    asyncio drops a connection on the first error, with the alert unsent, so the client would see no more than the end of
    the stream. The first error is therefore reported as a want of data: asyncio sends what is waiting, and the
    connection ends when the client has read it and closes, when it sends more, or by asyncio's time-out.
    """

    _failed = False
    _NO_TLS = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL"})
    """Who sends these speaks no TLS and reads no alert: the connection ends at once."""

    def do_handshake(self) -> None:
        """Takes the handshake one step further."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if self._failed or error.reason in self._NO_TLS:
                raise
            self._failed = True
            raise ssl.SSLWantReadError(str(error)) from error


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
