"""Sessions of the API: issued for the looks, used, forged, refreshed and revoked. Their tokens never leave the probe."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes import forging
from upheld.probes.account_changes import AccountChange, AccountChanges
from upheld.probes.api import Actor, Api, Reply
from upheld.probes.api_logins import account_of, at, held, value_at
from upheld.probes.api_requests import build, fill, generated
from upheld.probes.base import Probe, look
from upheld.probes.forging import Forgery
from upheld.probes.refresh_tokens import places_handed_out
from upheld.probes.sending import AS_MEMBERS, CHANGES, HTTP, WRITES, Sending, Sends
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.api_logins import Credential
    from upheld.probes.base import Session
    from upheld.target.access import Access, RoleChange
    from upheld.target.sessions import Sessions as Description

__all__ = ["ExpiredUse", "Forgery", "HandedOut", "Issued", "Refreshed", "Sessions"]

_EXCHANGE = re.compile(r"(?i)refresh")


@dataclass(frozen=True, slots=True)
class Issued:
    """A session that was begun: what its token says of its lifetime, and what the answer told.

    `lifetime_seconds` is how long from now the token says that it is valid (None: it says nothing that can be read),
    `told_seconds` what the answer told beside it. `kind` is `jwt` or `opaque`, `algorithm` the token's own word.
    """

    handle: str
    identity: str
    kind: str
    algorithm: str
    lifetime_seconds: float | None
    told_seconds: float | None
    has_refresh_token: bool


@dataclass(frozen=True, slots=True)
class ExpiredUse:
    """What was answered to a token that has expired; `expired_seconds_ago` is by its own word (None: it says nothing)."""

    expired_seconds_ago: float | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class Refreshed:
    """An attempt to exchange a refresh token: the answer, and the session that it gave (empty: none).

    `rotated` says whether it gave a new refresh token.
    """

    status: int
    handle: str
    rotated: bool

    @property
    def worked(self) -> bool:
        """Whether it gave a new access token."""
        return bool(self.handle)


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What one kind of login hands out that may be a refresh token: the places, and those that the target says are none, with the reason."""

    login: str
    identity: str
    places: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass
class _Tokens:
    identity: str
    access: str
    refresh: str
    credential: Credential


