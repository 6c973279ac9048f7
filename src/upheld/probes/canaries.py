"""Canaries: made-up secrets that are put into the system through its real entrances, to be looked for afterwards.

A check sees a canary only as its placeholder; the value is put in when it is sent, and taken out of all that comes back.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.api_requests import Request, build, fill, generated, url_of
from upheld.probes.base import Probe, look
from upheld.probes.http_client import agent
from upheld.probes.planted import Planted
from upheld.probes.search import Searcher
from upheld.probes.sending import AS_MEMBERS, HTTP, WRITES, Sending, Sends
from upheld.probes.waiting import patient
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.http_client import Answer
    from upheld.target.api import CanaryFlow, Identity

LENGTH = 32
"""Characters of a canary: letters and digits, so that it passes wherever a token does."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A made-up secret: what it is for, and the placeholder that stands for it."""

    name: str
    placeholder: str

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Flow:
    """A declared way in which a secret enters the system. `path` says what it exercises, `statuses` which answers show that."""

    name: str
    path: str
    identity: str
    operation: str
    statuses: tuple[int, ...]

    def __str__(self) -> str:
        """`name (path)`."""
        return f"{self.name} ({self.path})"


@dataclass(frozen=True, slots=True)
class FlowRun:
    """One run of a flow: the canary that went in, what was answered, and in what spellings the answer holds the canary."""

    flow: str
    canary: Canary
    status: int
    size: int
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UsedSecret:
    """A secret of the harness that went over the wire in its ordinary place: its placeholder, and what it is."""

    placeholder: str
    what: str


@dataclass(frozen=True, slots=True)
class Marker:
    """A harmless word that the harness left in the path and the user agent of a request, and what that answered."""

    text: str
    status: int


