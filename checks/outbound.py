"""Whom the deployment calls: only those whom it declares, and only those who are in the register of sub-processors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from upheld import OBSERVED, RECORDED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.canaries import Canaries
from upheld.probes.clock import Clock
from upheld.probes.outbound import Calls, Outbound
from upheld.probes.registers import Registers

Days = Annotated[int, Field(ge=1, le=366)]
Seconds = Annotated[float, Field(ge=0, le=120)]

_POLL_SECONDS = 0.1


@check(basis=OBSERVED, intrusive=True)
def only_declared_hosts_are_called(
    outbound: Outbound,
    canaries: Canaries,
    clock: Clock,
    *,
    days: Days = 30,
    flush_seconds: Seconds = 5,
    settle_seconds: Seconds = 1,
) -> Iterator[Finding | NotObserved | LeftOut]:
    """The deployment calls only hosts that it declares, also while secrets are entrusted to it.

    Decides: whether every host in the record of outbound calls, of the last `days` and of this audit, is one of the declared destinations.

    How: sends a canary through every declared flow, so that whatever is called on the way in or when that fails is called; waits until the
    record shows new calls (without any it has shown nothing) and `settle_seconds` for those that come late; then reads the whole record.

    Refuted by: a call to a host that is not declared.

    Cannot see: what was said; calls that leave past the record; what goes to a host that customers choose (`to_customers`).

    References: GDPR Art. 32(1)(b), ISO/IEC 27001:2022 A.5.14 and A.8.12, CWE-200.
    """
    declared = outbound.declared()
    expected = "a declared destination of the deployment"
    hosts = {host for _, host in declared.hosts}
    unearned, recorded, unseen = _provoked(outbound, canaries, clock, days, flush_seconds, settle_seconds)
    yield from unseen
    for (purpose, host), count in _called(recorded).items():
        subject = f"{host} ({purpose})" if purpose else host
        if purpose in declared.to_customers:
            yield LeftOut(subject, f"customers choose where calls for {purpose} go")
        elif host not in hosts:
            yield Finding(subject, False, expected, f"calls: {count}; it is not declared", seen=(recorded, declared))
        elif unearned:
            yield NotObserved(subject, unearned, expected)
        else:
            yield Finding(subject, True, expected, f"declared; calls: {count}", seen=(recorded, declared))
    if unearned:
        yield NotObserved("record of outbound calls", unearned, expected)


@check(basis=RECORDED, intrusive=True)
def every_called_host_is_in_the_register(
    outbound: Outbound,
    registers: Registers,
    canaries: Canaries,
    clock: Clock,
    *,
    days: Days = 30,
    flush_seconds: Seconds = 5,
    settle_seconds: Seconds = 1,
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every host that the deployment calls or declares to call belongs to an entry of the register of sub-processors.

    Decides: whether somebody who is sent data is missing from the register.

    How: the hosts in the record of outbound calls (after a canary went through every declared flow, as for `outbound.only_declared_hosts_are_called`)
    and those that the target declares are looked for under `hosts` of the register's entries; `*.example.com` there covers all names below it.

    Refuted by: a host that no entry names.

    Cannot see: calls past the record; hosts that customers choose and the deployment's own endpoints are left out.

    References: GDPR Art. 28(2) and (3), POPIA s20 and s21, ISO/IEC 27001:2022 A.5.19.
    """
    book = registers.read("sub_processors")
    owners: dict[str, str] = {}
    for entry in book.entries:
        try:
            owners.update({host.casefold().rstrip("."): entry.where for host in entry.texts("hosts")})
        except Unobservable as unobservable:
            yield NotObserved(entry, unobservable.reason)
    declared = outbound.declared()
    unearned, recorded, unseen = _provoked(outbound, canaries, clock, days, flush_seconds, settle_seconds)
    yield from unseen
    expected = "an entry of the register of sub-processors names it"
    called = _called(recorded)
    for purpose, host in dict.fromkeys((*called, *declared.hosts)):
        subject = f"{host} ({purpose})" if purpose else host
        how = f"calls: {called[purpose, host]}" if (purpose, host) in called else "declared"
        if purpose in declared.to_customers:
            yield LeftOut(subject, f"customers choose where calls for {purpose} go")
        elif host in declared.own:
            yield LeftOut(subject, "it is an endpoint of the deployment itself")
        elif owner := _owner(host, owners):
            yield Finding(subject, True, expected, f"{how}; in the register as {owner}", seen=(recorded, book))
        else:
            yield Finding(subject, False, expected, f"{how}; in no entry", seen=(recorded, declared, book))
    if unearned:
        yield NotObserved("record of outbound calls", unearned, expected)


def _provoked(
    outbound: Outbound, canaries: Canaries, clock: Clock, days: int, flush_seconds: float, settle_seconds: float
) -> tuple[str, Calls, list[NotObserved]]:
    """Have secrets enter in every declared way; gives why the record proves nothing (or an empty text), what it holds, and what was not seen."""
    unseen: list[NotObserved] = []
    began = clock.now()
    mark = outbound.mark()
    unearned = ""
    try:
        flows = canaries.flows()
    except Unobservable as unobservable:
        flows, unearned = (), f"nothing was sent that has calls made: {unobservable.reason}"
    for flow in flows:
        try:
            run = canaries.run(flow)
        except Unobservable as unobservable:
            unseen.append(NotObserved(f"calls during {flow}", unobservable.reason))
            continue
        if run.status not in flow.statuses:
            reason = f"it answered {run.status}, so that this way was not taken"
            unseen.append(NotObserved(f"calls during {flow}", reason, seen=(run,)))
    waited = 0.0
    while flows and not outbound.calls(since=mark).calls and waited < flush_seconds:
        waited += clock.wait(_POLL_SECONDS)
    if flows and not outbound.calls(since=mark).calls:
        unearned = "the record shows no call although secrets were sent in, so that it may not be what records calls"
    clock.wait(settle_seconds)
    recorded = outbound.calls(after=began - timedelta(days=days))
    if recorded.unreadable:
        reason = f"{recorded.unreadable} lines name no host"
        unseen.append(NotObserved("lines of the record", reason, seen=(recorded,)))
    return unearned, recorded, unseen


def _called(recorded: Calls) -> dict[tuple[str, str], int]:
    """How often each host was called, for each purpose."""
    called: dict[tuple[str, str], int] = {}
    for kind in recorded.kinds:
        called[kind.purpose, kind.host] = called.get((kind.purpose, kind.host), 0) + kind.count
    return called


def _owner(host: str, owners: dict[str, str]) -> str:
    """The entry that names the host, or a pattern that covers it."""
    parents = [".".join(host.split(".")[index:]) for index in range(1, host.count(".") + 1)]
    return owners.get(host) or next((owners[f"*.{parent}"] for parent in parents if f"*.{parent}" in owners), "")
