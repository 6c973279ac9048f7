"""Sending what the API probe asks for: as whom, with which token, how patiently, and what the answer comes to."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from upheld.errors import Unobservable
from upheld.probes import openapi
from upheld.probes.api_answers import Reply
from upheld.probes.api_logins import at, fields_of
from upheld.probes.api_objects import Making
from upheld.probes.api_requests import Request, build, build_harmless, encoded, fill, generated, json_of, makers
from upheld.probes.http_client import Answer, HttpClient
from upheld.probes.waiting import matches, patient
from upheld.target.api import Account

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.openapi import Document, Operation
    from upheld.target.api import Api as Description
    from upheld.target.api import Login, ObjectRecipe
    from upheld.target.endpoints import Endpoint

TEXT_KEPT = 60_000
"""Characters of an answer's body that a reply keeps: less than an observation does, so that a replay sees the same."""


Someone = TypeVar("Someone", bound=Account)
"""The kind of account that an API is used with."""
Holder_contra = TypeVar("Holder_contra", bound=Account, contravariant=True)


class Credentials(Protocol[Holder_contra]):
    """Where the headers come from that make a request somebody's."""

    def header(self, identity: Holder_contra, client: HttpClient) -> dict[str, str]:
        """The header that makes a request this identity's; logs in where that is needed."""

    def forget_old(self, identity: Holder_contra, used: Mapping[str, str]) -> bool:
        """Whether there is another credential next time than the `used` one, which was refused."""