class Canaries(Probe):
    """Makes canaries, drives the target's canary flows, and uses the harness's own credentials on purpose."""

    name = "canaries"
    needs = ()
    sends: ClassVar[Sending] = {
        "run": (
            *AS_MEMBERS,
            Sends(
                HTTP, "{call:operation}, with a made-up secret ({name})", "{identity}", 3, WRITES, each="canary_flows"
            ),
        ),
        "use_sessions": (
            *AS_MEMBERS,
            Sends(
                HTTP, "GET of what is there and of what is not, POST of what is refused", "{acting}, a made-up token", 5
            ),
            Sends(HTTP, "{logins}, once with a made-up password", "{throwaway}", 1, WRITES),
        ),
        "leave_marker": (Sends(HTTP, "GET of a path that is not there, with a marker", most=1),),
    }

    def __init__(self, session: Session) -> None:
        """Makes nothing yet."""
        super().__init__(session)
        self._made = 0

    @look
    def fresh(self, name: str) -> Canary:
        """A new canary; known to the redactor from now on."""
        return self._fresh(name)[0]

    @look
    def flows(self) -> tuple[Flow, ...]:
        """The declared flows; raises Unobservable when there is none."""
        if not self.target.canary_flows:
            raise Unobservable("the target declares no way in which a secret enters the system (canary_flows)")
        return tuple(
            Flow(one.name, one.path, one.identity, one.operation, one.statuses) for one in self.target.canary_flows
        )

    @look
    def run(self, flow: Flow) -> FlowRun:
        """Send a fresh canary through a flow. A limit that stands in the way is waited for."""
        described = next((one for one in self.target.canary_flows if one.name == flow.name), None)
        if described is None:
            raise Unobservable(f"the target declares no canary flow {flow.name!r}")
        canary, value = self._fresh(flow.name)
        answer = self._send(described, value)
        searcher = Searcher([value])
        shown = [encoding for _, encoding in searcher.encodings_in(answer.text.encode("utf-8", "surrogateescape"))]
        heads = "\n".join(f"{name}: {text}" for name, text in answer.headers)
        shown += [
            f"{encoding}, in a header"
            for _, encoding in searcher.encodings_in(heads.encode("utf-8", "surrogateescape"))
        ]
        return FlowRun(flow.name, canary, answer.status, answer.size, tuple(dict.fromkeys(shown)))

    @look
    def use_sessions(self) -> tuple[UsedSecret, ...]:
        """Log in anew as one identity of each tenant and make requests with its token; gives all secrets that went out.

        Beside the true tokens and passwords that are a made-up token, and a made-up password for a throw-away identity.
        """
        api = self._api
        used: list[UsedSecret] = []
        for actor in api.acting():
            identity = api.identity(actor.name)
            begun, credential = api.logins.begin(identity, api.client(""))
            header = api.logins.sent_as(begun.login, credential)
            used.append(self._known(credential.token, f"session token of {identity.name}"))
            used += [self._password(identity, name) for name in identity.secrets]
            self._ordinary_requests(header)
        canary, value = self._fresh("made-up token")
        self._ordinary_requests(api.logins.sent_as(begun.login, credential, value))
        used.append(UsedSecret(canary.placeholder, "made-up token"))
        throwaway = [one for one in self.target.identities if one.throwaway]
        if throwaway:
            used.append(self._wrong_password(throwaway[-1]))
        return tuple(used)

    @look
    def leave_marker(self) -> Marker:
        """Make one request to the API with a harmless marker in its path and its user agent: what keeps logs shows it."""
        text = f"upheld-marker-{secrets.token_hex(8)}"
        url = url_of(self._api.endpoint, f"/{text}")
        answer = self._api.client("").send(
            "GET", url, headers={"User-Agent": f"{agent(self.target.contact)} {text}"}, whole=False
        )
        return Marker(text, answer.status)

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))

    def _fresh(self, name: str) -> tuple[Canary, str]:
        self._made += 1
        value = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(LENGTH))
        return Canary(name, self.session.redactor.add(value, f"canary {self._made} of {name}")), value

    def _known(self, value: str, what: str) -> UsedSecret:
        return UsedSecret(self.session.redactor.add(value, what), what)

    def _password(self, identity: Identity, name: str) -> UsedSecret:
        return self._known(resolve(identity.secrets[name], self.session.target_folder), f"{name} of {identity.name}")

    def _send(self, flow: CanaryFlow, value: str) -> Answer:
        api = self._api
        identity = api.identity(flow.identity)
        tenant = next((one.id for one in self.target.tenants if one.name == identity.tenant), "")
        values = {**generated(), "tenant": tenant, "canary": value}
        operation = api.document.operation(flow.operation)
        request = build(operation, api.description, api.endpoint, values, {})
        if flow.json_body is not None:
            headers = {**dict(request.headers), "Content-Type": "application/json"}
            body = json.dumps(fill(flow.json_body, values)).encode()
            request = dataclasses.replace(request, headers=tuple(headers.items()), content=body)
        if value.encode() not in (request.content or b"") and value not in request.url:
            raise Unobservable(f"the canary flow {flow.name} has no place for the canary ({{canary}} in its json)")
        if operation.method in {"GET", "HEAD"}:
            return self._patiently(request, api.logins.header(identity, api.client("")), flow.name)
        return self._noted(flow, request, tenant)

    def _noted(self, flow: CanaryFlow, request: Request, tenant: str) -> Answer:
        """Send it, with a note in the journal of what it may make."""
        api = self._api
        identity = api.identity(flow.identity)
        recipes = {recipe.create for recipe in api.description.objects.values()}
        note = None
        if flow.operation not in recipes:
            title = f"what {flow.operation} made as {flow.identity} for the flow {flow.name!r}"
            note = self.session.journal.about(Planted("left", title, "api", flow.operation, flow.identity))
        with api.making(flow.operation, flow.identity, {"tenant": tenant}, request) as making:
            answer = self._patiently(request, api.logins.header(identity, api.client("")), flow.name)
            making.status = answer.status
            making.made = api.reply(flow.operation, flow.identity, request, answer, 0.0).made
        if note is not None and not 200 <= answer.status < 300:
            note.gone()
        return answer

    def _patiently(self, request: Request, header: Mapping[str, str], what: str) -> Answer:
        client = self._api.client("")
        headers = {**dict(request.headers), **header}
        answer, _ = patient(
            lambda: client.send(request.method, request.url, headers=headers, content=request.content),
            self._api.described.limited,
            what,
        )
        return answer

    def _ordinary_requests(self, header: Mapping[str, str]) -> None:
        """A request to something that is there, one to something that is not, and one whose body is refused."""
        api = self._api
        there = api.described.openapi or ""
        there = there if there.startswith("/") else "/"
        for method, path, content in (
            ("GET", there, None),
            ("GET", "/upheld-nothing-here", None),
            ("POST", "/upheld-nothing-here", b'"upheld"'),
        ):
            given = (("Content-Type", "application/json"),) if content else ()
            self._patiently(Request(method, url_of(api.endpoint, path), given, content), header, f"{method} {path}")
        own = next((one for one in api.document.operations if one.method == "GET" and not one.parameters), None)
        if own is not None:
            self._patiently(Request("GET", url_of(api.endpoint, own.path), (), None), header, own.id)

    def _wrong_password(self, identity: Identity) -> UsedSecret:
        api = self._api
        canary, value = self._fresh("made-up password")
        # Limited or locked is as good as refused here: what matters is that the password was sent.
        api.logins.send_password(identity, api.client(""), value)
        return UsedSecret(canary.placeholder, "made-up password")
