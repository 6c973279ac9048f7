"""The trials of the built-in probes: for each the cheapest looks that write nothing, and what they leave untried."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from upheld.errors import Unobservable
from upheld.probes import openapi
from upheld.probes.access import Access
from upheld.probes.api import Api
from upheld.probes.api_input import ApiInput
from upheld.probes.api_requests import url_of
from upheld.probes.attestations import Attestations
from upheld.probes.audit_log import AuditLog
from upheld.probes.backups import Backups
from upheld.probes.base import Session
from upheld.probes.browsing import Browsing
from upheld.probes.calendar import Calendar
from upheld.probes.callees import Callees
from upheld.probes.canaries import Canaries
from upheld.probes.client_code import ClientCode
from upheld.probes.clock import Clock
from upheld.probes.code import Code
from upheld.probes.codebase import Codebase
from upheld.probes.copies import Copies
from upheld.probes.credential_flows import Credentials
from upheld.probes.database import Database
from upheld.probes.dependencies import Dependencies
from upheld.probes.deploys import Deploys
from upheld.probes.forge import Forge
from upheld.probes.git import Git
from upheld.probes.host import Host
from upheld.probes.http import Http
from upheld.probes.internal import Internal, Service
from upheld.probes.listener import listening, server_context
from upheld.probes.logs import Logs
from upheld.probes.outbound import Outbound
from upheld.probes.passwords import Passwords
from upheld.probes.plans import Plans
from upheld.probes.privileges import Privileges
from upheld.probes.publication import Publication
from upheld.probes.receivers import Receivers
from upheld.probes.registers import Registers
from upheld.probes.repositories import Repositories
from upheld.probes.rotation_advice import RotationAdvice
from upheld.probes.sealed import Sealed
from upheld.probes.sessions import Sessions
from upheld.probes.shared_roles import SharedRoles
from upheld.probes.shown_hashes import ShownHashes
from upheld.probes.site import Site
from upheld.probes.staff import Staff
from upheld.probes.staff_changes import StaffChanges
from upheld.probes.staff_codes import Code as StaffCode
from upheld.probes.status_page import StatusPage
from upheld.probes.stores import Stores
from upheld.probes.tls import Tls
from upheld.probes.tls_in_code import TlsInCode
from upheld.probes.traces import Traces
from upheld.probes.trying import Asked, Trial, tries
from upheld.target.api import Api as ApiDescription
from upheld.target.endpoints import Endpoint
from upheld.target.secrets import resolve

_CALLS = "every operation that writes, and everything that needs a login"
_FACTS = ("accounts", "authorized_keys", "sshd", "processes", "upgrade_settings", "upgrade_runs", "firmware")
_PLACES = ("data directory", "write-ahead log", "temporary space")
_REGISTERS = ("staff", "access_reviews", "incidents", "sub_processors", "data_flows", "vulnerability_reports")
_KNOWN: weakref.WeakKeyDictionary[Session, dict[str, str | Unobservable]] = weakref.WeakKeyDictionary()


def _once(session: Session, what: str, call: Callable[[], str]) -> Callable[[], str]:
    """`call`, made once for all probes of a session that stand on the same thing."""

    def made() -> str:
        known = _KNOWN.setdefault(session, {})
        if what not in known:
            try:
                known[what] = call()
            except Unobservable as error:
                known[what] = error
        found = known[what]
        if isinstance(found, Unobservable):
            raise found
        return found

    return made


def _count(found: Sequence[object], one: str, many: str = "") -> str:
    return f"{len(found)} {one if len(found) == 1 else many or f'{one}s'}"


def _counted(call: Callable[[], Sequence[object]], one: str, many: str = "") -> Callable[[], str]:
    return lambda: _count(call(), one, many)


# --- what is served --------------------------------------------------------------------------------------------------


def _reached(session: Session, endpoint: Endpoint) -> Trial:
    """A GET of the endpoint's first page; whatever answers HTTP has been reached."""
    page = next(iter(endpoint.pages), "/")

    def get() -> str:
        client = cast("Http", session.probe(Http)).client
        answer = client.send("GET", url_of(endpoint, page), whole=False)
        return f"answered {answer.status}"

    return Trial(str(endpoint), _once(session, f"endpoint {endpoint.name}", get))


def _public(session: Session) -> Iterator[Endpoint]:
    return (one for one in session.target.endpoints if one.public)


@tries(Http)
def _http(probe: Http, _: Asked) -> Iterator[Trial]:
    for endpoint in probe.target.endpoints:
        yield _reached(probe.session, endpoint)


