"""Internal services: that only those callers come in that the internal authority vouches for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.internal import MADE_UP, NO_CERTIFICATE, Credential, Internal, Service

Kind = Literal["expired", "other authority", "revoked", "other service"]


@check(basis=OBSERVED)
def only_certified_callers_come_in(
    internal: Internal, clock: Clock, *, kinds: tuple[Kind, ...] = ("expired",)
) -> Iterator[Finding | NotObserved]:
    """Every internal service lets the right client certificate in, and none without, of another authority or out of its time.

    Decides: whether mutual TLS really keeps everybody else out of each internal port, the database's too.
    How: each service is called without a certificate, with one that the harness makes up on the spot (the names of the right
    one, signed by nobody whom anyone knows), with those that the target names, and with the right one. A refusal may come as a TLS
    alert, a closed connection, a status that the target calls a refusal, or an error of class 28 of PostgreSQL; it counts
    only where the right certificate gets an answer by the very same request, and an expired one only when it is
    expired and of the internal authority.
    Refuted by: an answer to any but the right certificate.
    Cannot see: services that the target does not declare; revocation, unless the target names a revoked certificate; whether a
    certificate of one service opens another's door, unless the target names it.
    References: RFC 8446 §4.3.2 and §4.4.2.4, NIST SP 800-204A SM-DR12.
    """
    now = clock.now()
    credentials = internal.refused_credentials()
    for service in internal.services():
        expected = "refused"
        try:
            control = internal.greet(service, service.client)
            reason = "" if control.let_in else f"the right certificate is refused too ({control.how})"
        except Unobservable as error:
            reason = f"the right certificate gets no answer: {error.reason}"
        if reason:
            yield NotObserved(f"{service}, right certificate", reason, "let in")
        else:
            yield Finding(f"{service}, right certificate", True, "let in", control.how)
        subjects: list[tuple[str, str, str]] = [
            (NO_CERTIFICATE, "no certificate", ""),
            (MADE_UP, "certificate of another authority", ""),
            *((one.name, str(one), _unfit(one, now)) for one in credentials),
        ]
        missing = set(kinds) - {one.kind for one in credentials}
        for kind in sorted(missing):
            yield NotObserved(f"{service}, {kind} certificate", f"the target names no {kind} certificate", expected)
        for name, shown, unfit in subjects:
            yield _refusal(internal, service, name, shown, unfit or reason)


@check(basis=OBSERVED)
def nothing_is_spoken_in_the_clear(internal: Internal) -> Iterator[Finding | NotObserved]:
    """No internal service answers a caller who speaks its protocol without TLS.

    Decides: whether what services tell each other, and the database, could go over the network in plain text.
    How: each service is called in its own protocol without TLS (HTTP, or PostgreSQL's start-up message, to which a server
    that takes plain connections answers by asking for the login).
    Refuted by: an answer that lets the caller go on.
    Cannot see: ports that the target does not declare, and what a service would answer to other requests.
    References: RFC 8446, PostgreSQL 18 §54.2.
    """
    expected = "refused in plain text"
    for service in internal.services():
        subject = f"{service}, plain text"
        try:
            plain = internal.greet_plain(service)
        except Unobservable as error:
            yield NotObserved(subject, error.reason, expected)
            continue
        if plain.let_in:
            yield Finding(subject, False, expected, f"let in without TLS: {plain.how}")
            continue
        try:
            control = internal.greet(service, service.client)
        except Unobservable as error:
            yield NotObserved(
                subject, f"the right certificate gets no answer over TLS either: {error.reason}", expected
            )
            continue
        if control.let_in:
            yield Finding(subject, True, expected, f"refused: {plain.how}")
        else:
            yield NotObserved(subject, f"the right certificate is refused over TLS too ({control.how})", expected)


def _unfit(credential: Credential, now: datetime) -> str:
    """Why a refusal of this certificate would say nothing of what it is meant to show."""
    if credential.kind == "other authority":
        return "it is of the internal authority after all" if credential.of_authority else ""
    if not credential.of_authority:
        return "it is not of the internal authority, so it would be refused for that"
    expired = credential.not_after < now
    if credential.kind == "expired":
        return "" if expired else f"it is valid until {credential.not_after:%Y-%m-%d}"
    return f"it expired on {credential.not_after:%Y-%m-%d}, so it would be refused for that" if expired else ""


def _refusal(internal: Internal, service: Service, name: str, shown: str, reason: str) -> Finding | NotObserved:
    subject = f"{service}, {shown}"
    try:
        greeting = internal.greet(service, name)
    except Unobservable as error:
        return NotObserved(subject, error.reason, "refused")
    if greeting.let_in and not reason.startswith("it "):
        return Finding(subject, False, "refused", f"let in: {greeting.how}")
    if reason:
        return NotObserved(subject, reason, "refused")
    return Finding(subject, True, "refused", greeting.how)
