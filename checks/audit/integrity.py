"""Whether the audit log can be relied on: nobody changes it, and its chain shows if somebody did."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.audit_log import ATTEMPTS, AuditLog


@check(basis=OBSERVED, intrusive=True)
def application_cannot_change_the_log(audit_log: AuditLog) -> Iterator[Finding | NotObserved]:
    """The application's own database role can neither change nor delete entries of the audit log.

    Decides: whether update, delete, truncate, or taking triggers off first, works for the role that the application connects as.

    How: each is tried as that role, in a transaction that is rolled back. A statement that is not denied, and changes no row because
    row security leaves it none, changes nothing. Controls: there are entries, and the role can read the log's table (or add an entry,
    where the target says how), so that it is not denied for another reason.

    Refuted by: a statement that changes a row, or that truncates the table.

    Cannot see: what other roles may do, and whoever has the database's files.

    References: OWASP ASVS 5.0 V16.4, SOC 2 CC7.2, ISO 27001 A.8.15, CWE-732, NIST SP 800-92 §4.2.
    """
    control = audit_log.control()
    if not control.rows:
        raise Unobservable("the audit log has no entries, so that changing none shows nothing")
    if not control.reads and not control.appends:
        raise Unobservable("the application's role is let nowhere near the audit log, so that this shows nothing of it")
    expected = "denied, or no row changed"
    for what in ATTEMPTS:
        subject = f"{what}, as the application"
        try:
            attempt = audit_log.attempt(what)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        if attempt.denied:
            yield Finding(subject, True, expected, f"denied ({attempt.words})", seen=(control, attempt))
        elif what == "truncate":
            yield Finding(subject, False, expected, "the application may empty the audit log", seen=(control, attempt))
        elif attempt.rows:
            observed = f"the application may do that: {attempt.rows} entries would be changed or gone"
            yield Finding(subject, False, expected, observed, seen=(control, attempt))
        else:
            yield Finding(subject, True, expected, "allowed, but it reaches no row", seen=(control, attempt))


@check(basis=INSPECTED)
def chain_of_digests_holds(audit_log: AuditLog) -> Iterator[Finding | NotObserved]:
    """Every entry of the audit log has the digest of its content and names the digest before it, as far as was noted elsewhere.

    Decides: whether an entry was changed, removed, inserted, moved or cut off since it was written.

    How: every digest is computed anew, in the form that the target describes, from the first entry to the last; sequence numbers have no
    gaps; each digest that was noted outside the database is found in the log.

    Refuted by: a digest that does not fit, a gap, an entry that names another before it, a noted digest that is gone or differs.

    Cannot see: entries that were never written; a log that was written anew together with everything that was noted elsewhere.

    References: RFC 6962 (the idea), OWASP ASVS 5.0 V16.4, NIST SP 800-92 §4.2, CWE-354.
    """
    chain = audit_log.chain()
    if not chain.entries:
        raise Unobservable("the audit log has no entries, so that its chain shows nothing")
    expected = "every digest fits its entry and the entry before it"
    if chain.breaks:
        more = f" (and {chain.breaks - 1} more)" if chain.breaks > 1 else ""
        yield Finding("the chain", False, expected, f"{chain.first_breaks[0]}{more}", seen=(chain,))
    else:
        yield Finding("the chain", True, expected, f"{chain.entries} entries are chained", seen=(chain,))
    anchored = "the log holds what was noted outside the database"
    if not chain.anchors:
        yield NotObserved(
            "the anchors", "no digest was noted outside the database, so that a cut end would not show", anchored
        )
    elif not chain.breaks:
        yield Finding("the anchors", True, anchored, f"{chain.anchors} noted digests are in the log", seen=(chain,))
