"""Whether emergency access can be had alone."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, NotObserved, check
from upheld.probes.staff import Staff


@check(basis=OBSERVED, intrusive=True)
def emergency_access_needs_a_ticket_and_another_person(staff: Staff) -> Iterator[Finding | NotObserved]:
    """Emergency access is refused without a ticket, before it is approved, and to whoever approves it themselves.

    Decides: whether one person alone can get emergency access, or without a ticket.

    How: an identity that may both ask and approve asks with a ticket (control), and without one. It tries to start the session that
    nobody approved, and to approve it. Then another one approves it (control), and it is started and ended.

    Refuted by: a request without a ticket that is taken; a session that starts unapproved; an approval of one's own request.

    Cannot see: whether the ticket exists, and ways into production round the console (host facts tell of those).

    References: NIST SP 800-53 AC-6(9), SOC 2 CC6.3, ISO 27001 A.8.2.
    """
    steps = staff.break_glass()
    who = staff.able(steps.approve)
    other = staff.also_able(steps.approve, (who.name,))
    asked = staff.ask_for_break_glass(who.name)
    if not asked.id:
        reason = f"{who.name} cannot ask for it even with a ticket: answered {asked.reply.status}"
        yield NotObserved(steps.request, reason, seen=(asked,))
        return
    subject, expected = f"{steps.request} without a ticket", "refused"
    bare = staff.ask_for_break_glass(who.name, ticket=False)
    if bare.reply.worked or bare.reply.refused:
        how = "as if no ticket were needed" if bare.reply.worked else "with a ticket it is taken"
        yield Finding(subject, bare.reply.refused, expected, f"answered {bare.reply.status}; {how}", seen=(bare, asked))
    else:
        yield NotObserved(subject, f"answered {bare.reply.status}, which is no refusal here", expected, seen=(bare,))
    objects = {steps.kind: asked.id}
    early = staff.call(steps.start, who.name, objects)
    own = staff.call(steps.approve, who.name, objects)
    approved = staff.call(steps.approve, other.name, objects)
    started = staff.call(steps.start, who.name, objects)
    if started.worked or early.worked:
        staff.call(steps.end, who.name, objects)
    for reply, what, control in (
        (early, f"{steps.start} before anybody approved", started),
        (own, f"{steps.approve} of one's own request", approved),
    ):
        if reply.worked:
            yield Finding(what, False, expected, f"answered {reply.status}, as if it were allowed", seen=(reply,))
        elif not reply.refused:
            yield NotObserved(what, f"answered {reply.status}, which is no refusal here", expected, seen=(reply,))
        elif not control.worked:
            reason = f"refused with {reply.status}, but the way that is meant answered {control.status}"
            yield NotObserved(what, reason, expected, seen=(reply, control))
        else:
            observed = f"refused with {reply.status}; as it is meant, {control.status}"
            yield Finding(what, True, expected, observed, seen=(reply, control))
