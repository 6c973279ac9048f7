"""Whether staff gets in without the second factor."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.staff import Code, HandedOut, Staff, StaffLoginAttempt, StaffMember


@check(basis=OBSERVED, intrusive=True)
def only_the_present_code_once_opens_a_session(staff: Staff) -> Iterator[Finding | NotObserved]:
    """An old, a future, a made-up and a used code are refused as the second factor; the present one works, once.

    Decides: whether the code that is shown as the second factor is really verified, for a throw-away identity of staff.

    How: with the right password an old code, a future one and a made-up one are shown; then the present one, which must work
    (control); then the same one again with a fresh password, within its time. Last, the next code must work (control: what
    was refused was the code, and not an account that was locked meanwhile).

    Refuted by: a session for any code but the present one.

    Cannot see: guessing of codes, which is for the limits of logins; second factors that are no time-based codes.

    References: RFC 6238 §5.2, OWASP ASVS 5.0 V6.5, CWE-294, CWE-308, NIST SP 800-63B-4 §3.1.4.
    """
    who = _throwaway(staff, 0)
    bad = [_attempt(staff, who, code) for code in (Code.OLD, Code.FUTURE, Code.WRONG)]
    control = staff.log_in(who.name, Code.PRESENT)
    if control.accepted:
        bad.append(_attempt(staff, who, Code.USED))
    again = staff.log_in(who.name, Code.EARLIEST)
    for attempt in bad:
        yield _judged(attempt, who, control, again)
    yield _works(control, who)


@check(basis=OBSERVED, intrusive=True)
def password_alone_opens_nothing(staff: Staff) -> Iterator[Finding | NotObserved | LeftOut]:
    """The password alone gives no session of staff, and what it gives opens no operation of the console.

    Decides: for an identity of each role, whether the first factor's answer holds anything that opens the console; for every
    throw-away one, whether a login without a code, with null or with an empty one is refused; and for every operation of the
    console's OpenAPI document, whether it can be called with nothing, or with what the first factor hands out.

    How: logins stop after the password, or go on without a code. Every operation that asks for a session is called harmlessly,
    without credentials and with what the first factor handed out in place of a session. Controls: the present code opens a session
    of the same account, before and after, and the console answers it.

    Refuted by: a session without the second factor; an operation that does not answer as to somebody without a session.

    Cannot see: operations that the document does not name; sessions that are cookies (said so, and not observed).

    References: OWASP ASVS 5.0 V6.3, V6.6, CWE-306, CWE-308, NIST SP 800-63B-4 §2.2.
    """
    who = _throwaway(staff, -1)
    control = staff.log_in(who.name, Code.EARLIEST)
    yield _works(control, who)
    for member in {one.role: one for one in staff.people()}.values():
        subject = f"the password of {member.name}, alone"
        try:
            handed = staff.first_factor(member.name)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, "gives nothing that opens the console")
            continue
        yield _opens_nothing(handed, subject)
    codes: dict[str, tuple[Code, ...]] = {one.name: (Code.ABSENT,) for one in staff.people() if one.throwaway}
    codes[who.name] = (Code.ABSENT, Code.NULL, Code.EMPTY)
    attempts = [(one, _attempt(staff, one, code)) for one in staff.people() for code in codes.get(one.name, ())]
    again = staff.log_in(who.name, Code.EARLIEST)
    for one, attempt in attempts:
        yield _judged(attempt, one, control, again)
    for operation in staff.operations():
        if operation.public:
            yield LeftOut(operation, "it asks for no session")
            continue
        for holder, shown in ((None, "nothing"), (who.name, "what the first factor hands out")):
            yield _closed(staff, operation.id, holder, f"{operation} with {shown}", works=control.accepted)


@check(basis=INSPECTED)
def every_account_is_enrolled(staff: Staff) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every account of staff that can log in has a second factor set up.

    Decides: for each account that the console lists, whether it has a second factor; accounts that cannot log in are left out.

    How: the console's own list of accounts, read by an identity that may. The accounts of all identities that the harness knows
    must be in it, or it is not whole.

    Refuted by: an account that can log in and has no second factor.

    Cannot see: accounts that the list does not show, and whether the second factor is then asked for (other checks try).

    References: CIS Controls 8 §6.5, OWASP ASVS 5.0 V6.3, CWE-308.
    """
    reader = staff.able(staff.listing_operation())
    accounts = staff.accounts(reader.name)
    listed = {one.account.lower() for one in accounts}
    for member in staff.people():
        if member.account.lower() not in listed:
            yield NotObserved(
                f"the account of {member.name}", "the list of accounts does not show it, so it is not whole"
            )
    for account in accounts:
        if not account.active:
            yield LeftOut(account.account, "it is disabled")
            continue
        observed = "a second factor is set up" if account.enrolled else "no second factor is set up, and it can log in"
        yield Finding(account.account, account.enrolled, "has a second factor", observed, seen=(accounts,))


