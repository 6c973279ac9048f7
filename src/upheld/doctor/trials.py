"""The trials of the probes that ask what is served: pages, handshakes, the API, the console of staff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

from upheld.doctor.shared import count, counted, once, seen
from upheld.errors import Unobservable
from upheld.probes import openapi
from upheld.probes.access import Access
from upheld.probes.api import Api
from upheld.probes.api_input import ApiInput
from upheld.probes.api_requests import url_of
from upheld.probes.base import Session
from upheld.probes.browsing import Browsing
from upheld.probes.canaries import Canaries
from upheld.probes.client_code import ClientCode
from upheld.probes.credential_flows import Credentials
from upheld.probes.http import Http
from upheld.probes.inferring import complete
from upheld.probes.listener import listening, server_context
from upheld.probes.plans import Plans
from upheld.probes.publication import Publication
from upheld.probes.receivers import Receivers
from upheld.probes.rotation_advice import RotationAdvice
from upheld.probes.sessions import Sessions
from upheld.probes.shown_hashes import ShownHashes
from upheld.probes.site import Site
from upheld.probes.staff import Staff
from upheld.probes.staff_changes import StaffChanges
from upheld.probes.staff_codes import Code as StaffCode
from upheld.probes.status_page import StatusPage
from upheld.probes.tls import Tls
from upheld.probes.trying import Asked, Trial, tries
from upheld.target.api import Api as ApiDescription
from upheld.target.endpoints import Endpoint
from upheld.target.secrets import resolve

_CALLS = "every operation that writes, and everything that needs a login"
_ENDPOINTS = "endpoints"
_LEFT_SHOWN = 10


# --- what is served --------------------------------------------------------------------------------------------------


def _reached(session: Session, endpoint: Endpoint) -> Trial:
    """A GET of the endpoint's first page; whatever answers HTTP has been reached."""
    page = next(iter(endpoint.pages), "/")

    def get() -> str:
        client = cast("Http", session.probe(Http)).client
        answer = client.send("GET", url_of(endpoint, page), whole=False)
        return f"answered {answer.status}"

    return Trial(str(endpoint), once(session, f"endpoint {endpoint.name}", get), one_of=_ENDPOINTS)


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
    yield Trial("public https endpoints", counted(probe.endpoints, "endpoint"))
    for one in probe.target.endpoints:
        if one.public and one.secure:
            yield Trial(str(one), partial(_certificate, probe, one), one_of=_ENDPOINTS)


def _certificate(probe: Tls, endpoint: Endpoint) -> str:
    return probe.certificate(endpoint).summary


@tries(Publication)
def _publication(probe: Publication, _: Asked) -> Iterator[Trial]:
    page = ("page",)
    yield Trial("the published page", lambda: count(probe.page().sentences, "sentence"), page)
    yield Trial("security.txt", lambda: f"answered {probe.security_txt().answer.status}", ("security_txt",))


@tries(StatusPage)
def _status_page(probe: StatusPage, _: Asked) -> Iterator[Trial]:
    yield Trial("the status page", lambda: count(probe.report().components, "component"))


# --- the API ---------------------------------------------------------------------------------------------------------


def _document(session: Session, described: ApiDescription, what: str) -> Trial:
    """The OpenAPI document as a stranger is shown it, and what the target declares beside or without it."""

    def read() -> str:
        where = described.openapi
        if where is None:
            return f"{count(openapi.Document((), {}).with_declared(described).operations, 'operation')}, as the target declares them"
        endpoint = next(one for one in session.target.endpoints if one.name == described.endpoint)
        client = cast("Http", session.probe(Http)).client
        found = openapi.load(where, endpoint, session.target_folder, client).with_declared(described)
        if not found.operations:
            raise Unobservable(f"the OpenAPI document {where} has no operation")
        return f"{count(found.operations, 'operation')}, as a stranger is shown it"

    return Trial(what, once(session, what, read))


