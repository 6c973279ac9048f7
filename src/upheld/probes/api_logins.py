"""Logging in as the target's identities, by whatever way the target describes; passwords and tokens are made known to the redactor before anything is kept."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

from selectolax.lexbor import LexborHTMLParser

from upheld.errors import Refused, Throttled, Unobservable
from upheld.probes.api_answers import LoginAttempt
from upheld.probes.api_requests import fill, generated, url_of
from upheld.probes.http_client import QUERY
from upheld.probes.json_query import Nothing, queried
from upheld.probes.openapi import FORM
from upheld.probes.waiting import asked, matches, patient
from upheld.redaction import SHORTEST
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upheld.probes.base import Session
    from upheld.probes.http_client import Answer, HttpClient
    from upheld.target.api import Account, Api, Identity, Login, LoginRequest
    from upheld.target.endpoints import Endpoint

_MARGIN = 0.8
"""The part of a token's lifetime after which a new one is fetched."""
_YOUNG_SECONDS = 30.0
"""The age below which a refused token is not replaced: a target may answer 401 to all that it refuses."""
_ASSUMED_SECONDS = 300.0
"""How long a token is used whose lifetime the answer does not tell."""
_SEE_ELSEWHERE = frozenset({302, 303})
"""What a form answers to those whom it lets in; the cookie shows that it did."""
_ENCODING = re.compile(r"\{(base64|form):")


@dataclass(frozen=True)
class Credential:
    """What a login gave: the credential itself, the cookies that came with it, and what fills the placeholders of what carries it.

    It is kept inside of probes and never recorded.
    """

    token: str
    cookies: Mapping[str, str]
    values: Mapping[str, str]


@dataclass(frozen=True)
class Begun:
    """A login as it went: its last answer (None where nothing was asked for), how it is described, and what it gave (None: nothing).

    `answers` are those of all its requests.
    """

    answer: Answer | None
    login: Login
    credential: Credential | None
    answers: tuple[Answer, ...] = ()

    def told(self, pointer: str) -> str:
        """What the answer holds at a JSON pointer or query, as text; empty where it holds nothing there.

        Raises Unobservable when a query does not say which of several values it is.
        """
        if self.answer is None:
            return ""
        try:
            data = self.answer.json()
        except Unobservable:
            return ""
        return held(data, pointer)


@dataclass(frozen=True)
class _Known:
    header: Mapping[str, str]
    until: float
    since: float


