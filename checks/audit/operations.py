"""Whether what is done with privilege is in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from pydantic import Field

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api
from upheld.probes.audit_log import AuditLog, Entry
from upheld.probes.clock import Clock
from upheld.probes.staff import Performed, Privileged, Staff

from ._performing import account, emergency, perform, tenant, throwaway

Seconds = Annotated[float, Field(ge=0, le=60)]
_PAUSE_SECONDS = 0.2
_NOBODY = "00000000-0000-4000-8000-000000000000"


@check(basis=OBSERVED, intrusive=True)
def privileged_operations_are_logged(
    api: Api,
    staff: Staff,
    audit_log: AuditLog,
    clock: Clock,
    *,
    within_seconds: Seconds = 5.0,
    skew_seconds: Seconds = 5.0,
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every privileged operation that is performed is in the audit log with who, what, on what, when and with which result.

    Decides: for every operation of the console that the target calls privileged, whether doing it leaves an entry with the actor,
    the action, the target, the time and the result.

    How: each is performed by an identity that may: on a customer's object that was made for it, on a throw-away account, and
    in a session of emergency access from request to end. Then the log is read, for at most `within_seconds`: an entry must have the action's name,
    the account as its actor, the object in the operation's path as its target, a result that means done, and a time within the check's own (and
    `skew_seconds`).

    Refuted by: an operation without such an entry.

    Cannot see: privileged operations that the target does not name, and what is done round the console.

    References: OWASP ASVS 5.0 V16.2, SOC 2 CC7.2, ISO 27001 A.8.15, NIST SP 800-92, CWE-778.
    """
    cases = staff.privileged()
    mark, started = audit_log.mark(), clock.now()
    deeds = _Deeds(staff)
    try:
        _, kind = staff.reading()
        planted = api.plant(api.acting()[0].tenant, kind)
        objects = {**planted.ids(), **account(staff)}
        for case in cases:
            if not case.part:
                deeds.note(case, partial(perform, staff, case, objects))
        burnt = throwaway(staff).name
        parts: dict[str, Callable[[], tuple[Performed, ...]]] = {
            "login": lambda: staff.perform_login(burnt),
            "reset": lambda: staff.perform_reset(burnt),
            "break-glass": lambda: emergency(staff),
        }
        for part, act in parts.items():
            deeds.note_all(
                [case for case in cases if case.part == part or (part, case.part) == ("login", "log out")], act
            )
    finally:
        api.remove_planted()
    yield from deeds.judged(audit_log, clock, mark, started, within_seconds, skew_seconds, refused=False)


