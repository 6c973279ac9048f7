"""Outbound calls of the platform itself: encrypted, to the declared host, and to nobody who only pretends to be it."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.callees import Callees
from upheld.probes.canaries import Canaries
from upheld.probes.clock import Clock
from upheld.probes.outbound import Call, Calls, Outbound

_POLL_SECONDS = 0.2


@check(basis=OBSERVED, intrusive=True)
def calls_are_encrypted(
    outbound: Outbound, callees: Callees, canaries: Canaries, clock: Clock, *, purpose: str, flush_seconds: float = 5.0
) -> Iterator[Finding | NotObserved]:
    """Every outbound call for `purpose` in the record went over https, to a host and port that are declared for it.

    Decides: whether a call was ever made in plain text, or to another place, also when something went wrong.
    How: calls are caused by the canary flows that the target names for the purpose, one that succeeds and one that fails among
    them; then the whole record of outbound calls is read. The calls just caused must be in it, within `flush_seconds`.
    Refuted by: one recorded call for the purpose with another scheme than https, or to a host or port that is not declared for it.
    Cannot see: calls that go past the record.
    References: RFC 9325 §3.2, OWASP ASVS 5.0 12.3.1.
    """
    expected = "https, to a declared place"
    declared = {(one.host, one.port) for one in callees.destinations() if one.purpose == purpose}
    if not declared:
        yield NotObserved(purpose, f"the target declares no destination for {purpose} calls", expected)
        return
    mark = outbound.mark()
    for flow in callees.exercises(purpose):
        try:
            run = canaries.run(flow)
        except Unobservable as error:
            yield NotObserved(flow.name, error.reason, expected)
            continue
        if run.status not in flow.statuses:
            shown = ", ".join(map(str, flow.statuses))
            yield NotObserved(
                flow.name, f"it answered {run.status} and not {shown}, so that it went another way", expected
            )
    waited = 0.0
    while not (shown_now := _for(purpose, outbound.calls(since=mark))) and waited < flush_seconds:
        waited += clock.wait(_POLL_SECONDS)
    if not shown_now:
        yield NotObserved(purpose, "the record has none of the calls that were just caused", expected)
    whole = outbound.calls()
    counts: dict[tuple[str, str, int], int] = {}
    for one in _for(purpose, whole):
        counts[one.scheme, one.host, one.port] = counts.get((one.scheme, one.host, one.port), 0) + one.count
    for (scheme, host, port), count in counts.items():
        defect = ""
        if scheme != "https":
            defect = f"{scheme or 'no scheme'}, not https: "
        elif (host, port) not in declared:
            defect = "not declared: "
        yield Finding(f"{scheme}://{host}:{port} for {purpose}", not defect, expected, f"{defect}{count} calls")
    if whole.unreadable:
        yield NotObserved("record", f"{whole.unreadable} lines name no host", expected)


@check(basis=OBSERVED, intrusive=True, exclusive=True)
def pretenders_get_nothing(callees: Callees, *, purpose: str) -> Iterator[Finding | NotObserved]:
    """Somebody who answers in the place of a host that is called for `purpose`, without its certificate, gets no request.

    Decides: whether the certificate of the other side is verified before anything is said.
    How: the name of each declared host is made to lead to a TLS receiver of the harness with a certificate for that very name from
    an authority that was made up just now, while calls are caused; connections are counted, and whatever is sent after the
    handshake. Before and after, with the true host in its place, the same calls work.
    Refuted by: one request that comes to the receiver.
    Cannot see: revoked certificates, and hosts of which the harness cannot have the name.
    References: RFC 9525, OWASP ASVS 5.0 12.3.2.
    """
    expected = "no request"
    destinations = [one for one in callees.destinations() if one.purpose == purpose]
    if not destinations:
        yield NotObserved(purpose, f"the target declares no destination for {purpose} calls", expected)
    for destination in destinations:
        subject = f"pretending to be {destination}"
        try:
            found = callees.impersonate(destination)
        except Unobservable as error:
            yield NotObserved(subject, error.reason, expected)
            continue
        how = f"{found.contacts} connections, {found.requests} requests"
        if found.requests:
            yield Finding(subject, False, expected, f"the certificate is not verified: {how}")
        elif not found.contacts:
            yield NotObserved(subject, "no connection came, so that nothing was shown to anybody", expected)
        elif not (found.before_worked and found.after_worked):
            statuses = f"{found.before.status} before and {found.after.status} after"
            yield NotObserved(subject, f"with the true host in its place the flow does not work ({statuses})", expected)
        else:
            said = ", ".join(found.refusals) or "nothing"
            yield Finding(subject, True, expected, f"{how}; the client said {said}")


def _for(purpose: str, calls: Calls) -> list[Call]:
    return [one for one in calls.kinds if one.purpose == purpose]
