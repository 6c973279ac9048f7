"""A certificate authority of an example's own."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority: its certificate, its key, and the folder that it writes to."""

    def __init__(self, folder: Path, name: str, above: Authority | None = None) -> None:
        """One of its own, or an intermediate one under `above`."""
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, key = (above.name, above.key) if above else (self.name, self.key)
        now = dt.datetime.now(dt.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 400 * DAY)
            .not_valid_after(now + 400 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(*[at in {5, 6} for at in range(9)]), critical=True)
            .sign(key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        file: str,
        name: str,
        *,
        begins: int = -30,
        ends: int = 60,
        key: Any = None,
        self_signed: bool = False,
        sent_along: bytes = b"",
    ) -> x509.Certificate:
        """A certificate for `name` in `FILE.pem` with its key, valid from `begins` to `ends` in days from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins * DAY)
            .not_valid_after(now + ends * DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key if self_signed else self.key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / f"{file}.pem"
        path.touch(mode=0o600)
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + sent_along + private)
        return made

    def revocations(self, file: str, *revoked: x509.Certificate) -> None:
        """Its list of revoked certificates."""
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now - DAY)
        made = made.next_update(now + 7 * DAY)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now - DAY)
            made = made.add_revoked_certificate(entry.build())
        (self.folder / file).write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def one_server(folder: Path, authority: str, name: str) -> None:
    """An authority of its own and one server of that name: `certificates/ca.pem` and `certificates/server.pem` below the folder."""
    certificates = folder / "certificates"
    certificates.mkdir()
    own = Authority(certificates, authority)
    (certificates / "ca.pem").write_bytes(own.pem)
    own.issue("server", name)
