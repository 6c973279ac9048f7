"""The API probe: calls single operations as the target's identities, with objects of its own, and reads back what they did."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from upheld.errors import Unobservable
from upheld.probes.api_answers import (
    Actor,
    Burst,
    LoginAttempt,
    PlantedObject,
    PlantedTenant,
    Removal,
    Reply,
    State,
)
from upheld.probes.api_logins import account_of, at
from upheld.probes.api_objects import own_objects
from upheld.probes.api_requests import (
    Request,
    page_request,
    url_of,
)
from upheld.probes.api_variants import VARIANTS, Variant, applies, claimed_address, varied
from upheld.probes.base import Probe, Session, look
from upheld.probes.bursts import Sender, burst
from upheld.probes.cases import Case, Reference, make_case, paths_in_turn
from upheld.probes.openapi import Operation
from upheld.probes.sending import AS_MEMBERS, DATABASE, HTTP, PAGES, PLANTING, WRITES, Sending, Sends
from upheld.probes.states import values_of
from upheld.probes.tenant_calls import TenantCalls
from upheld.probes.waiting import patient

__all__ = [
    "VARIANTS",
    "Actor",
    "Api",
    "Burst",
    "Case",
    "LoginAttempt",
    "Operation",
    "PlantedObject",
    "PlantedTenant",
    "Reference",
    "Removal",
    "Reply",
    "State",
    "Variant",
    "applies",
    "paths_in_turn",
]

LEFT_KEPT = 50
"""Kinds of which it is kept why no recipe was inferred."""


class Api(TenantCalls, Probe):
    """The API that the target declares, by its OpenAPI document."""

    name: ClassVar[str] = "api"
    needs: ClassVar[tuple[str, ...]] = ("api",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(("operations", "cases"), AS_MEMBERS),
        "call": (
            *AS_MEMBERS,
            Sends(HTTP, "{operations}, validly, also with others' identifiers", "nobody, {members}", 1, WRITES),
        ),
        "harmless": (*AS_MEMBERS, Sends(HTTP, "{operations}, such that it changes nothing", "nobody, {members}", 1)),
        "page": PAGES,
        "variant": (
            *AS_MEMBERS,
            *PAGES,
            Sends(HTTP, "{operations}, such that it changes nothing, in other guises", most=1),
        ),
        "unknown_path": (Sends(HTTP, "GET {url}/… of nothing", most=1, each="endpoints"),),
        "login": (Sends(HTTP, "{logins}, also with made-up passwords", "{throwaway} and others", 1, WRITES),),
        "burst": (
            *AS_MEMBERS,
            Sends(
                HTTP,
                "{operations}, a burst of each that changes nothing",
                "nobody, {members}",
                "budget_requests",
                WRITES,
            ),
        ),
        "burst_page": (
            Sends(HTTP, "GET {url}{pages}, a burst of each", "nobody", "budget_requests", WRITES, each="endpoints"),
        ),
        **dict.fromkeys(("plant", "plant_one", "remove_planted"), PLANTING),
        "existing": (*AS_MEMBERS, Sends(HTTP, "{operations} that read, to see what is there", "{acting}", 2)),
        "state": (
            *AS_MEMBERS,
            Sends(HTTP, "{operations} that read, to see what is there", "{acting}", 2),
            Sends(
                DATABASE,
                "SELECT of {table}, in a transaction that only reads",
                "the role of {name:database.url}",
                2,
                each="api.rows",
            ),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        Probe.__init__(self, session)
        TenantCalls.__init__(self, session)
        self._unstable: dict[tuple[str, str], tuple[str, ...]] = {}

    def close(self) -> None:
        """Remove what is still planted and close every connection."""
        self.close_calls()

    # --- what there is ---------------------------------------------------------------------------------------------

    @look
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of the OpenAPI document; raises Unobservable when it has none."""
        return self.listed_operations()

    @look
    def cases(self) -> tuple[Case, ...]:
        """Every operation of the document with what the target says of it: how to call it, which of them are left out."""
        return tuple(make_case(one, self.description) for one in self.listed_operations())

    @look
    def pages(self) -> tuple[tuple[str, str], ...]:
        """The pages of every public endpoint, as (subject, URL)."""
        return tuple(
            (f"{endpoint.name} page {page}", url_of(endpoint, page))
            for endpoint in self.target.endpoints
            if endpoint.public
            for page in endpoint.pages
        )

    @look
    def actors(self) -> tuple[Actor, ...]:
        """Everyone whom the harness may act as, in the tenants that are compared."""
        compared = {one.name for one in self.target.tenants if one.compared}
        return tuple(
            Actor(one.name, one.tenant, one.role, one.throwaway, account_of(one))
            for one in self.target.identities
            if one.tenant in compared
        )

    @look
    def acting(self) -> tuple[Actor, ...]:
        """For each tenant the identity that tries to cross its border: of the acting role, and no throw-away one."""
        role, found = self.described.acting_role, []
        for tenant in (one for one in self.target.tenants if one.compared):
            one = next(
                (i for i in self.target.identities if i.tenant == tenant.name and i.role == role and not i.throwaway),
                None,
            )
            if one is None:
                raise Unobservable(f"the target has no identity of role {role} in tenant {tenant.name}")
            found.append(Actor(one.name, one.tenant, one.role, one.throwaway, account_of(one)))
        return tuple(found)

    @look
    def tenant_of(self, name: str) -> str:
        """The identifier of a tenant by its name in the target."""
        return self.tenant_id(name)

    @look
    def source_addresses(self) -> tuple[str, ...]:
        """The further addresses from which the harness can send."""
        return self.target.vantage.source_addresses

    # --- single calls ----------------------------------------------------------------------------------------------

    @look
    def call(
        self,
        operation: str,
        identity: str | None,
        objects: Mapping[str, str],
        *,
        replaced: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        source_address: str = "",
    ) -> Reply:
        """Call an operation validly as `identity`, with the identifiers in `objects` by kind.

        `replaced` puts other identifiers into single places (`path contact_id`, `body steps[].template_id`), `body`
        replaces properties of the body. A limit that stands in the way is waited for twice; then it raises Throttled.
        """
        return self.send(
            operation,
            identity=identity,
            objects=objects,
            replaced=replaced,
            headers=headers,
            body=body,
            source_address=source_address,
        )

    @look
    def harmless(self, operation: str, identity: str | None = None, *, wait: bool = False) -> Reply:
        """Call an operation such that it changes nothing: identifiers that name nothing, a body that is refused.

        With `wait` a limit is waited for, as in `call`; otherwise it is the answer.
        """
        one = self.document.operation(operation)
        request = self.harmless_requests(one, identity)[0]()
        return self.once(one.id, identity, request, wait=wait)

    @look
    def page(self, subject: str, url: str, *, wait: bool = False) -> Reply:
        """The answer to a GET of a page. With `wait` a limit is waited for, as in `call`; otherwise it is the answer."""
        return self.once(subject, None, page_request(url), wait=wait)

    @look
    def variant(self, subject: str, variant: str, *, url: str = "") -> Reply:
        """The harmless call of an operation (or of the page at `url`), without credentials, in another guise (see `VARIANTS`)."""
        request = page_request(url) if url else self.harmless_requests(self.document.operation(subject), None)[0]()
        changed = varied(request, variant)
        return self.reply(subject, "", changed, self.send_now(changed, self.client(""), {}), 0.0)

    @look
    def unknown_path(self, method: str, url: str) -> Reply:
        """What the server of `url` answers for a path that does not exist, to tell that from the real thing."""
        parts = url.split("/", 3)
        request = Request(method, "/".join([*parts[:3], f"upheld-{secrets.token_hex(8)}"]), (), None, verify=False)
        answer, waited = patient(
            lambda: self.send_now(request, self.client(""), {}), self.described.limited, "a path that does not exist"
        )
        return self.reply("unknown path", "", request, answer, waited)

    @look
    def login(
        self, identity: str, *, right_password: bool = True, source_address: str = "", claims_address: bool = False
    ) -> LoginAttempt:
        """Log in anew, with the right password or with a made-up one. Waits for no limit.

        With `claims_address` the request says, in every header there is for that, that it comes from an address of nobody.
        """
        headers = claimed_address() if claims_address else {}
        return self.logins.attempt(
            self.identity(identity),
            self.client(source_address),
            right=right_password,
            source=source_address,
            headers=headers,
        )

    # --- bursts ----------------------------------------------------------------------------------------------------

    @look
    def burst(
        self,
        operation: str,
        identity: str | None,
        requests: int,
        *,
        source_addresses: tuple[str, ...] = ("",),
        others: tuple[tuple[str | None, str], ...] = (),
    ) -> Burst:
        """Up to `requests` harmless calls of an operation in quick succession, from these addresses in turn, until one is limited.

        Where calls with a refused body are not limited and there is a harmless one with a valid shape, that is tried too.
        `others` are identities with a source address each, who send one such request right after the first that was limited.
        """
        one = self.document.operation(operation)
        sender = self._sender(identity, source_addresses)
        beside = [self._sender(other, (address,)) for other, address in others]
        for make in self.harmless_requests(one, identity):
            make()  # What cannot be done harmlessly is said before anything is sent.
            found = burst(one.id, make, sender, limited=self.described.limited, requests=requests, others=beside)
            if found.first_limited is not None:
                break
        return found

    @look
    def burst_page(self, subject: str, url: str, requests: int) -> Burst:
        """Up to `requests` GETs of a page in quick succession, until one is limited."""
        request = page_request(url)
        sender = Sender("", {}, {"": self.client("")})
        return burst(subject, lambda: request, sender, limited=self.described.limited, requests=requests)

    def _sender(self, identity: str | None, addresses: tuple[str, ...]) -> Sender:
        clients = {address: self.client(address) for address in addresses}
        return Sender(identity or "", self.authorization(identity), clients)

    # --- objects and state -----------------------------------------------------------------------------------------

    @look
    def plant(self, tenant: str, kind: str = "") -> PlantedTenant:
        """Make one object of each kind in a tenant, with a canary in it, as the identity that acts for it.

        With `kind` only one of that kind, and those that it needs.
        """
        actor = self._acting(tenant)
        objects: dict[str, str] = {}
        found: list[PlantedObject] = []
        tenant_id = self.tenant_id(tenant)
        for each in self.planter.order(kind):
            one = self.planter.plant(each, tenant, actor.name, own_objects(tenant_id, objects))
            found.append(one)
            if one.id:
                objects[each] = one.id
        known = self.completed
        said = (tuple(map(str, known.inferred)), known.left[:LEFT_KEPT]) if known is not None else ((), ())
        return PlantedTenant(tenant, tenant_id, actor.name, tuple(found), *said)

    @look
    def plant_one(self, tenant: str, kind: str, objects: Mapping[str, str]) -> PlantedObject:
        """Make one more object of a kind; raises Unobservable when it could not be made."""
        one = self.planter.plant(kind, tenant, self._acting(tenant).name, own_objects(self.tenant_id(tenant), objects))
        if not one.id:
            raise Unobservable(one.reason)
        return one

    @look
    def existing(self, operation: str, tenant: str) -> tuple[tuple[str, str], ...]:
        """The objects that the target says must be used for an operation, as (kind, identifier), looked up in the tenant."""
        recipe = self.description.operations.get(operation)
        found = []
        for kind, place in (recipe.existing if recipe else {}).items():
            if place == "tenant":
                known = next((one.objects for one in self.target.tenants if one.name == tenant), {})
                if kind not in known:
                    raise Unobservable(f"the target names no {kind} that is there in {tenant} (tenants, objects)")
                found.append((kind, known[kind]))
                continue
            listing, _, pointer = place.partition(" ")
            answer, _, _ = self.answer(listing, self._acting(tenant).name, {})
            value = at(answer.json(), pointer)
            found.append((kind, str(value)))
        return tuple(found)

    @look
    def state(self, operation: str, tenant: str, objects: Mapping[str, str]) -> State:
        """What an operation shows the owner, or rows of the database: the oracle for whether something changed, whatever a status code says.

        The first read of an operation is made twice, to learn which values differ from read to read.
        """
        actor = self._acting(tenant)

        def read() -> State:
            if (row := self.description.rows.get(operation)) is not None:
                from upheld.probes.database import Database  # noqa: PLC0415  (slow to import, and few states are read there)
                from upheld.probes.row_states import rows_state  # noqa: PLC0415  (likewise)

                values = rows_state(self.session.probe(Database), row, self._filling(tenant, objects), operation)
                return State(operation, tenant, 0, bool(values), values)
            answer, _, reply = self.answer(operation, actor.name, objects)
            values = values_of(answer) if reply.worked else ()
            return State(operation, tenant, answer.status, reply.worked, values)

        first = read()
        if first.present and (operation, tenant) not in self._unstable:
            self._unstable[operation, tenant] = first.differs(read())
        known = self._unstable.get((operation, tenant), ())
        if first.present and first.values and {place for place, _ in first.values} <= set(known):
            raise Unobservable(f"all that {operation} shows differs from read to read, so that it shows no change")
        return State(operation, tenant, first.status, first.present, first.values, known)

    @look
    def remove_planted(self) -> Removal:
        """Delete every object that the harness made and that is not removed yet."""
        removed, left = self.planter.remove_all()
        return Removal(removed, tuple(left))

    def _filling(self, tenant: str, objects: Mapping[str, str]) -> dict[str, str]:
        return {**objects, "tenant": next(one.id for one in self.target.tenants if one.name == tenant)}

    def _acting(self, tenant: str) -> Actor:
        for one in self.acting():
            if one.tenant == tenant:
                return one
        raise Unobservable(f"the target has no tenant {tenant}")
