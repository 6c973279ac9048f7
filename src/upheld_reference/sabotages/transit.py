"""Defects of the encryption in transit.

All but the one about plain HTTP are on a single listener, most on the status page: it is one of several endpoints, and
nothing else of the platform goes through it. As the pages link to each of the listeners, the sentence about all traffic is
broken with the one about its encryption.
"""

from __future__ import annotations

import datetime as dt
import ssl

from upheld_reference import pki
from upheld_reference.edge import part as site
from upheld_reference.edge.headers import SecureHeaders
from upheld_reference.pki import Authority, Credential
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIMS = ("transit-tls12", "transit-all-traffic")
_ALSO = ("sensitive-encrypted",)
_UNREACHABLE = ("no-bounty", "short-lived-tokens", "uptime-monitored")
"""What nobody can decide who cannot read the status page."""


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "TLS 1.0",
        "status",
    ),
)
def tls_1_0_on_one_port(platform: Platform) -> None:
    """The status page's port also accepts TLS 1.0 and 1.1."""
    platform.on("built", lambda built: _accept_from(built, ssl.TLSVersion.TLSv1))


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "TLS 1.1",
        "status",
    ),
)
def tls_1_1_on_one_port(platform: Platform) -> None:
    """The status page's port also accepts TLS 1.1."""
    platform.on("built", lambda built: _accept_from(built, ssl.TLSVersion.TLSv1_1))


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    blinds=("rate-limits", *_UNREACHABLE),
    shows=(
        "1.2",
        "status",
    ),
)
def tls_1_1_at_most_on_one_port(platform: Platform) -> None:
    """The status page's port speaks no TLS later than 1.1, so that today's clients cannot reach it."""

    def old_only(built: Platform) -> None:
        _accept_from(built, ssl.TLSVersion.TLSv1_1)
        context = built.listeners["status"].tls
        assert context is not None  # noqa: S101  (the status listener speaks TLS)
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    platform.on("built", old_only)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "plain HTTP",
        "200",
    ),
)
def plain_http_serves_content(platform: Platform) -> None:
    """The website's plain HTTP port serves the pages themselves instead of redirecting to HTTPS."""

    def serve_pages(built: Platform) -> None:
        built.listeners["www-http"].app = built.listeners["www"].app

    platform.on("built", serve_pages)


@sabotage(breaks=_CLAIMS, also=_ALSO, blinds=_UNREACHABLE, shows=("expired",))
def certificate_expired(platform: Platform) -> None:
    """The status page's certificate ended yesterday."""
    _sign_differently(platform, expired_for=dt.timedelta(days=1))


@sabotage(breaks=_CLAIMS, also=_ALSO, blinds=_UNREACHABLE, shows=("it is not for status.rivet.example",))
def certificate_wrong_name(platform: Platform) -> None:
    """The status page's certificate is for another host name."""
    _sign_differently(platform, host_name="old-status.rivet.example")


@sabotage(breaks=_CLAIMS, also=_ALSO, blinds=_UNREACHABLE, shows=("self-signed",))
def certificate_self_signed(platform: Platform) -> None:
    """The status page's certificate is signed by itself instead of by the authority."""
    _sign_differently(platform, by_itself=True)


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("Strict-Transport-Security",))
def hsts_missing(platform: Platform) -> None:
    """The status page sends no Strict-Transport-Security header."""
    platform.on("built", lambda built: _send_hsts(built, "status", None))


@sabotage(breaks=_CLAIMS, also=_ALSO, shows=("max-age",))
def hsts_too_short(platform: Platform) -> None:
    """The website's Strict-Transport-Security lasts five minutes."""
    platform.on("built", lambda built: _send_hsts(built, "www", "max-age=300; includeSubDomains"))


def _accept_from(platform: Platform, oldest: ssl.TLSVersion) -> None:
    tls = platform.listeners["status"].tls
    if tls is None:
        raise TypeError("the status page's listener has no TLS to weaken")
    # OpenSSL allows the old versions' SHA-1 signatures at level 0 only: lowering the version alone does nothing.
    tls.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:@SECLEVEL=0")
    tls.minimum_version = oldest


def _sign_differently(
    platform: Platform,
    *,
    host_name: str | None = None,
    expired_for: dt.timedelta | None = None,
    by_itself: bool = False,
) -> None:
    """Has the status page's certificate, and no other, made with these differences."""
    right = pki.current_credential

    def current_credential(issuer: Authority, name: str, lifetime_days: int) -> Credential:
        if name != site.STATUS.host_name:
            return right(issuer, name, lifetime_days)
        not_after = dt.datetime.now(dt.UTC) + dt.timedelta(days=lifetime_days)
        if expired_for is not None:
            not_after = dt.datetime.now(dt.UTC) - expired_for
        return pki.server_credential(
            None if by_itself else issuer,
            host_name or name,
            not_before=not_after - dt.timedelta(days=lifetime_days, hours=1),
            not_after=not_after,
        )

    platform.replace(pki, "current_credential", current_credential)


def _send_hsts(platform: Platform, listener: str, value: str | None) -> None:
    app = platform.listeners[listener].app
    if not isinstance(app, SecureHeaders):
        raise TypeError(f"the listener {listener} is not wrapped in SecureHeaders first of all")
    headers = {} if value is None else {b"strict-transport-security": value.encode("ascii")}
    platform.replace(app, "tls_headers", headers)
