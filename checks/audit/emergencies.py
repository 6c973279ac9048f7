"""Whether the audit log's emergencies were what they should be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from upheld import INSPECTED, Finding, LeftOut, check
from upheld.probes.audit_log import AuditLog, EmergencySession
from upheld.probes.clock import Clock


@check(basis=INSPECTED)
def emergency_access_was_in_order(
    audit_log: AuditLog,
    clock: Clock,
    *,
    longest_minutes: Annotated[float, Field(gt=0, le=1440)] = 60.0,
    grace_minutes: Annotated[float, Field(ge=0, le=60)] = 5.0,
) -> Iterator[Finding | LeftOut]:
    """Every session of emergency access in the audit log has a ticket, another person's approval before it, a start and an end in time.

    Decides: for each session that was started, whether it was asked for with a ticket, approved by somebody else before it began, started by
    who asked, and over within `longest_minutes` (and `grace_minutes`). One that still runs must be within its time.

    How: the entries of the log are put together by the session that they name; steps that were refused do not count.

    Refuted by: a session without ticket, approval, or end; one that was approved by who used it, or too late; one that lasted too long.

    Cannot see: access that left no entry; whether a ticket exists where tickets are kept.

    References: NIST SP 800-53 AC-6(9), SOC 2 CC6.3, ISO 27001 A.8.2.
    """
    sessions = audit_log.emergency_sessions()
    now = clock.now()
    limit = timedelta(minutes=longest_minutes + grace_minutes)
    expected = f"a ticket, another person's approval, a start, and an end within {longest_minutes:g} min"
    for one in sessions:
        if one.started_at is None:
            yield LeftOut(one.target, "it was asked for and never started")
            continue
        wrong = list(_wrong(one))
        if one.ended_at is None and now - one.started_at > limit:
            wrong.append(f"it began at {one.started_at:%Y-%m-%d %H:%M} UTC and has no end")
        elif one.ended_at is not None and one.ended_at - one.started_at > limit:
            wrong.append(f"it lasted {(one.ended_at - one.started_at).total_seconds() / 60:.0f} min")
        when = f"{one.started_at:%Y-%m-%d %H:%M} UTC"
        observed = "; ".join(wrong) if wrong else f"{one.ticket}, approved by another, {when}"
        yield Finding(one.target, not wrong, expected, observed, seen=(sessions,))


def _wrong(one: EmergencySession) -> Iterator[str]:
    """What is wrong with how a session came about."""
    if not one.ticket.strip():
        yield "it has no ticket"
    if one.requested_by is None:
        yield "nobody asked for it"
    elif one.started_by != one.requested_by:
        yield "it was started by somebody who had not asked for it"
    if one.approved_by is None or one.approved_at is None:
        yield "nobody approved it"
    elif one.approved_by in {one.requested_by, one.started_by}:
        yield "it was approved by whoever used it"
    elif one.started_at is not None and one.approved_at > one.started_at:
        yield "it was approved after it had begun"