@tries(ClientCode, untried="what pages load")
def _client_code(probe: ClientCode, _: Asked) -> Iterator[Trial]:
    for endpoint in _public(probe.session):
        yield _reached(probe.session, endpoint)


@tries(Site, untried="what pages lead to")
def _site(probe: Site, _: Asked) -> Iterator[Trial]:
    for endpoint in _public(probe.session):
        yield _reached(probe.session, endpoint)


@tries(Tls)
def _tls(probe: Tls, _: Asked) -> Iterator[Trial]:
    yield Trial("public https endpoints", _counted(probe.endpoints, "endpoint"))
    for one in probe.target.endpoints:
        if one.public and one.secure:
            yield Trial(str(one), partial(_certificate, probe, one))


def _certificate(probe: Tls, endpoint: Endpoint) -> str:
    return probe.certificate(endpoint).summary


@tries(Publication)
def _publication(probe: Publication, _: Asked) -> Iterator[Trial]:
    page = ("page",)
    yield Trial("the published page", lambda: _count(probe.page().sentences, "sentence"), page)
    yield Trial("security.txt", lambda: f"answered {probe.security_txt().answer.status}", ("security_txt",))


@tries(StatusPage)
def _status_page(probe: StatusPage, _: Asked) -> Iterator[Trial]:
    yield Trial("the status page", lambda: _count(probe.report().components, "component"))


# --- the API ---------------------------------------------------------------------------------------------------------


def _document(session: Session, described: ApiDescription, what: str) -> Trial:
    """The OpenAPI document as a stranger is shown it, and what the target declares beside or without it."""

    def read() -> str:
        where = described.openapi
        if where is None:
            return f"{_count(openapi.Document((), {}).with_declared(described).operations, 'operation')}, as the target declares them"
        endpoint = next(one for one in session.target.endpoints if one.name == described.endpoint)
        client = cast("Http", session.probe(Http)).client
        found = openapi.load(where, endpoint, session.target_folder, client).with_declared(described)
        if not found.operations:
            raise Unobservable(f"the OpenAPI document {where} has no operation")
        return f"{_count(found.operations, 'operation')}, as a stranger is shown it"

    return Trial(what, _once(session, what, read))


def _members(session: Session, asked: Asked) -> Iterator[Trial]:
    """The API's document, and where that is wanted a login as each identity that is not to be burnt."""
    described = session.target.api
    if described is None:
        return
    yield _document(session, described, "the OpenAPI document" if described.openapi is not None else "operations")
    yield Trial("tenants", lambda: _declared(session.target.tenants, "tenant"))
    yield Trial("identities", lambda: _declared(session.target.identities, "identity", "identities"))
    for one in session.target.identities if asked.log_in else ():
        if not one.throwaway:
            what = f"the login of {one.name}"
            yield Trial(what, _once(session, what, partial(_logged_in, session, one.name)))


def _declared(parts: Sequence[object], one: str, many: str = "") -> str:
    if not parts:
        raise Unobservable(f"the target describes no {many or f'{one}s'}")
    return _count(parts, one, many)


def _logged_in(session: Session, identity: str) -> str:
    attempt = cast("Api", session.probe(Api)).login(identity)
    if not attempt.accepted:
        raise Unobservable(f"answered {attempt.status}{', which is limited' if attempt.limited else ''}")
    return "logged in"


@tries(Api, untried=_CALLS, logs_in=True)
def _api(probe: Api, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)


@tries(ApiInput, untried=_CALLS, logs_in=True)
def _api_input(probe: ApiInput, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)


