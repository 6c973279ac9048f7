"""Webhooks: deliveries go over HTTPS to whom they are meant for, and carry a signature that nobody else can make."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.receivers import Delivery, Receivers, SignedDelivery, Stranger

_PLAIN = ("http", "HTTP", "http on port 443", "http without a port")
_REDIRECTS = (301, 302, 303, 307, 308)


@check(basis=OBSERVED, intrusive=True)
def plain_http_is_refused(receivers: Receivers) -> Iterator[Finding | NotObserved | LeftOut]:
    """No webhook can be registered with, or changed to, a URL without TLS.

    Decides: whether a customer can have events delivered in plain text.
    How: URLs of a name that leads to a receiver of the harness are registered with http in several spellings and ports, and a
    webhook is changed to one; what is taken is pinged, to see whether it is delivered, and so is what was to be changed. The same
    URL with https must be taken.
    Refuted by: one such URL that the API takes, or uses although it said no.
    Cannot see: webhooks that are made in other ways than by the operations that the target names.
    References: OWASP ASVS 5.0 12.2.1.
    """
    expected = "refused"
    control = receivers.register("https")
    if not control.accepted:
        yield NotObserved("https", f"it is refused too, with {control.status}, so refusals say nothing", "taken")
        return
    yield Finding("https", True, "taken", f"answered {control.status}")
    ways = [*_PLAIN]
    if receivers.may_change():
        ways.append("change to http")
    else:
        yield LeftOut("change to http", "the target names no operation that changes a webhook")
    for way in ways:
        try:
            found = receivers.register(way)
        except Unobservable as error:
            yield NotObserved(way, error.reason, expected)
            continue
        if found.accepted:
            delivered = f", and {found.plain_requests} deliveries came in plain text" if found.plain_requests else ""
            yield Finding(way, False, expected, f"a webhook without TLS was taken with {found.status}{delivered}")
        elif found.plain_requests:
            observed = (
                f"refused with {found.status}, and {found.plain_requests} deliveries came in plain text all the same"
            )
            yield Finding(way, False, expected, observed)
        elif 400 <= found.status < 500:
            yield Finding(way, True, expected, f"refused with {found.status}")
        else:
            yield NotObserved(way, f"answered {found.status}, which is no refusal", expected)


@check(basis=OBSERVED, intrusive=True)
def only_verified_receivers_get_deliveries(receivers: Receivers) -> Iterator[Finding | NotObserved]:
    """A receiver whose certificate is not trusted, or is for another name, gets no delivery.

    Decides: whether somebody on the way can take a delivery by showing a certificate of his own.
    How: webhooks are delivered to TLS receivers of the harness: one with a trusted certificate, which must get the delivery, one
    with a certificate of an authority that was made up just now, one with a trusted certificate for another name. Connections
    are counted, and whatever is sent after the handshake.
    Refuted by: one request to a receiver that should not have been trusted.
    Cannot see: revoked and expired certificates, of which the harness has none.
    References: RFC 9525, OWASP ASVS 5.0 12.3.2.
    """
    expected = "no request"
    if not (yield from _control(receivers)):
        return
    for stranger in (Stranger.UNKNOWN_AUTHORITY, Stranger.OTHER_NAME):
        try:
            found = receivers.deliver_to(stranger)
        except Unobservable as error:
            yield NotObserved(stranger, error.reason, expected)
            continue
        how = f"{found.contacts} connections, {found.requests} requests"
        if found.requests:
            yield Finding(stranger, False, expected, f"the certificate is not verified: {how}")
        elif found.contacts:
            yield Finding(stranger, True, expected, f"{how}; the client said {', '.join(found.refusals) or 'nothing'}")
        else:
            yield NotObserved(stranger, "no connection came at all", expected)


@check(basis=OBSERVED, intrusive=True)
def redirects_to_plain_http_are_not_followed(
    receivers: Receivers, *, statuses: tuple[int, ...] = _REDIRECTS
) -> Iterator[Finding | NotObserved]:
    """A delivery that a receiver redirects to a plain http address is not sent there.

    Decides: whether a receiver, or whoever took it over, can have deliveries sent on without TLS.
    How: trusted receivers of the harness answer deliveries with each of the `statuses` and the plain http address of another one.
    Refuted by: one connection to where they redirected.
    Cannot see: redirects to https addresses, which stay inside the promise.
    References: RFC 9110 §15.4.
    """
    expected = "no connection to the plain http address"
    for found in receivers.deliver_with_redirects_to_http(statuses):
        subject = f"redirect with {found.status}"
        if found.redirected_contacts:
            observed = f"the redirect to plain http was followed: {found.redirected_contacts} connections"
            yield Finding(subject, False, expected, observed)
        elif found.requests:
            yield Finding(subject, True, expected, f"{found.requests} deliveries were redirected, and none was sent on")
        else:
            yield NotObserved(subject, found.reason or "no delivery came that could be redirected", expected)


@check(basis=OBSERVED, intrusive=True)
def deliveries_are_signed(
    receivers: Receivers, *, fresh_within_seconds: float = 300.0
) -> Iterator[Finding | NotObserved]:
    """Every delivery is signed with its own webhook's secret over its time and its whole body.

    Decides: whether a receiver can tell a delivery from a forged, an altered and an old one.
    How: two webhooks of one customer are registered and delivered to; the signature of each delivery is computed anew by the
    declared scheme, over the body as it came, over altered bodies, over another time, over each beginning of the body, and with
    the other webhook's secret.
    Refuted by: no signature; one that does not verify over the whole body (how much it covers is said); one that an altered body or
    another time verifies too; a time that is not signed, or is more than `fresh_within_seconds` from the receipt; a secret that
    two webhooks share.
    Cannot see: whether receivers verify, and whether the secret is as hard to guess as it is long.
    References: RFC 2104, RFC 6234, OWASP ASVS 5.0 11.4.1.
    """
    deliveries = receivers.signed_deliveries()
    timed = receivers.timestamps_are_signed()
    for one in deliveries:
        defect = _defect(one)
        observed = defect or f"verifies over all {one.body_bytes} bytes of the body, and over nothing else"
        yield Finding(f"{one.webhook}, signature", not defect, "a signature over the whole body", observed)
        expected = f"a signed time within {fresh_within_seconds:g} s of the receipt"
        if not timed:
            yield Finding(
                f"{one.webhook}, time", False, expected, "the scheme signs no time, so a copy stays good for ever"
            )
        elif one.age_seconds is None:
            yield Finding(f"{one.webhook}, time", False, expected, f"{one.timestamp or 'nothing'} is no time")
        else:
            fresh = abs(one.age_seconds) <= fresh_within_seconds and not one.moved
            moved = "; the signature verifies over another time too" if one.moved else ""
            yield Finding(f"{one.webhook}, time", fresh, expected, f"{one.age_seconds:.1f} s before the receipt{moved}")
        shared = f"verifies with the secret of {', '.join(one.others)} too: the secret is shared"
        yield Finding(
            f"{one.webhook}, secret",
            not one.others,
            "a secret of its own",
            shared if one.others else "no other webhook's secret verifies it",
        )


def _defect(one: SignedDelivery) -> str:
    if not one.header:
        return "it carries no signature"
    if not one.signature:
        return "its signature header has no signature of the declared form"
    if one.covered_bytes is None:
        return "the signature does not verify over any beginning of the body"
    if one.covered_bytes < one.body_bytes:
        return f"the signature covers only the first {one.covered_bytes} of {one.body_bytes} bytes of the body"
    return "an altered body verifies too" if one.altered else ""


def _control(receivers: Receivers) -> Generator[Finding | NotObserved, None, bool]:
    """A delivery that must arrive; gives whether it did."""
    found: Delivery = receivers.control()
    if found.requests:
        yield Finding(Stranger.NOBODY, True, "one delivery", f"{found.requests} deliveries came")
        return True
    reason = f"no delivery came ({found.contacts} connections, {', '.join(found.refusals) or 'no handshake'})"
    yield NotObserved(Stranger.NOBODY, reason, "one delivery")
    return False