class Logins:
    """The credentials of one session: fetched when first needed, kept until shortly before they expire."""

    def __init__(self, session: Session, api: Api, endpoint: Endpoint) -> None:
        self._session = session
        self._api = api
        self._endpoint = endpoint
        self._tokens: dict[str, _Known] = {}
        self._fetching = threading.Lock()

    def header(self, identity: Identity, client: HttpClient) -> dict[str, str]:
        """The headers that make a request this identity's; raises Refused when the login is, Unobservable when it gives no token."""
        with self._fetching:
            known = self._tokens.get(identity.name)
            if known is None or known.until < time.monotonic():
                known = self._tokens[identity.name] = self._fetch(identity, client)
        return dict(known.header)

    def forget(self, identity: Identity) -> None:
        """Fetch a new token next time."""
        self._tokens.pop(identity.name, None)

    def forget_old(self, identity: Identity, used: Mapping[str, str]) -> bool:
        """Whether there is, or next time will be, another credential than the `used` one, which was refused.

        One that is so young that its refusal must mean something else is kept.
        """
        with self._fetching:  # Another thread may be renewing it just now.
            known = self._tokens.get(identity.name)
            if known is None or known.header != used:
                return True
            if time.monotonic() - known.since < _YOUNG_SECONDS:
                return False
            self.forget(identity)
            return True

    def attempt(
        self,
        identity: Identity,
        client: HttpClient,
        *,
        right: bool,
        source: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> LoginAttempt:
        """One login with the right or with a made-up password; the token that it gives is not kept for use."""
        login = self._login(identity)
        begun = self._begin(identity, client, right=right, headers=headers)
        answer, accepted = begun.answer, begun.credential is not None
        if login.path is None:
            if login.check is None or begun.credential is None:
                raise Unobservable(
                    f"the target names no path that shows whether the credential of {identity.name} is right (check)"
                )
            answer = client.send(
                "GET",
                url_of(self._endpoint, login.check),
                headers={**(headers or {}), **self.sent_as(login, begun.credential)},
            )
            accepted = 200 <= answer.status < 300 and not matches(self._api.refused, answer)
        if answer is None:
            raise Unobservable(f"the login of {identity.name} sent nothing")
        limited = matches(self._api.limited, answer)
        return LoginAttempt(
            identity=identity.name,
            account=account_of(identity),
            right_password=right,
            status=answer.status,
            accepted=accepted and not limited,
            limited=limited,
            retry_after=answer.header("retry-after") or "",
            retry_after_seconds=asked(answer),
            seconds=answer.seconds,
            source_address=source,
        )

    def begin(self, identity: Identity, client: HttpClient) -> tuple[Begun, Credential]:
        """One more login, and what it gave, which is known to the redactor and not kept for use; raises Refused when it is refused."""
        begun = self._patiently(identity, client)
        if begun.credential is None:
            status = begun.answer.status if begun.answer is not None else 0
            raise Refused(f"the login of {identity.name} gave no token: it answered {status}")
        return begun, begun.credential

    def sent_as(self, login: Login, credential: Credential, token: str | None = None) -> dict[str, str]:
        """The headers that carry a credential, or another `token` in its place."""
        used = credential.token if token is None else token
        values = {**credential.values, **{f"cookie.{name}": one for name, one in credential.cookies.items()}}
        values["token"] = used
        found = {name: filled(value, values) for name, value in login.headers.items()}
        if login.scheme == "cookies":
            kept = {**credential.cookies, **({_cookie(login): used} if _cookie(login) else {})}
            return {**found, "Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
        template = login.value or ("{username}:{password}" if login.scheme == "basic" else "{token}")
        # A secret of the identity is the credential itself where none is asked for, so that another one can take its place.
        value = used if login.path is None else filled(template, values)
        if login.scheme == "query":
            return {**found, QUERY: f"{quote(login.name, safe='')}={quote(value, safe='')}"}
        if login.scheme == "basic":
            return {**found, "Authorization": f"Basic {base64.b64encode(value.encode()).decode()}"}
        if login.scheme == "header":
            return {**found, login.name: value}
        return {**found, "Authorization": f"Bearer {value}"}

    def login_of(self, identity: Identity) -> Login:
        """How an identity logs in; raises Unobservable when the target does not say it."""
        return self._login(identity)

    def send_password(self, identity: Identity, client: HttpClient, value: str) -> None:
        """Log in with `value` in the place of every secret; whatever becomes of it."""
        begun = self._begin(identity, client, right=False, made_up=value)
        if begun.answer is None and begun.credential is not None:
            url = url_of(self._endpoint, begun.login.check or "/")
            client.send("GET", url, headers=self.sent_as(begun.login, begun.credential))

    def _patiently(self, identity: Identity, client: HttpClient) -> Begun:
        kept: list[Begun] = []
        if self._login(identity).path is None:
            return self._begin(identity, client, right=True)

        def send() -> Answer:
            kept.append(self._begin(identity, client, right=True))
            answer = kept[-1].answer
            assert answer is not None  # noqa: S101  (a login with a path has an answer)
            return answer

        patient(send, self._api.limited, f"the login of {identity.name}")
        return kept[-1]

    def _fetch(self, identity: Identity, client: HttpClient) -> _Known:
        begun = self._patiently(identity, client)
        if begun.credential is None:
            status = begun.answer.status if begun.answer is not None else 0
            what = "was refused" if not 200 <= status < 300 else f"gave no token at {begun.login.token}"
            raise Refused(f"the login of {identity.name} {what}: it answered {status}")
        try:
            lifetime = float(begun.told(begun.login.expires_in))
        except ValueError:
            lifetime = _ASSUMED_SECONDS
        now = time.monotonic()
        return _Known(self.sent_as(begun.login, begun.credential), now + lifetime * _MARGIN, now)

    def _begin(
        self,
        identity: Identity,
        client: HttpClient,
        *,
        right: bool,
        headers: Mapping[str, str] | None = None,
        made_up: str = "",
    ) -> Begun:
        """Make every request of the login, the first that gives nothing being the last."""
        login = self._login(identity)
        values = self._values(identity, right=right, made_up=made_up)
        if login.path is None:
            template = login.value or "{username}:{password}"
            return Begun(None, login, self._credential(filled(template, values), {}, values, identity))
        # Cookies of one login must not reach another; where none are needed the given connection serves.
        own = login.scheme == "cookies" or login.token.startswith("cookie ") or any(r.page for r in login.requests())
        sender = client.with_cookies() if own else client
        try:
            answers = self._requests(identity, login, values, sender, headers or {})
            answer = answers[-1]
            cookies = sender.cookies(self._endpoint.host) if own else {}
            token = self._token_in(answer, login, cookies)
        finally:
            if own:
                sender.close()
        credential = self._credential(token, cookies, values, identity) if token else None
        return Begun(answer, login, credential, tuple(answers))

    def _requests(
        self,
        identity: Identity,
        login: Login,
        values: dict[str, str],
        client: HttpClient,
        headers: Mapping[str, str],
    ) -> list[Answer]:
        requests = login.requests()
        answers: list[Answer] = []
        for index, one in enumerate(requests):
            url = url_of(self._endpoint, one.path)
            hidden = self._hidden(one, client, headers)
            template = one.form if one.form is not None else one.json_body
            own = {name: filled(value, values) for name, value in one.with_headers.items()}
            if "{code}" in str(template):
                values["code"] = self._code(identity, login)
            if one.form is not None or hidden:
                fields = {**hidden, **{str(key): str(item) for key, item in (fill(one.form or {}, values)).items()}}
                given = {**headers, "Content-Type": FORM, "Referer": url, **own}
                answer = client.send(one.method, url, headers=given, content=urlencode(fields).encode())
            else:
                answer = client.send(one.method, url, headers={**headers, **own}, json=fill(one.json_body, values))
            answers.append(answer)
            if index < len(requests) - 1:
                if answer.status >= 400 or matches(self._api.limited, answer):
                    return answers
                for name, pointer in one.gives.items():
                    values[name] = value_at(answer.json(), pointer)
                    self._hide(values[name], f"{name}-{identity.name}")
        return answers

    def _hidden(self, one: LoginRequest, client: HttpClient, headers: Mapping[str, str]) -> dict[str, str]:
        """The hidden fields that the page of a form gives; opening it sets the cookies that go with them."""
        if one.page is None:
            return {}
        page = client.send("GET", url_of(self._endpoint, one.page), headers=headers)
        if matches(self._api.limited, page):
            raise Throttled(f"{one.page} is limited: it answered {page.status}")
        if page.status != 200:
            raise Unobservable(f"the page of the login, {one.page}, answered {page.status}")
        fields = fields_of(page.text)
        if missing := [name for name in one.hidden if name not in fields]:
            raise Unobservable(f"{one.page} has no field {missing[0]}")
        for name in one.hidden:
            self._session.redactor.add(fields[name], f"field-{name}") if len(fields[name]) >= SHORTEST else None
        return {name: fields[name] for name in one.hidden}

    def _code(self, identity: Identity, login: Login) -> str:
        from upheld.probes.staff_codes import Code, Codes  # noqa: PLC0415  (only second factors need it)

        return Codes(self._session, login.totp).make(identity, Code.EARLIEST) or ""

    def _values(self, identity: Identity, *, right: bool, made_up: str) -> dict[str, str]:
        values = {**generated(), **identity.values}
        for name, reference in identity.secrets.items():
            secret = resolve(reference, self._session.target_folder)
            self._hide(secret, f"{name}-{identity.name}")
            # As long as the right one and of the same kind, so that it is not refused for its shape.
            wrong = made_up or f"{secrets.token_urlsafe(len(secret) + 8)[: max(8, len(secret) - 2)]}a1"
            values[name] = secret if right else wrong
        return values

    def _credential(
        self, token: str, cookies: Mapping[str, str], values: Mapping[str, str], identity: Identity
    ) -> Credential:
        self._hide(token, f"token-{identity.name}")
        return Credential(token, dict(cookies), dict(values))

    def _hide(self, secret: str, label: str) -> None:
        try:
            self._session.redactor.add(secret, label)
        except ValueError as error:
            raise Unobservable(str(error)) from None

    def _login(self, identity: Identity) -> Login:
        login = self._api.logins.get(identity.login)
        if login is None:
            raise Unobservable(f"the target does not say how {identity.name} logs in")
        return login

    def _token_in(self, answer: Answer, login: Login, cookies: Mapping[str, str]) -> str:
        """The credential that the last answer of a login gives; empty for none, and for an answer that lets nobody in."""
        if login.accepted is not None:
            if not matches(login.accepted, answer):
                return ""
        elif not (200 <= answer.status < 300 or (cookies and answer.status in _SEE_ELSEWHERE)):
            return ""
        where, _, name = login.token.partition(" ")
        if where == "cookie":
            return cookies.get(name, "")
        if where == "header":
            return answer.header(name) or ""
        return text_at(answer, login.token)


def text_at(answer: Answer, place: str) -> str:
    """The text that an answer holds at a JSON pointer or query; empty for none. Raises Unobservable for a query that is not clear."""
    try:
        data = answer.json()
        token = None if place.startswith("$") else at(data, place)
    except Unobservable:
        return ""
    if place.startswith("$"):
        return held(data, place)
    return token if isinstance(token, str) else ""


def value_at(data: Any, place: str) -> str:
    """What is at a JSON pointer or query, as text; raises Unobservable for nothing, and for a query that is not clear."""
    return queried(data, place) if place.startswith("$") else str(at(data, place))


def held(data: Any, place: str) -> str:
    """As `value_at`; empty for nothing, and for null."""
    if place.startswith("$"):
        try:
            return queried(data, place)
        except Nothing:
            return ""
    try:
        value = at(data, place)
    except Unobservable:
        return ""
    return "" if value is None else str(value)


def _cookie(login: Login) -> str:
    where, _, name = login.token.partition(" ")
    return name if where == "cookie" else ""


def account_of(identity: Account) -> str:
    """The name that an identity logs in with: of its values the one that looks most like it."""
    for name in ("email", "username", "user", "login", "account", "name"):
        if name in identity.values:
            return identity.values[name]
    return next(iter(identity.values.values()), identity.name)


def filled(template: str, values: Mapping[str, str]) -> str:
    """`template` with its placeholders replaced, and then what stands in `{base64:…}` and `{form:…}` encoded, also one in the other.

    Where an encoding ends shows in the template alone: what is filled in may hold braces of its own.
    """
    begun = _ENCODING.search(template)
    if begun is None:
        return str(fill(template, values))
    end, open_ones = begun.end(), 1
    while end < len(template) and open_ones:
        open_ones += {"{": 1, "}": -1}.get(template[end], 0)
        end += 1
    if open_ones:
        raise Unobservable(f"the target's template {begun[0]}… has no end")
    inner = filled(template[begun.end() : end - 1], values)
    made = base64.b64encode(inner.encode()).decode() if begun[1] == "base64" else quote_plus(inner)
    return str(fill(template[: begun.start()], values)) + made + filled(template[end:], values)


def fields_of(html: str) -> dict[str, str]:
    """The values of a page's input fields by name, hidden ones too; of two with one name the last."""
    return {
        str(node.attributes.get("name")): str(node.attributes.get("value") or "")
        for node in LexborHTMLParser(html).css("input[name]")
    }


def at(data: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; raises Unobservable when it leads nowhere."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and key.isdecimal() and int(key) < len(data):
            data = data[int(key)]
        else:
            raise Unobservable(f"the answer has nothing at {pointer}")
    return data
