"""Whether the database itself keeps tenants' rows apart."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.database import Database


@check(basis=INSPECTED)
def row_security_is_forced(database: Database) -> Iterator[Finding | LeftOut]:
    """Every table that holds tenants' rows has row security on, forced for its owner too, with at least one policy.

    Decides: what the database's catalogue says of each table, partition and view with the tenant's column.

    How: the catalogue is read as the auditing role. A table that the target declares as shared is left out with the reason.

    Refuted by: one table with row security off, not forced, or without a policy; a materialised view or foreign table,
    which cannot have any.

    Cannot see: whether a policy says the right thing (that is for `nothing_is_readable_without_a_tenant` and the API).

    References: PostgreSQL 18 §5.9 Row Security Policies; ISO/IEC 27001:2022 A.8.3.
    """
    shared = database.shared_tables()
    for table in database.tenant_tables():
        name = str(table)
        if reason := shared.get(name) or shared.get(table.name):
            yield LeftOut(name, reason)
            continue
        wrong = [
            text
            for bad, text in (
                (table.kind in {"materialized view", "foreign table"}, f"a {table.kind} cannot have row security"),
                (not table.row_security, "row security is off"),
                (not table.forced, "row security is not forced for the owner"),
                (table.policies == 0, "there is no policy"),
            )
            if bad
        ]
        observed = "; ".join(wrong) or f"on and forced, {table.policies} policies"
        yield Finding(name, not wrong, "row security on and forced, with a policy", observed)


@check(basis=OBSERVED)
def nothing_is_readable_without_a_tenant(database: Database) -> Iterator[Finding | NotObserved | LeftOut]:
    """The application's own database role reads no row of any tenant's table while no tenant is set.

    Decides: for each table with the tenant's column, in a fresh session of the role that the application uses.

    How: rows are counted as the application without a tenant; that there are rows at all is the control, counted as the auditing role.

    Refuted by: a single row that can be read.

    Cannot see: tables without the tenant's column, and functions that run with other rights.

    References: PostgreSQL 18 §5.9; CWE-284.
    """
    shared = database.shared_tables()
    for table in database.tenant_tables():
        name = str(table)
        expected = "no row is readable while no tenant is set"
        if reason := shared.get(name) or shared.get(table.name):
            yield LeftOut(name, reason)
            continue
        try:
            read = database.rows_without_tenant(name)
        except Unobservable as unobservable:
            yield NotObserved(name, unobservable.reason, expected)
            continue
        if read.rows:
            yield Finding(name, False, expected, f"{read.rows} rows are readable without a tenant", seen=(read,))
        elif read.denied:
            yield Finding(name, True, expected, "the role may not read the table at all", seen=(read,))
        elif not read.control_rows:
            yield NotObserved(
                name, "the table has no rows, so that reading none of them shows nothing", expected, seen=(read,)
            )
        else:
            yield Finding(name, True, expected, f"none of at least {read.control_rows} rows is readable", seen=(read,))