@check(basis=OBSERVED, intrusive=True)
def refused_attempts_are_logged(
    api: Api,
    staff: Staff,
    audit_log: AuditLog,
    clock: Clock,
    *,
    within_seconds: Seconds = 5.0,
    skew_seconds: Seconds = 5.0,
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every refused attempt at a privileged operation is in the audit log too, as refused.

    Decides: for every operation of the console that the target calls privileged, whether an attempt that is refused leaves an entry.

    How: each is tried by an identity whose role may not, or by nobody where every role may; reading what a customer wrote
    also without a reason; logins with a made-up password and a made-up code; setting a password with a made-up link. Then the log is
    read as for what was done, for entries whose result means refused.

    Refuted by: a refused attempt without such an entry.

    Cannot see: attempts that are turned away before they reach the console (by rate limits, say).

    References: OWASP ASVS 5.0 V16.3, SOC 2 CC7.2, ISO 27001 A.8.15, CWE-778.
    """
    cases = staff.privileged()
    mark, started = audit_log.mark(), clock.now()
    deeds = _Deeds(staff)
    _, asking = staff.entrance()
    reading, _ = staff.reading()
    objects = {kind: _NOBODY for case in cases for kind in case.objects} | {"tenant": tenant(api), "role": "none"}
    for case in cases:
        if case.part in {"", "break-glass", "log out"}:
            who = staff.unable(case.operation)
            name = who.name if who else None
            deeds.note(case, lambda case=case, name=name: (staff.perform_refused(case.operation, name, objects),))  # type: ignore[misc]
        if case.operation == reading:
            able = staff.able(reading).name
            deeds.note(case, lambda case=case, able=able: (staff.perform_refused(case.operation, able, objects),))  # type: ignore[misc]
    burnt = throwaway(staff, -1).name
    deeds.note_all([case for case in cases if case.part == "login"], lambda: staff.perform_bad_logins(burnt))
    for case in cases:
        if case.part == "reset" and case.operation == asking[-1]:
            deeds.note(case, lambda: (staff.perform_bad_reset(burnt),))
        elif case.part == "reset":
            yield LeftOut(case, "it refuses nobody: whether there is such an account must not show")
    yield from deeds.judged(audit_log, clock, mark, started, within_seconds, skew_seconds, refused=True)


@check(basis=OBSERVED, intrusive=True)
def justified_reads_leave_an_entry(
    api: Api,
    staff: Staff,
    audit_log: AuditLog,
    clock: Clock,
    *,
    within_seconds: Seconds = 5.0,
    skew_seconds: Seconds = 5.0,
) -> Iterator[Finding | NotObserved]:
    """Reading what a customer wrote leaves an entry that names who read, whose it was, what it was, and why.

    Decides: whether staff's reading with a good reason is in the audit log with the reader's account, the tenant, the object and
    the reason in the reader's words.

    How: an object is made through the customers' API and read on the console with the good reason that the target gives, by each
    identity that may (throw-away ones left out); then the log is read, for at most `within_seconds`.

    Refuted by: no entry, or one that lacks any of the four.

    Cannot see: other ways to the content than the console's.

    References: OWASP ASVS 5.0 V16.2, GDPR Art. 5(2), ISO 27001 A.8.15, CWE-778.
    """
    operation, kind = staff.reading()
    good, _ = staff.reasons()
    who = staff.able(operation)
    mark, started = audit_log.mark(), clock.now()
    try:
        planted = api.plant(api.acting()[0].tenant, kind)
        objects = planted.ids()
        if kind not in objects:
            raise Unobservable(planted.missing()[kind])
        done = staff.perform(operation, who.name, objects)
    finally:
        api.remove_planted()
    if not done.worked:
        yield NotObserved(done, f"it could not be read: {operation} answered {done.status}", seen=(done,))
        return
    expected = "an entry with who, whose, what and why"

    def read(entry: Entry) -> bool:
        return _in_time(entry, started, clock.now(), skew_seconds) and entry.action == done.action and entry.done

    wanted: dict[str, Callable[[Entry], bool]] = {
        "who": lambda entry: entry.actor == done.actor,
        "whose": lambda entry: planted.id in f"{entry.tenant} {entry.target}",
        "what": lambda entry: objects[kind] in entry.target,
        "why": lambda entry: entry.reason == good or good in entry.details,
    }
    entries = _wait(
        audit_log,
        clock,
        mark,
        within_seconds,
        lambda found: any(read(one) and objects[kind] in one.target for one in found),
    )
    near = [one for one in entries if read(one) and (objects[kind] in one.target or one.actor == done.actor)]
    best = max(near, key=lambda one: sum(is_so(one) for is_so in wanted.values()), default=None)
    if best is None:
        yield Finding(done, False, expected, "read, and no entry of it is in the audit log", seen=(done, entries))
        return
    missing = [name for name, is_so in wanted.items() if not is_so(best)]
    observed = (
        f"its entry does not say {' nor '.join(missing)}" if missing else "an entry says who, whose, what and why"
    )
    yield Finding(done, not missing, expected, observed, seen=(done, entries))


@dataclass
class _Deeds:
    """What was performed, and what could not be and why."""

    staff: Staff
    done: list[Performed] = field(default_factory=list)
    undone: list[NotObserved] = field(default_factory=list)

    def note(self, case: Privileged, perform: Callable[[], tuple[Performed, ...]]) -> None:
        """Perform one operation."""
        self.note_all([case], perform)

    def note_all(self, cases: Sequence[Privileged], perform: Callable[[], tuple[Performed, ...]]) -> None:
        """Perform several operations that belong together; each that was not performed is noted with the reason."""
        if not cases:
            return
        reason = "it was not performed"
        found: tuple[Performed, ...] = ()
        try:
            found = perform()
        except Unobservable as unobservable:
            reason = unobservable.reason
        names = {case.operation for case in cases}
        self.done += [one for one in found if one.operation in names]
        for name in names - {one.operation for one in found}:
            self.undone.append(NotObserved(name, reason, "an entry in the audit log"))

    def judged(
        self,
        audit_log: AuditLog,
        clock: Clock,
        mark: int,
        started: datetime,
        within_seconds: float,
        skew_seconds: float,
        *,
        refused: bool,
    ) -> Iterator[Finding | NotObserved]:
        """Whether each has its entry; what did not come out as it was meant is not observed."""
        yield from self.undone
        ended = clock.now()
        meant = [one for one in self.done if (one.refused if refused else one.worked)]

        def logged(one: Performed, entries: Sequence[Entry]) -> bool:
            return any(
                _tells(entry, one, refused=refused) and _in_time(entry, started, ended, skew_seconds)
                for entry in entries
            )

        entries = _wait(audit_log, clock, mark, within_seconds, lambda found: all(logged(one, found) for one in meant))
        expected = f"an entry with actor, action, target, time and the result {'refused' if refused else 'done'}"
        for one in self.done:
            if one not in meant:
                what = "it was not refused" if refused else "it could not be performed"
                yield NotObserved(one, f"{what}: answered {one.status}", expected, seen=(one,))
                continue
            found = logged(one, entries)
            observed = f"answered {one.status}, and {'the entry is there' if found else _lack(one, entries)}"
            yield Finding(one, found, expected, observed, seen=(one, entries))


def _tells(entry: Entry, one: Performed, *, refused: bool) -> bool:
    """Whether an entry tells of what was done, by whom and to what, with this result."""
    if entry.action != one.action or not (entry.refused if refused else entry.done):
        return False
    if one.in_session and one.actor:
        whose = entry.actor == one.actor
    else:  # Before there is a session the console may only know whom it is about.
        whose = bool(entry.actor) and one.account_id in f"{entry.actor} {entry.target}"
    what = one.objects[-1] in f"{entry.target} {entry.tenant}" if one.objects else bool(entry.target)
    return whose and what


def _lack(one: Performed, entries: Sequence[Entry]) -> str:
    alike = [entry for entry in entries if entry.action == one.action]
    if not alike:
        return f"no entry with the action {one.action} is in the audit log"
    return f"none of {len(alike)} entries with the action {one.action} tells who did it to what with this result"


def _in_time(entry: Entry, started: datetime, ended: datetime, skew_seconds: float) -> bool:
    skew = timedelta(seconds=skew_seconds)
    return started - skew <= entry.at <= ended + skew


def _wait(
    audit_log: AuditLog, clock: Clock, mark: int, within_seconds: float, enough: Callable[[Sequence[Entry]], bool]
) -> tuple[Entry, ...]:
    """The entries since `mark`, as soon as they are enough, or when the time is over."""
    waited = 0.0
    while True:
        entries = audit_log.since(mark)
        if enough(entries) or waited >= within_seconds:
            return entries
        waited += clock.wait(_PAUSE_SECONDS)
