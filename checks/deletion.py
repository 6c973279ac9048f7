"""Deletion: nothing of customers who left is kept for longer than was promised, and what stays leads to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from upheld import INSPECTED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.traces import SearchedStore, Traces


@check(basis=INSPECTED)
def nothing_is_left_of_departed_customers(
    traces: Traces, clock: Clock, *, days: int = 30
) -> Iterator[Finding | NotObserved | LeftOut]:
    """No table and no file holds anything of a customer who left more than `days` days ago.

    Decides: whether the data of customers whose account was terminated are gone from every table of the database and from every
    declared folder.

    How: every table that the catalogue lists is searched, all columns of it, and every file of the declared folders, path and content,
    for texts by which the customer's data would be known (name, domain, identifier). The same search must find customers who are
    still there (control). Tables that the target declares to be kept are left out with the reason.

    Refuted by: one row or one file that holds such a text.

    Cannot see: data without any of the declared texts in it, what is encrypted or compressed otherwise than by gzip, logs,
    backups, and stores that the target does not declare.

    References: GDPR Art. 17(1), Art. 5(1)(e), POPIA s14(4), ISO/IEC 27001:2022 A.8.10.
    """
    now = clock.now()
    due = {one.name: (now - one.at).days for one in traces.departed() if now - one.at > timedelta(days=days)}
    if not due:
        raise Unobservable(f"the target names no customer who left more than {days} days ago")
    expected = f"nothing of {', '.join(sorted(due))}, gone for more than {days} days"
    kept = dict(traces.kept())
    living = 0
    try:
        tables = traces.tables()
    except Unobservable as unobservable:
        tables = ()
        yield NotObserved("the database", unobservable.reason, expected)
    for table in tables:
        if table in kept:
            yield LeftOut(table, kept[table])
            continue
        try:
            searched = traces.search_table(table)
        except Unobservable as unobservable:
            yield NotObserved(table, unobservable.reason, expected)
            continue
        living += searched.living
        yield _judged(table, "rows", searched, due, expected)
    if tables and not living:
        reason = "the search finds none of the customers who are still there, so that to find nothing shows nothing"
        yield NotObserved("the database", reason, expected)
    for folder in traces.folders():
        try:
            searched = traces.search_folder(folder)
        except Unobservable as unobservable:
            yield NotObserved(folder, unobservable.reason, expected)
            continue
        finding = _judged(folder, "files", searched, due, expected)
        if isinstance(finding, Finding) and finding.passed and not searched.living:
            yield NotObserved(folder, "it holds nothing of the customers who are still there either", expected)
        else:
            yield finding


@check(basis=INSPECTED)
def anonymised_rows_lead_to_nobody(traces: Traces) -> Iterator[Finding | NotObserved | LeftOut]:
    """No pseudonym in a table that stays is a digest of a name that is known.

    Decides: whether the rows that outlive a customer are anonymised, or only look so: a hash of a name is undone by hashing
    names.

    How: the names, domains and identifiers of all customers that the target knows are hashed by the usual algorithms, and
    every value of the declared columns is compared with the beginnings of the results, in hexadecimal and in base64.

    Refuted by: a value that is, or begins or contains a word that begins, with such a digest.

    Cannot see: digests with a key or a salt, and what else in a row may tell whose it is.

    References: GDPR Recital 26, Art. 4(5), WP29 Opinion 05/2014 §4, POPIA s6(1)(b).
    """
    tables = traces.anonymised_tables()
    if not tables:
        yield LeftOut("anonymised tables", "the target declares that no rows stay of a customer who left")
        traces.departed()
    for table in tables:
        expected = "no value is a digest of a known name"
        try:
            found = traces.pseudonyms(table)
        except Unobservable as unobservable:
            yield NotObserved(table, unobservable.reason, expected)
            continue
        if not found.values:
            yield NotObserved(table, "it holds no value to try", expected)
            continue
        told = "; ".join(
            f"{column} holds the {algorithm} of {name}" for column, algorithm, name in found.reversible[:5]
        )
        observed = told or f"{found.values} values in {found.rows} rows, none a digest of a known name"
        yield Finding(table, not found.reversible, expected, observed, seen=(found,))


def _judged(
    store: str, unit: str, searched: SearchedStore, due: dict[str, int], expected: str
) -> Finding | NotObserved:
    left = [(name, count) for name, count in searched.found if name in due]
    if left:
        told = ", ".join(f"{count} {unit} of {name}, who left {due[name]} days ago" for name, count in left)
        return Finding(store, False, expected, told, seen=(searched,))
    if searched.limited:
        return NotObserved(store, "row security keeps rows from the role that searched", expected, seen=(searched,))
    observed = f"nothing of them in {searched.records} {unit}"
    return Finding(store, True, expected, observed, seen=(searched,))