def _inferred(session: Session, described: ApiDescription) -> str:
    """Which kinds of object are made by recipes that follow from the document as a stranger is shown it, and what is not and why."""
    endpoint = next(one for one in session.target.endpoints if one.name == described.endpoint)
    client = cast("Http", session.probe(Http)).client
    document = openapi.load(described.openapi or "", endpoint, session.target_folder, client)
    found = complete(described, document.with_declared(described))
    left = f". Not inferred: {'. '.join(found.left[:_LEFT_SHOWN])}" if found.left else ""
    more = f". And {len(found.left) - _LEFT_SHOWN} more" if len(found.left) > _LEFT_SHOWN else ""
    if not found.inferred:
        raise Unobservable(f"no recipe follows from it (api.objects){left}{more}")
    return f"{'. '.join(map(str, found.inferred))}{left}{more}"


def _members(session: Session, asked: Asked) -> Iterator[Trial]:
    """The API's document, and where that is wanted a login as each identity that is not to be burnt."""
    described = session.target.api
    if described is None:
        return
    yield _document(session, described, "the OpenAPI document" if described.openapi is not None else "operations")
    if described.infer_objects:
        yield Trial(
            "recipes from the OpenAPI document", once(session, "recipes", lambda: _inferred(session, described))
        )
    yield Trial("tenants", lambda: _declared(session.target.tenants, "tenant"))
    yield Trial("identities", lambda: _declared(session.target.identities, "identity", "identities"))
    for one in session.target.identities if asked.log_in else ():
        if not one.throwaway:
            what = f"the login of {one.name}"
            yield Trial(what, once(session, what, partial(_logged_in, session, one.name)), one_of="logins")


def _declared(parts: Sequence[object], one: str, many: str = "") -> str:
    if not parts:
        raise Unobservable(f"the target describes no {many or f'{one}s'}")
    return count(parts, one, many)


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
    yield Trial("the matrix of roles", lambda: count(probe.matrix().operations, "operation"))


@tries(Sessions, untried="sessions that are refreshed, revoked and forged", logs_in=True)
def _sessions(probe: Sessions, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)


@tries(Plans, untried="the setting itself", logs_in=True)
def _plans(probe: Plans, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("tenants of plans", counted(probe.holders, "tenant"))


@tries(Browsing, untried="markup that is stored", logs_in=True)
def _browsing(probe: Browsing, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("the browser", partial(seen, probe.control))


@tries(Canaries, untried="sending canaries through the flows", logs_in=True)
def _canaries(probe: Canaries, asked: Asked) -> Iterator[Trial]:
    if probe.target.api is None:
        yield Trial("the API", lambda: _declared((), "api", "api"), ("run",))
    yield from _members(probe.session, asked)
    yield Trial("canary flows", counted(probe.flows, "flow"), ("flows",))


@tries(Credentials, untried="letting credentials in, rotating and removing them", logs_in=True)
def _credentials(probe: Credentials, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("kinds of credential", counted(probe.declared, "kind"), ("declared",))


@tries(RotationAdvice, untried="what owners are told of old credentials", logs_in=True)
def _rotation_advice(probe: RotationAdvice, asked: Asked) -> Iterator[Trial]:
    yield from _members(probe.session, asked)
    yield Trial("kinds whose age is told", counted(probe.advised_kinds, "kind"), ("advised_kinds",))
    for one in probe.target.age_advice:
        yield Trial(f"ages of {one.name}", counted(partial(probe.ages, one.name), "credential"), ("ages",))


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
            yield Trial(what, once(session, what, partial(_staff_in, session, one.name)), one_of="logins of staff")


def _staff_in(session: Session, identity: str) -> str:
    attempt = cast("Staff", session.probe(Staff)).log_in(identity, StaffCode.PRESENT)
    if not attempt.accepted:
        raise Unobservable(f"{attempt.step} answered {attempt.status}, and no session came of it")
    return "logged in"


@tries(Staff, untried="reading, resets and emergency access", logs_in=True)
def _staff(probe: Staff, asked: Asked) -> Iterator[Trial]:
    yield from _people(probe.session, asked)
    yield Trial("people", counted(probe.people, "identity", "identities"))


@tries(StaffChanges, untried="changing accounts", logs_in=True)
def _staff_changes(probe: StaffChanges, asked: Asked) -> Iterator[Trial]:
    yield from _people(probe.session, asked)
