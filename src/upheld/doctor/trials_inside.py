"""The trials of the probes that look inside: the database, logs, backups, the host, code and records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from upheld.doctor.shared import count, counted, once, seen
from upheld.errors import Unobservable
from upheld.probes.attestations import Attestations
from upheld.probes.audit_log import AuditLog
from upheld.probes.backups import Backups
from upheld.probes.base import Session
from upheld.probes.calendar import Calendar
from upheld.probes.callees import Callees
from upheld.probes.clock import Clock
from upheld.probes.code import Code
from upheld.probes.codebase import Codebase
from upheld.probes.copies import Copies
from upheld.probes.database import Database
from upheld.probes.dependencies import Dependencies
from upheld.probes.deploys import Deploys
from upheld.probes.forge import Forge
from upheld.probes.git import Git
from upheld.probes.host import Host
from upheld.probes.internal import Internal, Service
from upheld.probes.logs import Logs
from upheld.probes.outbound import Outbound
from upheld.probes.passwords import Passwords
from upheld.probes.privileges import Privileges
from upheld.probes.registers import Registers
from upheld.probes.repositories import Repositories
from upheld.probes.sealed import Sealed
from upheld.probes.shared_roles import SharedRoles
from upheld.probes.stores import Stores
from upheld.probes.tls_in_code import TlsInCode
from upheld.probes.traces import Traces
from upheld.probes.trying import Asked, Trial, tries

_DRIVERS = "pip install 'upheld[postgresql]' for PostgreSQL, 'upheld[mysql]' for MySQL and MariaDB, or the driver that the URL names"
_FACTS = ("accounts", "authorized_keys", "sshd", "processes", "upgrade_settings", "upgrade_runs", "firmware")
_PLACES = ("data directory", "write-ahead log", "temporary space")
_REGISTERS = ("staff", "access_reviews", "incidents", "sub_processors", "data_flows", "vulnerability_reports")


# --- data ------------------------------------------------------------------------------------------------------------


def _read_as(session: Session, role: str, only: tuple[str, ...] = ()) -> Trial:
    """A connection to the database in that role; nothing is read of any table."""
    what = f"the database, {role}'s role"

    def connect() -> str:
        try:
            with cast("Database", session.probe(Database)).reading(role) as connection:
                return f"connected to {connection.dialect.name}"
        except Unobservable as error:
            if error.reason.endswith(("ModuleNotFoundError", "ImportError", "NoSuchModuleError")):
                raise Unobservable(f"{error.reason}: {_DRIVERS}") from None
            raise

    return Trial(what, once(session, what, connect), only)


@tries(Database)
def _database(probe: Database, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "auditor")
    yield _read_as(probe.session, "application", ("rows_without_tenant",))
    # MySQL and MariaDB show an account no table that it may not use, and say nothing of that.
    yield Trial("the catalogue of tables", counted(probe.stored_columns, "table"), ("stored_columns",))
    yield Trial("tables of tenants", counted(probe.tenant_tables, "table"), ("tenant_tables",))


@tries(Sealed, untried="opening values")
def _sealed(probe: Sealed, _: Asked) -> Iterator[Trial]:
    sealed = probe.target.database is not None and probe.target.database.sealed_url is not None
    yield _read_as(probe.session, "sealed" if sealed else "auditor")
    yield Trial("sealed columns", counted(probe.columns, "column"))


@tries(Passwords, untried="reading hashes")
def _passwords(probe: Passwords, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "auditor")
    yield Trial("columns of passwords", counted(probe.columns, "column"), ("columns",))


@tries(Privileges)
def _privileges(probe: Privileges, _: Asked) -> Iterator[Trial]:
    yield Trial("roles of the database", counted(probe.roles, "role"))


@tries(SharedRoles, untried="reading tables as these roles")
def _shared_roles(probe: SharedRoles, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "auditor")
    yield Trial("shared roles", counted(probe.roles, "role"))


@tries(AuditLog, untried="changing the log as the application")
def _audit_log(probe: AuditLog, _: Asked) -> Iterator[Trial]:
    yield Trial("the newest entry", lambda: f"number {probe.mark()}")


@tries(Stores, untried="planting aged records")
def _stores(probe: Stores, _: Asked) -> Iterator[Trial]:
    yield Trial("stores", counted(probe.stores, "store"))
    if probe.target.retention is not None and probe.target.retention.tables:
        yield _read_as(probe.session, "auditor")
        yield _read_as(probe.session, "planter", ("plant",))
    yield Trial("periods of tenants", lambda: count(probe.periods().days, "tenant"), ("periods",))


@tries(Copies, untried="searching, and marks in the write-ahead log")
def _copies(probe: Copies, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "dumper", ("tables",))
    yield Trial("groups of files", counted(probe.file_groups, "group"), ("file_groups",))


@tries(Traces, untried="searching")
def _traces(probe: Traces, _: Asked) -> Iterator[Trial]:
    yield Trial("customers who left", counted(probe.departed, "customer"))
    yield Trial("tables", counted(probe.tables, "table"), ("tables",))


@tries(Logs, untried="searching")
def _logs(probe: Logs, _: Asked) -> Iterator[Trial]:
    for source in probe.target.logs:
        yield Trial(f"log {source.name}", partial(probe.tried, source))


@tries(Outbound)
def _outbound(probe: Outbound, _: Asked) -> Iterator[Trial]:
    yield Trial("the record of outbound calls", partial(seen, probe.mark))


@tries(Callees, untried="standing in for hosts that are called")
def _callees(probe: Callees, _: Asked) -> Iterator[Trial]:
    yield Trial("declared destinations", counted(probe.destinations, "destination"))


@tries(Backups, untried="reading and restoring")
def _backups(probe: Backups, _: Asked) -> Iterator[Trial]:
    yield Trial("the store and its catalogue", lambda: _some(probe.base_backups(), "backup"))
    yield Trial("the database, for the archive", lambda: probe.archiver().mode, ("archiver",))


def _some(found: Sequence[object], one: str) -> str:
    if not found:
        raise Unobservable(f"there is no {one}")
    return count(found, one)


# --- the host and inside ---------------------------------------------------------------------------------------------


@tries(Host, untried="which updates are pending")
def _host(probe: Host, _: Asked) -> Iterator[Trial]:
    yield Trial("kinds of fact", counted(probe.facts, "kind"))
    for name in _FACTS:
        yield Trial(name.replace("_", " "), partial(seen, getattr(probe, name)), (name,))
    yield Trial("location", partial(seen, probe.location, {}), ("location",))
    for place in _PLACES:
        yield Trial(f"the database's {place}", partial(seen, probe.database_place, place), ("database_place",))


@tries(Internal, untried="certificates that must be refused")
def _internal(probe: Internal, _: Asked) -> Iterator[Trial]:
    yield Trial("certificates", counted(probe.refused_credentials, "certificate that must be refused", "that must be"))
    for service in probe.services():
        yield Trial(str(service), partial(_greeted, probe, service))


def _greeted(probe: Internal, service: Service) -> str:
    greeting = probe.greet(service, service.client)
    if not greeting.let_in:
        raise Unobservable(f"the client that must be let in was not: {greeting.how}")
    return "let the client in"


# --- code and records ------------------------------------------------------------------------------------------------


def _head(session: Session) -> Trial:
    git = cast("Git", session.probe(Git))
    return Trial("the repository's branch", once(session, "head", lambda: f"ends with {git.head()[:12]}"))


@tries(Git)
def _git(probe: Git, _: Asked) -> Iterator[Trial]:
    yield _head(probe.session)


@tries(Code, untried="running the tools")
def _code(probe: Code, _: Asked) -> Iterator[Trial]:
    yield _head(probe.session)


@tries(TlsInCode, untried="reading all code")
def _tls_in_code(probe: TlsInCode, _: Asked) -> Iterator[Trial]:
    yield _head(probe.session)


@tries(Codebase)
def _codebase(probe: Codebase, _: Asked) -> Iterator[Trial]:
    yield _head(probe.session)
    yield Trial("definitions of pipelines", counted(probe.workflows, "workflow"), ("workflows",))
    yield Trial("lock files", counted(probe.lock_files, "lock file"), ("lock_files",))
    yield Trial("sensitive areas", lambda: count(probe.security().areas, "area"), ("security",))


@tries(Dependencies, untried="scanning what lock files pin")
def _dependencies(probe: Dependencies, _: Asked) -> Iterator[Trial]:
    yield _head(probe.session)
    for ecosystem in probe.target.advisories.controls if probe.target.advisories else ():
        yield Trial(f"advisories, {ecosystem}", partial(_scanned, probe, ecosystem))


def _scanned(probe: Dependencies, ecosystem: str) -> str:
    if not probe.control(ecosystem).vulnerable:
        raise Unobservable("a package that is known to be vulnerable was not reported")
    return "a package that is known to be vulnerable was reported"


@tries(Repositories, untried="searching every version of every file")
def _repositories(probe: Repositories, _: Asked) -> Iterator[Trial]:
    yield Trial("repositories", counted(probe.names, "repository", "repositories"))


@tries(Forge)
def _forge(probe: Forge, _: Asked) -> Iterator[Trial]:
    yield Trial("the branch, as the forge has it", lambda: f"ends with {probe.branch().head[:12]}")


@tries(Deploys)
def _deploys(probe: Deploys, _: Asked) -> Iterator[Trial]:
    recent = datetime.now(UTC) - timedelta(days=90)
    yield Trial("the log of deploys", lambda: f"{count(probe.to_production(recent), 'deploy')} in 90 days")


@tries(Registers)
def _registers(probe: Registers, _: Asked) -> Iterator[Trial]:
    for kind in _REGISTERS:
        yield Trial(f"the register {kind}", partial(_entries, probe, kind), ("read", kind))
    yield Trial("the data inventory", lambda: count(probe.inventory().columns, "column"), ("inventory",))
    for system in probe.systems():
        yield Trial(f"accounts of {system}", counted(partial(probe.accounts, system), "account"), ("accounts",))


def _entries(probe: Registers, kind: str) -> str:
    return count(probe.read(kind).entries, "entry", "entries")


@tries(Attestations)
def _attestations(probe: Attestations, _: Asked) -> Iterator[Trial]:
    for claim in probe.target.attestations.statements if probe.target.attestations else ():
        yield Trial(f"the statement {claim}", partial(_statement, probe, claim))


def _statement(probe: Attestations, claim: str) -> str:
    return probe.statement(claim).file


@tries(Calendar)
def _calendar(probe: Calendar, _: Asked) -> Iterator[Trial]:
    today = datetime.now(UTC).date()
    yield Trial(
        "the calendar", lambda: f"the next business day is {probe.deadline(today, 1, 'DE').last_day} in Germany"
    )


@tries(Clock)
def _clock(probe: Clock, _: Asked) -> Iterator[Trial]:
    yield Trial("the clock", lambda: probe.now().isoformat(timespec="seconds"))