class ApiCalls(Generic[Someone]):
    """What stands under the looks of a probe that uses an API by its OpenAPI document. It records nothing.

    Which API, as whom and with which credentials is for subclasses to say.
    """

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        self.session = session
        self._clients: dict[str, HttpClient] = {}
        self._making = threading.RLock()
        self._document: Document | None = None

    @property
    def description(self) -> Description:
        """The target's description of the API; raises Unobservable when there is none."""
        raise NotImplementedError

    @property
    def described(self) -> Description:
        """The description as the target has it; `description` may have recipes beside it that follow from the document."""
        return self.description

    @property
    def credentials(self) -> Credentials[Someone]:
        """The sessions or tokens of this session."""
        raise NotImplementedError

    @property
    def search_word(self) -> str:
        """The word that all canaries of a run share, for searching."""
        raise NotImplementedError

    def identity(self, name: str) -> Someone:
        """The identity of that name; raises Unobservable when the target has none."""
        raise NotImplementedError

    def own(self, identity: Someone) -> dict[str, str]:
        """Identifiers of what belongs to an identity whatever is called, by kind."""
        raise NotImplementedError

    def canaries_in(self, text: str) -> tuple[str, ...]:
        """The labels of the planted canaries that a text holds."""
        raise NotImplementedError

    def send(
        self,
        operation: str,
        *,
        identity: str | None,
        objects: Mapping[str, str],
        replaced: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        source_address: str = "",
        canary: str = "",
    ) -> Reply:
        """As `call`, and not recorded; `canary` is what `{canary}` becomes (a fresh one otherwise)."""
        return self.answer(
            operation,
            identity,
            objects,
            replaced=replaced,
            headers=headers,
            body=body,
            source_address=source_address,
            canary=canary,
        )[2]

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that serves the API."""
        return next(one for one in self.session.target.endpoints if one.name == self.described.endpoint)

    @property
    def document(self) -> Document:
        """The OpenAPI document, read once in a session."""
        if self._document is None:
            where = self.described.openapi
            if where is None:
                found = openapi.Document((), {})
            else:
                found = openapi.load(where, self.endpoint, self.session.target_folder, self.client(""))
            self._document = found.with_declared(self.described)
        return self._document

    def client(self, source_address: str) -> HttpClient:
        """The client that sends from that address; an empty one is the default."""
        with self._making:  # Looks side by side must not each make one: nobody would close the one that is lost.
            if source_address not in self._clients:
                self._clients[source_address] = HttpClient(self.session, source_address=source_address or None)
            return self._clients[source_address]

    def listed_operations(self) -> tuple[Operation, ...]:
        """Every operation of the OpenAPI document; raises Unobservable when it has none."""
        if not self.document.operations:
            raise Unobservable("the OpenAPI document lists no operation")
        return self.document.operations

    def close_calls(self) -> None:
        """Close every connection."""
        while self._clients:
            self._clients.popitem()[1].close()

    def answer(
        self,
        operation: str,
        identity: str | None,
        objects: Mapping[str, str],
        *,
        replaced: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        source_address: str = "",
        canary: str = "",
    ) -> tuple[Answer, Request, Reply]:
        """As `send`, with the answer as it came and the request."""
        one = self.document.operation(operation)
        who = self.identity(identity) if identity else None
        own = self.own(who) if who else {}
        values = {
            **own,
            **objects,
            **generated(),
            "search": self.search_word,
            "canary": canary or f"c{secrets.token_hex(8)}",
        }
        chosen = {
            kind: str(fill(recipe.chosen, values))
            for kind, recipe in makers(self.description, one.id)
            if recipe.chosen is not None
        }
        values.update(chosen)
        request = build(one, self.description, self.endpoint, values, replaced or {})
        if isinstance(body, Mapping) and request.content is not None:
            request = _with_body(request, body)
        client = self.client(source_address)
        called = self.description.operations.get(one.id)
        if called is not None and called.hidden:
            extra = {**self.authorization(identity), **(headers or {})}
            request = self._with_hidden(request, called.hidden, client, extra)
        with self.making(one.id, identity, {**own, **objects, **chosen}, request) as making:
            answer, waited = self._renewing(
                identity,
                lambda own: patient(
                    lambda: self.send_now(request, client, {**own, **(headers or {})}),
                    self.described.limited,
                    one.id,
                ),
            )
            reply = self.reply(one.id, identity or "", request, answer, waited, values)
            making.status, making.made, making.worked = reply.status, reply.made, reply.worked
            making.nothing = bool(reply.good) and not reply.worked
        return answer, request, reply

    def logged_out(self, answer: Answer | Reply) -> bool:
        """Whether an answer may mean that a session or token has ended: 401, or what strangers get here (a redirect to the login, say)."""
        location = answer.location if isinstance(answer, Reply) else answer.header("location") or ""
        access = self.session.target.access
        return answer.status == HTTPStatus.UNAUTHORIZED or (
            access is not None and access.unauthenticated.match(answer.status, answer.text, location)
        )

    def _renewing(
        self, identity: str | None, send: Callable[[Mapping[str, str]], tuple[Answer, float]]
    ) -> tuple[Answer, float]:
        """What `send` comes to with the identity's headers, and with those of a fresh login where the session may have ended."""
        used = self.authorization(identity)
        answer, waited = send(used)
        if identity and self.logged_out(answer) and self.credentials.forget_old(self.identity(identity), used):
            # It may have been revoked or may have expired sooner than it said; a fresh one decides.
            answer, again = send(self.authorization(identity))
            waited += again
        return answer, waited

    def making(
        self, operation: str, identity: str | None, objects: Mapping[str, str], request: Request
    ) -> AbstractContextManager[Making]:
        """Around a request: where it makes an object, that is noted in the journal before, and what came of it after."""
        del operation, identity, objects, request
        return contextlib.nullcontext(Making())

    def remover(self, identity: str) -> str:
        """Who takes away what `identity` made."""
        return identity

    def once(
        self,
        subject: str,
        identity: str | None,
        request: Request,
        *,
        wait: bool,
        objects: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request as `identity`. With `wait` a limit is waited for; otherwise it is the answer.

        With `objects`, the identifiers in it by kind, what it makes is remembered and taken away at the end.
        """

        def send(own: Mapping[str, str]) -> tuple[Answer, float]:
            def once() -> Answer:
                return self.send_now(request, self.client(""), own)

            return patient(once, self.described.limited, subject) if wait else (once(), 0.0)

        held = {**(self.own(self.identity(identity)) if identity else {}), **(objects or {})}
        noted = (
            self.making(subject, identity, held, request) if objects is not None else contextlib.nullcontext(Making())
        )
        with noted as making:
            answer, waited = self._renewing(identity, send)
            reply = self.reply(subject, identity or "", request, answer, waited, held)
            making.status, making.made, making.worked = reply.status, reply.made, reply.worked
        return reply

    def exchange(
        self, subject: str, request: Request, headers: Mapping[str, str], *, identity: str | None = None
    ) -> tuple[Answer, Reply]:
        """Send a request with these headers, once no limit stands in the way; the answer as it came too.

        With `identity` it carries that one's credential too, otherwise nobody's.
        """

        def send(own: Mapping[str, str]) -> tuple[Answer, float]:
            return patient(
                lambda: self.send_now(request, self.client(""), {**own, **headers}),
                self.described.limited,
                subject,
            )

        answer, waited = self._renewing(identity, send)
        return answer, self.reply(subject, identity or "", request, answer, waited)

    def _with_hidden(
        self, request: Request, names: tuple[str, ...], client: HttpClient, headers: Mapping[str, str]
    ) -> Request:
        """The request with hidden fields of its form as the form's page gives them now; whoever is not shown it has none to send."""
        page, _ = patient(
            lambda: self.send_now(replace(request, method="GET", content=None), client, headers),
            self.described.limited,
            f"the page of {request.url}",
        )
        shown = fields_of(page.text)
        return _with_body(request, {name: shown[name] for name in names if name in shown})

    @staticmethod
    def send_now(request: Request, client: HttpClient, headers: Mapping[str, str]) -> Answer:
        """Send a request with these headers added, and wait for no limit."""
        return client.send(
            request.method,
            request.url,
            headers=together(request.headers, headers),
            content=request.content,
            verify=request.verify,
        )

    def authorization(self, identity: str | None) -> dict[str, str]:
        """The headers that make a request this identity's; none for None."""
        return self.credentials.header(self.identity(identity), self.client("")) if identity else {}

    def harmless_requests(self, one: Operation, identity: str | None) -> list[Callable[[], Request]]:
        """What makes harmless requests of an operation: first with a body that is refused, then with one of valid shape."""
        api = self.description
        login = next((each for each in api.logins.values() if (each.method, each.path) == (one.method, one.path)), None)
        recipe = api.operations.get(one.id)
        shapes = [
            None,
            *(
                shape
                for shape in ((recipe.harmless if recipe else None) or (_login_body(login) if login else None),)
                if shape
            ),
        ]

        def maker(shape: Any) -> Callable[[], Request]:
            return lambda: build_harmless(one, api, self.endpoint, shape, anonymous=identity is None)

        return [maker(shape) for shape in shapes]

    def reply(
        self,
        subject: str,
        identity: str,
        request: Request,
        answer: Answer,
        waited: float,
        values: Mapping[str, str] | None = None,
    ) -> Reply:
        """What an answer comes to by the target's description; `values` are what the request was filled with."""
        api = self.description
        called = api.operations.get(subject)
        found = Reply(
            subject=subject,
            identity=identity,
            method=request.method,
            url=answer.url,
            status=answer.status,
            refused=matches(api.refused, answer),
            limited=matches(api.limited, answer),
            retry_after=answer.header("retry-after") or "",
            media_type=answer.media_type,
            size=answer.size,
            sha256=answer.sha256,
            text=answer.text[:TEXT_KEPT],
            seconds=answer.seconds,
            shows=self.canaries_in(answer.text),
            sent=request.sent,
            waited_seconds=round(waited, 3),
            location=answer.header("location") or "",
            good=called.statuses if called else (),
        )
        kind, recipe = next(iter(makers(api, subject)), ("", None))
        if recipe is None or not found.worked:
            return found
        return replace(found, made=_made(recipe, answer, (values or {}).get(kind, "")))


def _with_body(request: Request, changed: Mapping[str, Any]) -> Request:
    """The request with some properties of its body, or fields of its form, changed."""
    given = next((value for name, value in request.headers if name.lower() == "content-type"), "")
    if given == openapi.FORM and request.content is not None:
        fields = {**dict(parse_qsl(request.content.decode(), keep_blank_values=True)), **changed}
        return replace(request, content=encoded(fields, openapi.FORM)[0])
    return replace(request, content=json.dumps({**json_of(request), **changed}).encode())


def together(own: Iterable[tuple[str, str]], more: Mapping[str, str]) -> dict[str, str]:
    """A request's own headers with more of them, which win; of cookies both stay."""
    found = {**dict(own), **more}
    cookies = [value for name, value in (*more.items(), *own) if name.lower() == "cookie"]
    return {**found, "Cookie": "; ".join(cookies)} if len(cookies) > 1 else found


def _login_body(login: Login) -> Any:
    return login.form if login.form is not None else login.json_body


def _made(recipe: ObjectRecipe, answer: Answer, chosen: str) -> str:
    """The identifier of what was made, by the recipe; empty where it cannot be found."""
    if recipe.chosen is not None:
        return chosen
    where, _, pattern = recipe.id.partition(" ")
    if where == "location":
        found = re.search(pattern, answer.header("location") or "")
        return (found[1] if found.groups() else found[0]) if found else ""
    if where == "body":
        found = re.search(pattern, answer.text)
        return (found[1] if found.groups() else found[0]) if found else ""
    try:
        return str(at(answer.json(), recipe.id))
    except Unobservable:
        return ""
