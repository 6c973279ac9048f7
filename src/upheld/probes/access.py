"""Who may do what: the declared matrix, whoever can be used to try it, and requests that claim a role."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import urlencode

from upheld.errors import Unobservable
from upheld.probes.api import Actor, Api, Reply
from upheld.probes.api_logins import account_of, at
from upheld.probes.api_requests import Request, build, generated, json_of
from upheld.probes.base import Probe, Session, look
from upheld.probes.planted import Changes, Planted
from upheld.probes.sending import AS_MEMBERS, CHANGES, HTTP, WRITES, Sending, Sends

if TYPE_CHECKING:
    from upheld.target.access import Access as Description

HEADERS: tuple[str, ...] = (
    "X-Role",
    "X-Roles",
    "X-User-Role",
    "X-User-Roles",
    "X-Auth-Role",
    "X-Forwarded-Role",
    "X-Forwarded-Groups",
    "X-Auth-Request-Groups",
    "Role",
)
"""Headers in which gateways tell an application the role of a caller, and which an application must not take from anybody else."""
QUERY: tuple[str, ...] = ("role", "roles", "user_role")
"""Parameters of a query in which a role might be looked for."""
COOKIE = "role"
"""The cookie in which a role might be looked for."""


@dataclass(frozen=True)
class Matrix:
    """The declared matrix: the roles that exist, and for each declared operation those that may call it."""

    roles: tuple[str, ...]
    operations: tuple[tuple[str, tuple[str, ...]], ...]

    def may(self, operation: str) -> tuple[str, ...] | None:
        """The roles that may call `operation`; None when the matrix does not declare it."""
        return self._by_operation.get(operation)

    @cached_property
    def _by_operation(self) -> dict[str, tuple[str, ...]]:
        return dict(self.operations)


@dataclass(frozen=True, slots=True)
class Anonymous:
    """An answer to a call without credentials, and whether it asks for one by the target's description."""

    reply: Reply
    asked: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A place of a request in which a role can be claimed: `header X-Role`, `query role`, `cookie role`, `body role`."""

    where: str
    name: str

    def __str__(self) -> str:
        """`header X-Role`."""
        return f"{self.where} {self.name}"


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """What somebody reads of their own account: its identifier and its role."""

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """An attempt to give oneself a role: what was answered, and the role before and after."""

    status: int
    before: str
    after: str


class Access(Probe):
    """Roles and operations, as the target declares them and as the API has them."""

    name: ClassVar[str] = "access"
    needs: ClassVar[tuple[str, ...]] = ("api", "access")
    sends: ClassVar[Sending] = {
        "anonymous": (*AS_MEMBERS, Sends(HTTP, "{operations}, validly", most=1, does=WRITES)),
        "claiming": (*AS_MEMBERS, Sends(HTTP, "{operations}, as if of another role", "{members}", 1, WRITES)),
        "own_account": (*AS_MEMBERS, Sends(HTTP, "{call:access.profile.read}", "{members}", 1)),
        "assume_role": (
            *AS_MEMBERS,
            Sends(HTTP, "{call:access.profile.read}", "{members}", 2),
            Sends(HTTP, "{call:access.profile.change}, with a role", "{members}", 1, CHANGES),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._changes = Changes(session.journal)

    @look
    def matrix(self) -> Matrix:
        """The declared matrix; raises Unobservable when it names no role or no operation."""
        described = self._described
        compared = self._compared()
        roles = dict.fromkeys(role for may in described.roles.values() for role in may)
        roles |= dict.fromkeys(one.role for one in self.target.identities if one.tenant in compared)
        operations = [(name, tuple(may)) for name, may in described.roles.items()]
        operations += [(name, tuple(roles)) for name in described.everyone]
        if not roles or not operations:
            raise Unobservable("the target's matrix names no role or no operation (access)")
        return Matrix(tuple(roles), tuple(operations))

    @look
    def members(self) -> tuple[Actor, ...]:
        """For each tenant that is compared one identity of each role, no throw-away one where there is another."""
        found: dict[tuple[str, str], Actor] = {}
        compared = self._compared()
        for one in sorted(self.target.identities, key=lambda identity: identity.throwaway):
            if one.tenant in compared:
                actor = Actor(one.name, one.tenant, one.role, one.throwaway, account_of(one))
                found.setdefault((one.tenant, one.role), actor)
        return tuple(found.values())

    @look
    def anonymous(self, operation: str, objects: Mapping[str, str]) -> Anonymous:
        """The answer to a valid call of an operation without any credential."""
        reply = self._api.send(operation, identity=None, objects=objects)
        return Anonymous(reply, self._described.unauthenticated.match(reply.status, reply.text, reply.location))

    @look
    def claims(self) -> tuple[Claim, ...]:
        """The places of a request in which a role is claimed: the usual ones, and the headers that the target names."""
        headers = dict.fromkeys((*HEADERS, *self._described.role_headers))
        return (
            *(Claim("header", name) for name in headers),
            *(Claim("query", name) for name in QUERY),
            Claim("cookie", COOKIE),
            Claim("body", "role"),
        )

    @look
    def claiming(self, operation: str, identity: str, objects: Mapping[str, str], claim: Claim, role: str) -> Reply:
        """A valid call as `identity` that claims `role` in one place; a body is sent where there is none."""
        request = self._request(operation, identity, objects)
        if claim.where == "header":
            request = replace(request, headers=(*request.headers, (claim.name, role)))
        elif claim.where == "cookie":
            request = replace(request, headers=(*request.headers, ("Cookie", f"{claim.name}={role}")))
        elif claim.where == "query":
            joint = "&" if "?" in request.url else "?"
            request = replace(request, url=f"{request.url}{joint}{urlencode({claim.name: role})}")
        else:
            body = json_of(request)
            content = json.dumps({**body, claim.name: role}).encode()
            kept = tuple(one for one in request.headers if one[0].lower() != "content-type")
            request = replace(request, content=content, headers=(*kept, ("Content-Type", "application/json")))
        return self._api.once(operation, identity, request, wait=True, objects=objects)

    @look
    def own_account(self, identity: str) -> OwnAccount:
        """The identity's own account as the API shows it; raises Unobservable when the target does not say how it is read."""
        return self._own_account(identity)

    @look
    def assume_role(self, identity: str, role: str) -> ProfileChange:
        """Change the identity's own account with a role in the body, and read the role back. What changed is put back at the end only."""
        profile = self._described.profile
        if profile is None or profile.change is None:
            raise Unobservable(
                "the target names no operation by which somebody changes their own account (access.profile)"
            )
        before = self._own_account(identity).role
        request = self._request(profile.change, identity, {})
        body = json_of(request)
        content = json.dumps({**body, profile.property: role}).encode()
        title = f"the role of {identity}, which {profile.change} may have changed"
        back = Planted("call", title, "api", profile.change, identity, body={profile.property: before})
        self._changes.about(identity, back)
        reply = self._api.once(profile.change, identity, replace(request, content=content), wait=True)
        after = self._own_account(identity).role
        first = self._changes.first(identity)
        if first is not None and first.body == {profile.property: after}:
            self._changes.back(identity)
        return ProfileChange(reply.status, before, after)

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Description:
        if self.target.access is None:
            raise Unobservable("the target describes no access")
        return self.target.access

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))

    def _compared(self) -> set[str]:
        return {one.name for one in self.target.tenants if one.compared}

    def _request(self, operation: str, identity: str, objects: Mapping[str, str]) -> Request:
        api = self._api
        values = {
            "tenant": api.tenant_id(api.identity(identity).tenant),
            **objects,
            **generated(),
            "search": api.planter.search_word,
            "canary": f"c{secrets.token_hex(8)}",
        }
        return build(api.document.operation(operation), api.description, api.endpoint, values, {})

    def _own_account(self, identity: str) -> OwnAccount:
        profile = self._described.profile
        if profile is None:
            raise Unobservable("the target does not say how somebody reads their own account (access.profile)")
        answer, _, reply = self._api.answer(profile.read, identity, {})
        if not reply.worked:
            raise Unobservable(f"{identity} cannot read the own account: {profile.read} answered {reply.status}")
        data = answer.json()
        return OwnAccount(str(at(data, profile.id)), str(at(data, profile.role)))