@tries(Access, untried=_CALLS, logs_in=True)
def _access(probe: Access, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("the matrix of roles", lambda: _count(probe.matrix().operations, "operation"))


@tries(Sessions, untried="sessions that are refreshed, revoked and forged", logs_in=True)
def _sessions(probe: Sessions, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)


@tries(Plans, untried="the setting itself", logs_in=True)
def _plans(probe: Plans, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("tenants of plans", _counted(probe.holders, "tenant"))


@tries(Browsing, untried="markup that is stored", logs_in=True)
def _browsing(probe: Browsing, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("the browser", partial(_seen, probe.control))


@tries(Canaries, untried="sending canaries through the flows", logs_in=True)
def _canaries(probe: Canaries, asked: Asked) -> Iterator[Trial]:
    if probe.target.api is None:
        yield Trial("the API", lambda: _declared((), "api", "api"), ("run",))
    yield from _members(probe.session, asked)
    yield Trial("canary flows", _counted(probe.flows, "flow"), ("flows",))


@tries(Credentials, untried="letting credentials in, rotating and removing them", logs_in=True)
def _credentials(probe: Credentials, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("kinds of credential", _counted(probe.declared, "kind"), ("declared",))


@tries(RotationAdvice, untried="what owners are told of old credentials", logs_in=True)
def _rotation_advice(probe: RotationAdvice, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("kinds whose age is told", _counted(probe.advised_kinds, "kind"), ("advised_kinds",))
    for one in probe.target.age_advice:
        yield Trial(f"ages of {one.name}", _counted(partial(probe.ages, one.name), "credential"), ("ages",))


@tries(ShownHashes, untried="reading every operation as everybody", logs_in=True)
def _shown_hashes(probe: ShownHashes, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)


@tries(Receivers, untried="registering webhooks, and deliveries to the harness", logs_in=True)
def _receivers(probe: Receivers, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    described, folder = probe.target.receivers, probe.session.target_folder
    if described is None:
        return
    for what, places in (("where the harness listens", described.addresses), ("inside", described.inside)):
        if places:
            yield Trial(what, partial(_listened, places, described.port))

    def certificate() -> str:
        server_context(resolve(described.trusted, folder))
        return "can be used"

    yield Trial("the receiver's certificate", certificate)


def _listened(places: Sequence[str], port: int) -> str:
    with listening(places, port, None) as listener:
        return f"can listen at {listener.address}:{port}"


# --- staff -----------------------------------------------------------------------------------------------------------


def _people(session: Session, asked: Asked) -> Iterator[Trial]:
    described = session.target.staff
    if described is None:
        return
    yield _document(session, described.api, "the OpenAPI document of the console")
    for one in described.identities if asked.log_in else ():
        if not (one.throwaway or one.disabled):
            what = f"the login of {one.name} of staff"
            yield Trial(what, _once(session, what, partial(_staff_in, session, one.name)))


def _staff_in(session: Session, identity: str) -> str:
    attempt = cast("Staff", session.probe(Staff)).log_in(identity, StaffCode.PRESENT)
    if not attempt.accepted:
        raise Unobservable(f"{attempt.step} answered {attempt.status}, and no session came of it")
    return "logged in"


@tries(Staff, untried="reading, resets and emergency access", logs_in=True)
def _staff(probe: Staff, asked: Asked) -> Iterator[Trial]:
    yield from _people(probe.session, asked)
    yield Trial("people", _counted(probe.people, "identity", "identities"))


@tries(StaffChanges, untried="changing accounts", logs_in=True)
def _staff_changes(probe: StaffChanges, asked: Asked) -> Iterator[Trial]:
    yield from _people(probe.session, asked)


# --- data ------------------------------------------------------------------------------------------------------------


def _read_as(session: Session, role: str, only: tuple[str, ...] = ()) -> Trial:
    """A connection to the database in that role; nothing is read of any table."""
    what = f"the database, {role}'s role"

    def connect() -> str:
        with cast("Database", session.probe(Database)).reading(role) as connection:
            return f"connected to {connection.dialect.name}"

    return Trial(what, _once(session, what, connect), only)


@tries(Database)
def _database(probe: Database, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "auditor")
    yield _read_as(probe.session, "application", ("rows_without_tenant",))


@tries(Sealed, untried="opening values")
def _sealed(probe: Sealed, _: Asked) -> Iterator[Trial]:
    sealed = probe.target.database is not None and probe.target.database.sealed_url is not None
    yield _read_as(probe.session, "sealed" if sealed else "auditor")
    yield Trial("sealed columns", _counted(probe.columns, "column"))


@tries(Passwords, untried="reading hashes")
def _passwords(probe: Passwords, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "auditor")
    yield Trial("columns of passwords", _counted(probe.columns, "column"), ("columns",))


@tries(Privileges)
def _privileges(probe: Privileges, _: Asked) -> Iterator[Trial]:
    yield Trial("roles of the database", _counted(probe.roles, "role"))


@tries(SharedRoles, untried="reading tables as these roles")
def _shared_roles(probe: SharedRoles, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "auditor")
    yield Trial("shared roles", _counted(probe.roles, "role"))


@tries(AuditLog, untried="changing the log as the application")
def _audit_log(probe: AuditLog, _: Asked) -> Iterator[Trial]:
    yield Trial("the newest entry", lambda: f"number {probe.mark()}")


@tries(Stores, untried="planting aged records")
def _stores(probe: Stores, _: Asked) -> Iterator[Trial]:
    yield Trial("stores", _counted(probe.stores, "store"))
    if probe.target.retention is not None and probe.target.retention.tables:
        yield _read_as(probe.session, "auditor")
        yield _read_as(probe.session, "planter", ("plant",))
    yield Trial("periods of tenants", lambda: _count(probe.periods().days, "tenant"), ("periods",))


@tries(Copies, untried="searching, and marks in the write-ahead log")
def _copies(probe: Copies, _: Asked) -> Iterator[Trial]:
    yield _read_as(probe.session, "dumper", ("tables",))
    yield Trial("groups of files", _counted(probe.file_groups, "group"), ("file_groups",))


@tries(Traces, untried="searching")
def _traces(probe: Traces, _: Asked) -> Iterator[Trial]:
    yield Trial("customers who left", _counted(probe.departed, "customer"))
    yield Trial("tables", _counted(probe.tables, "table"), ("tables",))


@tries(Logs, untried="searching")
def _logs(probe: Logs, _: Asked) -> Iterator[Trial]:
    yield Trial("log files", partial(_seen, probe.mark))


@tries(Outbound)
def _outbound(probe: Outbound, _: Asked) -> Iterator[Trial]:
    yield Trial("the record of outbound calls", partial(_seen, probe.mark))


@tries(Callees, untried="standing in for hosts that are called")
def _callees(probe: Callees, _: Asked) -> Iterator[Trial]:
    yield Trial("declared destinations", _counted(probe.destinations, "destination"))


@tries(Backups, untried="reading and restoring")
def _backups(probe: Backups, _: Asked) -> Iterator[Trial]:
    yield Trial("the store and its catalogue", lambda: _some(probe.base_backups(), "backup"))
    yield Trial("the database, for the archive", lambda: probe.archiver().mode, ("archiver",))


def _some(found: Sequence[object], one: str) -> str:
    if not found:
        raise Unobservable(f"there is no {one}")
    return _count(found, one)


# --- the host and inside ---------------------------------------------------------------------------------------------


@tries(Host, untried="which updates are pending")
def _host(probe: Host, _: Asked) -> Iterator[Trial]:
    yield Trial("kinds of fact", _counted(probe.facts, "kind"))
    for name in _FACTS:
        yield Trial(name.replace("_", " "), partial(_seen, getattr(probe, name)), (name,))
    yield Trial("location", partial(_seen, probe.location, {}), ("location",))
    for place in _PLACES:
        yield Trial(f"the database's {place}", partial(_seen, probe.database_place, place), ("database_place",))


def _seen(look: Callable[..., object], *arguments: object) -> str:
    look(*arguments)
    return "seen"


@tries(Internal, untried="certificates that must be refused")
def _internal(probe: Internal, _: Asked) -> Iterator[Trial]:
    yield Trial("certificates", _counted(probe.refused_credentials, "certificate that must be refused", "that must be"))
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
    return Trial("the repository's branch", _once(session, "head", lambda: f"ends with {git.head()[:12]}"))


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
    yield Trial("definitions of pipelines", _counted(probe.workflows, "workflow"), ("workflows",))
    yield Trial("lock files", _counted(probe.lock_files, "lock file"), ("lock_files",))
    yield Trial("sensitive areas", lambda: _count(probe.security().areas, "area"), ("security",))


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
    yield Trial("repositories", _counted(probe.names, "repository", "repositories"))


@tries(Forge)
def _forge(probe: Forge, _: Asked) -> Iterator[Trial]:
    yield Trial("the branch, as the forge has it", lambda: f"ends with {probe.branch().head[:12]}")


@tries(Deploys)
def _deploys(probe: Deploys, _: Asked) -> Iterator[Trial]:
    recent = datetime.now(UTC) - timedelta(days=90)
    yield Trial("the log of deploys", lambda: f"{_count(probe.to_production(recent), 'deploy')} in 90 days")


@tries(Registers)
def _registers(probe: Registers, _: Asked) -> Iterator[Trial]:
    for kind in _REGISTERS:
        yield Trial(f"the register {kind}", partial(_entries, probe, kind), ("read", kind))
    yield Trial("the data inventory", lambda: _count(probe.inventory().columns, "column"), ("inventory",))
    for system in probe.systems():
        yield Trial(f"accounts of {system}", _counted(partial(probe.accounts, system), "account"), ("accounts",))


def _entries(probe: Registers, kind: str) -> str:
    return _count(probe.read(kind).entries, "entry", "entries")


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