class Sessions(Probe):
    """The sessions of one identity that the target names, and of throw-away ones."""

    name: ClassVar[str] = "sessions"
    needs: ClassVar[tuple[str, ...]] = ("api", "sessions")
    sends: ClassVar[Sending] = {
        **dict.fromkeys(
            ("issue", "handed_out", "use", "use_expired", "use_forged", "use_in", "use_none"),
            (
                *AS_MEMBERS,
                Sends(
                    HTTP,
                    "{call:sessions.whoami} and others that read, with tokens that are valid, expired, forged or none",
                    "{sessions.identity}, {throwaway}",
                    1,
                ),
            ),
        ),
        "exchanges": AS_MEMBERS,
        "refresh": (*AS_MEMBERS, Sends(HTTP, "{call:sessions.refresh.operation}", "{sessions.identity}", 1, WRITES)),
        "revoke": (*AS_MEMBERS, Sends(HTTP, "{call:sessions.revoke.operation}", "{sessions.identity}", 1, WRITES)),
        "change_account": (
            *AS_MEMBERS,
            Sends(HTTP, "{call:change}, of {throwaway}", "somebody who may", 1, CHANGES, each="access.role_change"),
            Sends(HTTP, "{call:disable}, of {throwaway}", "somebody who may", 1, CHANGES, each="access.role_change"),
            Sends(HTTP, "{call:enable}, of {throwaway}", "somebody who may", 1, CHANGES, each="access.role_change"),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Begins no session yet."""
        super().__init__(session)
        self._kept: dict[str, _Tokens] = {}
        self._accounts: dict[str, str] = {}
        self._changes = AccountChanges(session.journal, "api")

    # --- tokens ----------------------------------------------------------------------------------------------------

    @look
    def issue(self, identity: str = "") -> Issued:
        """Log in anew, as the identity that the target names for it or as another; raises Refused when it is refused."""
        who = self._api.identity(identity or self._described.identity)
        begun, credential = self._api.logins.begin(who, self._api.client(""))
        if begun.answer is None:
            raise Unobservable(f"{who.name} has a credential that is not asked for, and so begins no session")
        try:
            told: float | None = float(begun.told(begun.login.expires_in))
        except ValueError:
            told = None
        refresh = begun.told(self._described.refresh_token)
        handle = self._keep(who.name, credential.token, refresh, credential)
        lifetime, algorithm = self._lifetime(credential.token)
        return Issued(handle, who.name, self._described.token, algorithm, lifetime, told, bool(refresh))

    @look
    def has_refresh_tokens(self) -> bool:
        """Whether logins hand out refresh tokens, by the target's word."""
        return self._described.refresh_tokens

    @look
    def logins(self) -> tuple[tuple[str, str], ...]:
        """Each kind of login that begins a session, with somebody who logs in so: the identity of the looks first."""
        found: dict[str, str] = {}
        for one in sorted(
            self.target.identities, key=lambda who: (who.name != self._described.identity, who.throwaway)
        ):
            if self._api.logins.login_of(one).path is not None:
                found.setdefault(one.login, one.name)
        return tuple(found.items())

    @look
    def exchanges(self) -> tuple[str, ...]:
        """The operations of the API whose name or path speaks of refreshing tokens or sessions."""
        return tuple(str(one) for one in self._api.document.operations if _EXCHANGE.search(f"{one.id} {one.path}"))

    @look
    def handed_out(self, identity: str) -> HandedOut:
        """What a login of the identity hands out that may be a refresh token; raises Refused when it is refused."""
        who = self._api.identity(identity)
        begun, _ = self._api.logins.begin(who, self._api.client(""))
        places = list(places_handed_out(begun))
        declared = self._described.refresh_token
        if begun.told(declared) and declared not in places:
            places.append(declared)
        known = self._described.other_values
        left_out = tuple((place, known[place]) for place in places if place in known)
        return HandedOut(who.login, who.name, tuple(one for one in places if one not in known), left_out)

    @look
    def use(self, handle: str) -> Reply:
        """The answer to the operation that whoever has a valid token may call, with the session's token."""
        return self._use(self._kept[handle], self._kept[handle].access)

    @look
    def use_none(self) -> Reply:
        """The answer to the operation that whoever has a valid token may call, without any."""
        tenant = self._api.tenant_id(self._api.identity(self._described.identity).tenant)
        return self._api.send(self._described.whoami, identity=None, objects={"tenant": tenant})

    @look
    def use_in(self, handle: str, operation: str) -> Reply:
        """The answer to another operation without identifiers but the tenant's, with the session's token."""
        known = self._kept[handle]
        return self._use(known, known.access, operation)

    @look
    def forgeries(self) -> tuple[Forgery, ...]:
        """The ways to forge a token of this kind; of an opaque one only altering and cutting it."""
        if self._described.token == "jwt":  # noqa: S105  (a kind of token)
            return forging.forgeries()
        return (Forgery("altered", "RFC 6750 section 5.1"), Forgery("cut short", "RFC 6750 section 5.1"))

    @look
    def use_forged(self, handle: str, forgery: str) -> Reply:
        """As `use`, with the token forged in that way."""
        known = self._kept[handle]
        if self._described.token == "jwt":  # noqa: S105  (a kind of token)
            token = forging.forged(known.access, forgery)
        else:
            middle = len(known.access) // 2
            other = "A" if known.access[middle] != "A" else "B"
            whole = f"{known.access[:middle]}{other}{known.access[middle + 1 :]}"
            token = whole if forgery == "altered" else known.access[:-1]
        self.session.redactor.add(token, f"forged-token-{secrets.token_hex(3)}")
        return self._use(known, token)

    @look
    def expired(self) -> int:
        """How many expired tokens the target gives."""
        return len(self._described.expired)

    @look
    def use_expired(self, index: int) -> ExpiredUse:
        """As `use`, with one of the tokens that have expired."""
        token = resolve(self._described.expired[index], self.session.target_folder).strip()
        self.session.redactor.add(token, f"expired-token-{index + 1}")
        lifetime, _ = self._lifetime(token)
        latest = [one for one in self._kept.values() if one.identity == self._described.identity]
        if not latest:
            raise Unobservable("no session was begun whose place the expired token could take")
        reply = self._use(latest[-1], token)
        return ExpiredUse(None if lifetime is None else -lifetime, reply)

    @look
    def refresh(self, handle: str) -> Refreshed:
        """Exchange the session's refresh token; the old one stays with the old handle."""
        described = self._described.refresh
        if described is None:
            raise Unobservable("the target does not say how a refresh token is exchanged (sessions.refresh)")
        known = self._kept[handle]
        if not known.refresh:
            raise Unobservable(f"the login gave no refresh token at {self._described.refresh_token}")
        answer, reply = self._send(described.operation, described.json_body, {"refresh_token": known.refresh})
        if not reply.worked:
            return Refreshed(reply.status, "", rotated=False)
        data = answer.json()
        refresh = held(data, described.refresh_token)
        made = self._keep(known.identity, value_at(data, described.token), refresh, known.credential)
        return Refreshed(reply.status, made, rotated=bool(refresh) and refresh != known.refresh)

    @look
    def revoke(self, handle: str) -> Reply:
        """End the session; raises Unobservable when the target does not say how."""
        described = self._described.revoke
        if described is None:
            raise Unobservable("the target does not say how a session is ended (sessions.revoke)")
        known = self._kept[handle]
        headers = {} if described.json_body else self._carried(known, known.access)
        return self._send(described.operation, described.json_body, {"token": known.access}, headers)[1]

    # --- accounts --------------------------------------------------------------------------------------------------

    @look
    def subject(self, role: str = "") -> Actor:
        """A throw-away identity whose account may be changed, of that role if one is named; raises Unobservable for none."""
        for one in self.target.identities:
            if one.throwaway and role in {"", one.role}:
                return Actor(one.name, one.tenant, one.role, one.throwaway, account_of(one))
        raise Unobservable("the target has no throw-away identity whose account may be changed")

    @look
    def change_account(self, identity: str, change: str, *, by: str, role: str = "") -> Reply:
        """As `by`, give the identity's account a role (`change`), disable it (`disable`) or enable it again (`enable`)."""
        described = self._role_change
        operation = {"change": described.change, "disable": described.disable, "enable": described.enable}[change]
        if operation is None:
            raise Unobservable(f"the target names no operation that can {change} an account (access.role_change)")
        objects = {described.kind: self._account_id(identity)}
        bodies = {
            "change": {described.property: role},
            "disable": described.disable_json,
            "enable": described.enable_json,
        }
        body = bodies[change]
        one = AccountChange(identity, change, by, objects, role, self._api.identity(identity).role)
        self._changes.before(one, described)
        reply = self._api.send(operation, identity=by, objects=objects, body=body)
        self._changes.after(one, worked=reply.worked)
        return reply

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Description:
        if self.target.sessions is None:
            raise Unobservable("the target describes no sessions")
        return self.target.sessions

    @property
    def _access(self) -> Access:
        if self.target.access is None:
            raise Unobservable("the target describes no access")
        return self.target.access

    @property
    def _role_change(self) -> RoleChange:
        if self._access.role_change is None:
            raise Unobservable("the target does not say how an account is changed (access.role_change)")
        return self._access.role_change

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))

    def _account_id(self, identity: str) -> str:
        profile = self._access.profile
        if profile is None:
            raise Unobservable("the target does not say how somebody reads their own account (access.profile)")
        # Known from before, for a disabled account cannot be asked.
        if identity not in self._accounts:
            answer, _, reply = self._api.answer(profile.read, identity, {})
            if not reply.worked:
                raise Unobservable(f"{identity} cannot read the own account: {profile.read} answered {reply.status}")
            self._accounts[identity] = str(at(answer.json(), profile.id))
        return self._accounts[identity]

    def _keep(self, identity: str, token: str, refresh: str, credential: Credential) -> str:
        handle = f"session {len(self._kept) + 1}"
        self._kept[handle] = _Tokens(identity, token, refresh, credential)
        try:
            self.session.redactor.add(token, f"token-of-{handle}".replace(" ", "-"))
            if refresh:
                self.session.redactor.add(refresh, f"refresh-token-of-{handle}".replace(" ", "-"))
        except ValueError as error:
            raise Unobservable(str(error)) from None
        return handle

    def _carried(self, known: _Tokens, token: str) -> dict[str, str]:
        """The headers that carry `token` as the session's own is carried."""
        login = self._api.logins.login_of(self._api.identity(known.identity))
        return self._api.logins.sent_as(login, known.credential, token)

    def _use(self, known: _Tokens, token: str, operation: str = "") -> Reply:
        tenant = self._api.tenant_id(self._api.identity(known.identity).tenant)
        headers = self._carried(known, token)
        return self._api.send(
            operation or self._described.whoami, identity=None, objects={"tenant": tenant}, headers=headers
        )

    def _send(
        self, operation: str, template: Any, values: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> tuple[Any, Reply]:
        api = self._api
        tenant = api.tenant_id(api.identity(self._described.identity).tenant)
        request = build(
            api.document.operation(operation), api.description, api.endpoint, {"tenant": tenant, **generated()}, {}
        )
        if template is not None:
            content = json.dumps(fill(template, {**generated(), **values})).encode()
            kept = tuple(one for one in request.headers if one[0].lower() != "content-type")
            request = replace(request, content=content, headers=(*kept, ("Content-Type", "application/json")))
        return api.exchange(operation, request, headers or {})

    def _lifetime(self, token: str) -> tuple[float | None, str]:
        """How long from now a token says that it is valid, and its algorithm."""
        if self._described.token != "jwt":  # noqa: S105
            return None, ""
        known = forging.parts(token)
        algorithm = str(known.header.get("alg", ""))
        expires = known.claims.get("exp")
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            return None, algorithm
        return round(expires - datetime.now(UTC).timestamp(), 3), algorithm
