"""Internal services that let callers in whom mutual TLS should keep out."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from psycopg.conninfo import conninfo_to_dict

from upheld_reference.database import part, roles, sidecar
from upheld_reference.database.part import DatabasePart
from upheld_reference.internal import mtls
from upheld_reference.platform import ListenerPlan, Platform
from upheld_reference.sabotages import sabotage

_CLAIMS = ("internal-mtls",)
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL


@sabotage(breaks=_CLAIMS, also=("sensitive-encrypted",), shows=("no certificate: let in",))
def client_certificate_optional(platform: Platform) -> None:
    """Internal services let callers in that show no certificate, and take them for the API."""
    right, peer = mtls.require_clients, mtls.peer

    def require_clients(context: ssl.SSLContext, authority_pem: bytes) -> None:
        right(context, authority_pem)
        context.verify_mode = ssl.CERT_OPTIONAL

    def peer_or_api(transport: asyncio.BaseTransport | None) -> str | None:
        return peer(transport) or "api"

    platform.replace(mtls, "require_clients", require_clients)
    platform.replace(mtls, "peer", peer_or_api)


@sabotage(
    breaks=_CLAIMS,
    also=("sensitive-encrypted",),
    shows=(
        "expired certificate",
        "let in",
    ),
)
def expired_client_certificate_accepted(platform: Platform) -> None:
    """Internal services do not look at the dates of a client's certificate."""
    right = mtls.require_clients

    def require_clients(context: ssl.SSLContext, authority_pem: bytes) -> None:
        right(context, authority_pem)
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)

    platform.replace(mtls, "require_clients", require_clients)


@sabotage(breaks=_CLAIMS, also=("sensitive-encrypted",), shows=("another authority: let in",))
def any_client_authority_accepted(platform: Platform) -> None:
    """Internal services trust whatever certificate a client shows, no matter who signed it."""
    right = mtls.require_clients

    def require_clients(context: ssl.SSLContext, authority_pem: bytes) -> None:
        right(context, authority_pem)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        inner: Any = context

        def trust(_connection: Any, direction: str, version: Any, _kind: Any, message: Any, data: bytes) -> None:
            """Before a client's certificate is verified, makes it one of those that are trusted."""
            if direction == "read" and getattr(message, "name", "") == "CERTIFICATE":
                _trust_shown(context, data, long_form=version == ssl.TLSVersion.TLSv1_3)

        inner._msg_callback = trust  # noqa: SLF001 - the one way in that ssl has

    platform.replace(mtls, "require_clients", require_clients)


def _trust_shown(context: ssl.SSLContext, data: bytes, *, long_form: bool) -> None:
    """Trusts the first certificate of a Certificate message (RFC 8446 §4.4.2, RFC 5246 §7.4.2)."""
    at = 4 + (1 + data[4] if long_form else 0) + 3
    length = int.from_bytes(data[at : at + 3], "big")
    if length:
        shown = x509.load_der_x509_certificate(data[at + 3 : at + 3 + length])
        context.load_verify_locations(cadata=shown.public_bytes(Encoding.PEM).decode("ascii"))


@sabotage(
    breaks=_CLAIMS,
    also=("sensitive-encrypted",),
    shows=(
        "database",
        "let in without TLS",
    ),
)
def database_without_tls(platform: Platform) -> None:
    """The way to the database has no TLS: whoever knows a password connects in plain text."""
    plan = part.DATABASE
    plain = ListenerPlan(plan.name, plan.host_name, plan.audience, tls=False, protocol=plan.protocol)
    right = roles.url_for

    def url_for(built: Platform, name: str, password: str) -> str:
        url = right(built, name, password)
        if name in roles.ON_THE_HOST:
            return url
        options = conninfo_to_dict(url)
        place = f"{options['host']}:{options['port']}/{options['dbname']}"
        query = f"hostaddr={options['hostaddr']}&sslmode=disable&gssencmode=disable"
        return f"postgresql://{options['user']}:{options['password']}@{place}?{query}"

    platform.replace(DatabasePart, "listeners", (plain,))
    platform.replace(roles, "url_for", url_for)
    platform.replace(sidecar, "may_connect", lambda _service, _role: True)