@check(basis=OBSERVED, intrusive=True)
def no_way_round_the_second_factor(staff: Staff) -> Iterator[Finding | NotObserved | LeftOut]:
    """Setting a password anew, and whatever else needs no session, gives nobody a session of staff.

    Decides: whether any operation of the console's OpenAPI document that needs no session, apart from the login's last step, answers
    with something that opens the console; above all the way to set a password anew.

    How: for a throw-away identity a link is asked for, read from the mailbox that the target names, and used, first without and then
    with the second factor's code (control: that sets the password, to the one that it was). Whatever in an answer could be a
    session is shown to the console. Other operations that need no session are called harmlessly.

    Refuted by: a value in such an answer that opens the console.

    Cannot see: what only a well-meant call of an operation would give whose use the target does not describe.

    References: OWASP ASVS 5.0 V6.4, OWASP WSTG-ATHN-09, CWE-640, CWE-288.
    """
    who = _throwaway(staff, 1)
    login, reset = staff.entrance()
    for operation in staff.operations():
        if not operation.public:
            yield LeftOut(operation, "it asks for a session")
        elif operation.id in login:
            yield LeftOut(operation, "it is a step of the login")
        elif operation.id not in reset:
            yield _opens_nothing(staff.anonymous(operation.id), str(operation))
    without = staff.reset(who.name, Code.ABSENT)
    yield _opens_nothing(without, f"a new password for {who.name}, without the second factor")
    subject = f"a new password for {who.name}, with the second factor"
    complete = staff.reset(who.name, Code.EARLIEST)
    if not complete.worked:
        yield NotObserved(subject, f"it could not be set: {complete.subject} answered {complete.status}")
    else:
        yield _opens_nothing(complete, subject)


def _throwaway(staff: Staff, place: int) -> StaffMember:
    """One of the throw-away identities: checks that run beside each other take different ones."""
    offered = [one for one in staff.people() if one.throwaway]
    if not offered:
        raise Unobservable("the target offers no throw-away identity of staff")
    return offered[place % len(offered)]


def _attempt(staff: Staff, who: StaffMember, code: Code) -> StaffLoginAttempt | tuple[Code, str]:
    """The attempt, or the code with the reason why it could not be made."""
    try:
        return staff.log_in(who.name, code)
    except Unobservable as unobservable:
        return code, unobservable.reason


def _judged(
    attempt: StaffLoginAttempt | tuple[Code, str],
    who: StaffMember,
    control: StaffLoginAttempt,
    again: StaffLoginAttempt,
) -> Finding | NotObserved:
    if isinstance(attempt, tuple):
        return NotObserved(f"{attempt[0].value} of {who.name}", attempt[1], "refused")
    subject, seen = f"{attempt.code.value} of {who.name}", (attempt, control, again)
    if attempt.accepted:
        return Finding(subject, False, "refused", f"{attempt.step} answered {attempt.status} with a session", seen=seen)
    if not control.accepted or not again.accepted:
        which = control if not control.accepted else again
        reason = f"refused with {attempt.status}, but so was {which.code.value}, with {which.status}"
        return NotObserved(subject, reason, "refused", seen=seen)
    if attempt.step != control.step:
        reason = f"{attempt.step} answered {attempt.status}, so that the code was not looked at"
        return NotObserved(subject, reason, "refused", seen=seen)
    return Finding(subject, True, "refused", f"{attempt.step} refused it with {attempt.status}", seen=seen)


def _works(control: StaffLoginAttempt, who: StaffMember) -> Finding | NotObserved:
    subject = f"{control.code.value} of {who.name}"
    if not control.accepted:
        return NotObserved(subject, f"it does not work: {control.step} answered {control.status}", seen=(control,))
    return Finding(subject, True, "opens a session", "opened a session that the console takes", seen=(control,))


def _opens_nothing(handed: HandedOut, subject: str) -> Finding:
    expected = "gives nothing that opens the console"
    if handed.opens:
        places = ", ".join(place or "the whole" for place in handed.opens)
        observed = f"{handed.subject} answered {handed.status}, and its {places} opens the console as a session"
        return Finding(subject, False, expected, observed, seen=(handed,))
    observed = f"{handed.subject} answered {handed.status}; of {handed.tried} values that could be a session none is"
    return Finding(subject, True, expected, observed, seen=(handed,))


def _closed(staff: Staff, operation: str, holder: str | None, subject: str, *, works: bool) -> Finding | NotObserved:
    expected = "answers as to somebody without a session"
    try:
        reply = staff.without_second_factor(operation, holder)
    except Unobservable as unobservable:
        return NotObserved(subject, unobservable.reason, expected)
    if reply.worked:
        return Finding(subject, False, expected, f"answered {reply.status}, without a second factor", seen=(reply,))
    if not staff.is_unauthenticated(reply):
        reason = f"answered {reply.status}, which does not tell whether a session was missed"
        return NotObserved(subject, reason, expected, seen=(reply,))
    if not works:
        return NotObserved(subject, "no session could be opened to compare with", expected, seen=(reply,))
    return Finding(subject, True, expected, f"answered {reply.status}", seen=(reply,))
