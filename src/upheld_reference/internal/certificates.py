"""The authority of the internal services, and the files with the client certificates that it signs.

It is another one than that of the public names, so that no certificate that the outside can get opens an internal port.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from upheld_reference import pki
from upheld_reference.internal import names
from upheld_reference.pki import Authority, Credential

CLIENT_LIFETIME_DAYS = 30
"""How long a client certificate of an internal service is valid."""


@dataclass(frozen=True)
class ClientFiles:
    """A client's certificate and its private key, as PEM files."""

    certificate: Path
    key: Path

    @property
    def facts(self) -> dict[str, str]:
        """Both paths, as plain JSON."""
        return {"certificate": str(self.certificate), "key": str(self.key)}


class InternalCertificates:
    """The internal authority with the credentials of every service; the authority's key is in no file."""

    def __init__(self, folder: Path, services: Collection[str]) -> None:
        """Makes the authority and a credential for each of the ``services``, as files in ``folder``."""
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.authority = pki.authority("Rivet internal CA")
        self.ca_file = self._write("internal-ca.pem", self.authority.pem)
        now = dt.datetime.now(dt.UTC)
        until = now + dt.timedelta(days=CLIENT_LIFETIME_DAYS)
        self.clients: Mapping[str, ClientFiles] = {
            service: self._client(service, self.authority, service, now - dt.timedelta(hours=1), until)
            for service in sorted({*names.SERVICES, *services})
        }
        # What must not get in anywhere, for whoever tries: made like the right one but for the one difference.
        stranger = pki.authority("Somebody else's CA")
        ended = now - dt.timedelta(days=1)
        self.refused: Mapping[str, ClientFiles] = {
            "expired": self._client("expired", self.authority, "api", ended - dt.timedelta(days=30), ended),
            "other_authority": self._client("other-authority", stranger, "api", now - dt.timedelta(hours=1), until),
        }

    def _client(
        self, name: str, issuer: Authority, service: str, not_before: dt.datetime, not_after: dt.datetime
    ) -> ClientFiles:
        credential: Credential = pki.client_credential(
            issuer, names.host_name(service), not_before=not_before, not_after=not_after
        )
        return ClientFiles(
            self._write(f"{name}.crt", credential.certificate_pem), self._write(f"{name}.key", credential.key_pem)
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(content)
        return path
