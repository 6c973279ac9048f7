"""The folder ``internet`` of a deployment: the zone file, and certificates for receivers that an auditor starts.

On Linux every address of 127.0.0.0/8 is this host. One block of it stands for the public internet; what runs there is
somebody else's, and everything outside of it is inside.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization

from upheld_reference import pki
from upheld_reference.network.record import OutboundRecord
from upheld_reference.network.transport import Outbound
from upheld_reference.network.zone import Resolver

if TYPE_CHECKING:
    from upheld_reference.pki import Authority, Credential
    from upheld_reference.platform import Platform

RECEIVER_NAME = "receiver.example.net"
"""A host name that the receivers' certificates are good for."""
RECEIVER_NAMES = "*.example.net"
"""All the names that they are good for."""

_LIFETIME = dt.timedelta(days=30)


def folder(platform: Platform) -> Path:
    """Where the files are."""
    return platform.folder / "internet"


def outbound(platform: Platform) -> Outbound:
    """The platform's way out into this internet."""
    return Outbound(Resolver(folder(platform) / "hosts"), OutboundRecord(platform.logs / "outbound.log"))


def furnish(platform: Platform) -> None:
    """Writes the zone file with the names of all listeners, and the receivers' certificates."""
    place = folder(platform)
    place.mkdir(mode=0o700)
    lines = [f"{listener.address} {listener.host_name}" for listener in platform.listeners.values()]
    heading = "# address[,address...] name... ; several lines for one name are answered in turn\n"
    (place / "hosts").write_text(heading + "".join(f"{line}\n" for line in dict.fromkeys(lines)), encoding="utf-8")
    (platform.logs / "outbound.log").touch(mode=0o600)
    if platform.authority is None:
        raise RuntimeError("the listeners are bound before the internet is furnished")
    for name, issuer in (("trusted", platform.authority), ("untrusted", pki.authority())):
        _keep(_receiver(issuer), place / f"receiver-{name}.pem")


def facts(platform: Platform) -> dict[str, Any]:
    """What whoever starts a receiver or reads the record has to know.

    ``outbound_hosts`` are all hosts that the platform itself calls, by purpose; where it calls for one of the purposes in
    ``outbound_to_customers`` its customers have said.
    """
    place = folder(platform)
    return {
        "internet": {
            "zone_file": str(place / "hosts"),
            "public_network": platform.settings.public_network,
            "receiver": {
                "host_name": RECEIVER_NAME,
                "certificate_names": RECEIVER_NAMES,
                "trusted_pem": str(place / "receiver-trusted.pem"),
                "untrusted_pem": str(place / "receiver-untrusted.pem"),
                "ports": list(platform.settings.webhook_ports),
            },
        },
        "outbound_hosts": {"graph": [platform.listeners["graph"].host_name]},
        "outbound_to_customers": ["webhook"],
        "outbound_log": str(platform.logs / "outbound.log"),
    }


def _receiver(issuer: Authority) -> Credential:
    now = dt.datetime.now(dt.UTC)
    skew = dt.timedelta(hours=1)
    return pki.server_credential(issuer, RECEIVER_NAMES, not_before=now - skew, not_after=now + _LIFETIME)


def _keep(credential: Credential, path: Path) -> None:
    """Writes certificate and key into one file, as ssl.SSLContext.load_cert_chain takes them."""
    path.touch(mode=0o600)
    path.write_bytes(
        credential.certificate.public_bytes(serialization.Encoding.PEM)
        + credential.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
