"""Who may do what in the database: roles have what they need and no more, and what is kept apart stays apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from upheld import INSPECTED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.privileges import Grant, Privileges


@check(basis=INSPECTED)
def roles_have_no_powers_over_the_server(privileges: Privileges) -> Iterator[Finding | NotObserved | LeftOut]:
    """No role but declared administrators is a superuser, bypasses row security, replicates, or makes roles or databases.

    Decides: whether what services and people connect as can be held to grants and row security at all.

    How: reads the attributes of every role from the catalogue, with the roles that each is a member of, whose attributes it can take on
    by SET ROLE. Looks with the application's own URL as which role it really connects.

    Refuted by: a role with such a power that is no declared administrator, a service's role even if it is declared one, a service's role
    that may become one with such a power, and an application that connects as another role than declared.

    Cannot see: other databases' own roles, and what the operating system lets its accounts do to the database's files.

    References: NIST SP 800-53 AC-6, PostgreSQL documentation "Role Attributes", ISO/IEC 27001:2022 A.8.2.
    """
    roles = {role.name: role for role in privileges.roles()}
    administrators = dict(privileges.administrators())
    services = privileges.service_roles()
    expected = "no powers over the whole server"
    for name in services:
        if name not in roles:
            yield NotObserved(
                f"role {name}",
                "the catalogue has no such role, so nothing shows as what the service connects",
                expected,
            )
    for name, role in roles.items():
        powers = [*role.powers]
        powers += [
            f"may become {one}, which {', '.join(roles[one].powers)}"
            for one in role.may_become
            if one in roles and roles[one].powers
        ]
        powers += [f"is a member of {one}" for one in role.may_become if one not in roles]
        if powers and name in administrators and name not in services:
            yield LeftOut(f"role {name}", f"declared as an administrator: {administrators[name]}")
        else:
            yield Finding(f"role {name}", not powers, expected, "; ".join(powers) or "none")
    try:
        connected, declared = privileges.application_role(), privileges.declared_application()
    except Unobservable as unobservable:
        yield NotObserved("the application's connection", unobservable.reason)
        return
    yield Finding(
        "the application's connection", connected == declared, f"it is as {declared}", f"it is as {connected}"
    )


@check(basis=INSPECTED)
def services_own_nothing(privileges: Privileges) -> Iterator[Finding | NotObserved | LeftOut]:
    """No role that a service connects as owns a schema, a table, a view, a sequence or a function.

    Decides: whether a service could change or drop what it works with: an owner may all, whatever was granted, and may turn
    row security off.

    How: reads the owner of every object from the catalogue, and judges each service's role with the roles that it may become.

    Refuted by: an object that a service's role or a role that it is a member of owns, unless the target declares that role an
    owner, with a reason; the application's role is never excused.

    Cannot see: objects in other databases of the same server.

    References: NIST SP 800-53 AC-6(1), CIS PostgreSQL Benchmark 4.
    """
    owned: dict[str, list[str]] = defaultdict(list)
    for one in privileges.owned():
        owned[one.role].append(f"{one.kind} {one.object}")
    roles = {role.name: role for role in privileges.roles()}
    owners, application = dict(privileges.owners()), privileges.declared_application()
    expected = "owns nothing"
    for name in privileges.service_roles():
        if name not in roles:
            yield NotObserved(f"role {name}", "the catalogue has no such role", expected)
            continue
        if name in owners and name != application:
            yield LeftOut(f"role {name}", f"declared as an owner: {owners[name]}")
            continue
        mine = [(holder, what) for holder in (name, *roles[name].may_become) for what in owned.get(holder, ())]
        shown = ", ".join(what if holder == name else f"{what} (as {holder})" for holder, what in mine[:5])
        more = f" and {len(mine) - 5} more" if len(mine) > 5 else ""
        yield Finding(f"role {name}", not mine, expected, f"owns {shown}{more}" if mine else "owns nothing")
    strangers = {holder: what for holder, what in owned.items() if holder not in owners}
    for holder, what in strangers.items():
        if holder in privileges.service_roles() or holder not in roles:
            continue
        yield Finding(
            f"role {holder}", False, "owns nothing, for it is no declared owner", f"owns {', '.join(what[:5])}"
        )


@check(basis=INSPECTED)
def roles_have_only_declared_grants(privileges: Privileges) -> Iterator[Finding | NotObserved | LeftOut]:
    """No role has a privilege, a membership or a default privilege that was not granted by decision.

    Decides: whether what each role may is what was reviewed and declared, and no more.

    How: reads every entry of every access list in the catalogue (schemas, tables, columns, views, sequences, functions, the database,
    default privileges, memberships) and compares it with the target's list, role by role; `PUBLIC` is a role of its own.

    Refuted by: an entry beyond the list, and one that may be passed on (WITH GRANT OPTION).

    Cannot see: what functions do that run with their owner's rights, and whether what was declared is needed.

    References: NIST SP 800-53 AC-6, ISO/IEC 27001:2022 A.8.3.
    """
    by_role: dict[str, list[Grant]] = defaultdict(list)
    for one in privileges.granted():
        by_role[one.role].append(one)
    administrators = dict(privileges.administrators())
    services = privileges.service_roles()
    expected = "only what is declared"
    names = dict.fromkeys((*services, *(role.name for role in privileges.roles()), *by_role))
    for name in names:
        grants = by_role.get(name, [])
        declared = dict(privileges.declared(name))
        if name in administrators and name not in services and not declared:
            yield LeftOut(f"role {name}", f"declared as an administrator: {administrators[name]}")
            continue
        beyond: dict[str, list[str]] = defaultdict(list)
        for grant in grants:
            if grant.privilege not in declared.get(grant.object, ()):
                beyond[grant.object].append(grant.privilege)
            elif grant.grantable:
                beyond[grant.object].append(f"{grant.privilege} with grant option")
        shown = "; ".join(f"{', '.join(words)} on {place}" for place, words in list(beyond.items())[:5])
        more = f" and on {len(beyond) - 5} more objects" if len(beyond) > 5 else ""
        yield Finding(
            f"role {name}",
            not beyond,
            expected,
            f"has more than is declared: {shown}{more}" if beyond else f"{len(grants)} privileges, all declared",
        )
    owners = dict(privileges.owners())
    absent = [
        name for name in services if not by_role.get(name) and not privileges.declared(name) and name not in owners
    ]
    for name in absent:
        yield NotObserved(
            f"grants of {name}", "the catalogue and the target know no grant of it, so nothing shows what it may"
        )


@check(basis=INSPECTED)
def kept_apart_columns_stand_apart(privileges: Privileges) -> Iterator[Finding | NotObserved]:
    """No table, view or schema holds columns of both groups that the target says are kept apart.

    Decides: whether, say, identifiers of accounts and the tokens that belong to them are stored separately.

    How: reads every column from the catalogue and looks for relations and schemas that have a column of each group or one called
    like it; follows each view to the columns that it reads, through other views too, whatever it calls them.

    Refuted by: a table, a view, a materialised view or a schema with both.

    Cannot see: values copied into a table under another name, and what functions join.

    References: ISO/IEC 27001:2022 A.8.3, A.8.11; GDPR Art. 32(1)(a).
    """
    for name in privileges.kept_apart():
        apart = privileges.apart(name)
        expected = "no table, view or schema with both"
        for column in apart.missing:
            yield NotObserved(
                f"{name}: {column}", "the catalogue has no such column, so nothing shows where it is kept", expected
            )
        for one in (*apart.relations, *apart.schemas):
            together = f"holds {', '.join(one.first)} together with {', '.join(one.second)}"
            yield Finding(f"{one.kind} {one.place}", False, expected, together, seen=(apart,))
        if not apart.missing and not apart.relations and not apart.schemas:
            yield Finding(name, True, expected, "every table, view and schema holds one group at most", seen=(apart,))


@check(basis=INSPECTED)
def no_role_reads_both_groups(privileges: Privileges) -> Iterator[Finding | NotObserved | LeftOut]:
    """No role may read columns of both groups that the target says are kept apart.

    Decides: whether one stolen connection is enough to have, say, an account's identifiers and its token.

    How: asks the catalogue for every role whether it may select each column, directly, through a view, through PUBLIC, or as a role
    that it is a member of.

    Refuted by: a role that may read of both groups and is not exempt in the target, with a reason; a superuser that is not exempt.

    Cannot see: reading through functions that run with their owner's rights, and row security, which only narrows it.

    References: ISO/IEC 27001:2022 A.5.3, A.8.3.
    """
    for name in privileges.kept_apart():
        exempt = dict(privileges.exempt(name))
        apart = privileges.apart(name)
        expected = "reads one group at most"
        for column in apart.missing:
            yield NotObserved(f"{name}: {column}", "the catalogue has no such column", expected)
        if not any(reader.first for reader in apart.readers) or not any(reader.second for reader in apart.readers):
            yield NotObserved(name, "no role at all reads one of the groups, so the privileges were not seen", expected)
            continue
        for reader in apart.readers:
            if reader.role in exempt:
                yield LeftOut(f"role {reader.role}", f"exempt: {exempt[reader.role]}")
                continue
            both = bool(reader.first and reader.second)
            shown = f"reads {', '.join(reader.first[:3])} and {', '.join(reader.second[:3])}"
            one = ", ".join((*reader.first, *reader.second)) or "none of them"
            observed = f"{shown}{', as a superuser' if reader.superuser else ''}" if both else f"reads {one}"
            yield Finding(f"role {reader.role}", not both, expected, observed, seen=(apart,))
