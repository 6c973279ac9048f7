"""Odd, injected and undeclared input for single operations of the API, and what became of it."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar, cast

from upheld.errors import Unobservable
from upheld.probes.api import Api, Case, Reply
from upheld.probes.api_input_answers import Attempt, Attempts, Extra, Extras, Injected, Typed
from upheld.probes.api_requests import Request, build, generated, json_of
from upheld.probes.base import Probe, Session, look
from upheld.probes.injections import Effect, Probing, injections
from upheld.probes.odd_input import Odd, odd_requests, with_body
from upheld.probes.planted import Planted
from upheld.probes.schemas import Schemas
from upheld.probes.sending import AS_MEMBERS, CHANGES, HTTP, PLANTING, WRITES, Sending, Sends
from upheld.probes.undeclared import undeclared

__all__ = ["ApiInput", "Attempt", "Attempts", "Effect", "Extra", "Extras", "Injected", "Typed"]

THREADS = 3
"""Requests that are under way at the same time."""
_TEXT_KEPT = 300
_TRIES = 3
_PAUSE_SECONDS = 1.0
_PASSING = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
"""Faults of something behind the API, which may be over a moment later."""

T = TypeVar("T")
R = TypeVar("R")


class ApiInput(Probe):
    """Sends operations of the API what they are not meant to get."""

    name: ClassVar[str] = "api_input"
    needs: ClassVar[tuple[str, ...]] = ("api",)
    sends: ClassVar[Sending] = {
        "attempts": (
            *PLANTING,
            Sends(HTTP, "{operations}, validly, and such as differ in one place", "nobody, {members}", None, WRITES),
        ),
        "injected": (
            *PLANTING,
            Sends(HTTP, "{operations}, with injections in each place", "nobody, {members}", None, WRITES),
        ),
        "extras": (*PLANTING, Sends(HTTP, "{operations}, with one property more", "{members}", None, CHANGES)),
        "typed": (*AS_MEMBERS, Sends(HTTP, "{operations}, for the type of the answer", "nobody, {members}", 2)),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._known_schemas: Schemas | None = None

    @look
    def attempts(
        self, case: Case, identity: str | None, objects: Mapping[str, str], most: int, *, own: bool = True
    ) -> Attempts:
        """A valid call, and up to `most` requests that differ from it in one place each.

        Without `own` what the operation changes is not the harness's own: then only what the document forbids is tried, and
        where that was taken, the valid call is made once more. The same holds for a call that is only harmless (the target
        names no body that works, but one of a valid shape, which is refused): more could count as bad logins.
        """
        request = self._request(case, identity, objects)
        valid = self._valid(case, identity, request, objects)
        found = odd_requests(case.operation, request, self._schemas)
        # A deletion that is valid in all else would be one more; an odd path names nothing that could be deleted.
        spared = case.deletes or case.obstacle or not own
        chosen = [one for one in found if not (spared and one.allowed) or one.place.startswith("path ")]

        def send(one: Odd) -> Attempt:
            what = (one.place, one.what, one.allowed)
            try:
                reply = self._once(case, identity, one.request, objects)
                if reply.status in _PASSING:
                    # A neighbour may have kept a part of it busy, and the input nothing to do with it: that decides nothing.
                    time.sleep(_PAUSE_SECONDS)
                    first, reply = reply, self._once(case, identity, one.request, objects)
                    taken = reply.worked and not one.allowed
                    if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR and not taken:
                        raise Unobservable(f"answered {first.status}, and {reply.status} a moment later")
                if not self._api.logged_out(valid):
                    self._must_be_logged_in(case, identity, objects, reply)
            except Unobservable as unobservable:
                return Attempt(*what, 0, False, False, unobservable.reason)
            return Attempt(*what, reply.status, reply.worked, reply.refused)

        tried = self._all(send, chosen[:most])
        if not own and any(one.worked for one in tried):
            self._once(case, identity, request, objects)
        return Attempts(case.id, identity or "", valid, tuple(tried), max(0, len(chosen) - most))

    @look
    def injected(self, case: Case, identity: str | None, objects: Mapping[str, str], reader: str) -> Injected:
        """A valid call, and injections into every place of it that takes text; `reader` names the operation that shows what was made of it."""
        request = self._request(case, identity, objects)
        valid = self._valid(case, identity, request, objects)
        probing = Probing(
            case,
            request,
            self._schemas,
            self._api.search_word,
            lambda one: self._shown(case, identity, one, objects, reader),
        )
        found = [one for one in injections() if not (case.obstacle and one.kind == "text")]
        for one in self._all(probing.tried, probing.planned(found)):
            probing.note(one)
        return Injected(
            case.id,
            identity or "",
            valid,
            probing.places,
            probing.sent,
            tuple(probing.unanswered),
            tuple(probing.effects),
        )

    @look
    def extras(self, case: Case, identity: str, objects: Mapping[str, str], reader: str) -> Extras:
        """A valid call, and the same with one more property each: those that the answer has and the body does not declare.

        What was taken is put back where the operation takes it back.
        """
        valid = self._valid(case, identity, self._request(case, identity, objects), objects)
        known = objects if not valid.made else {**objects, case.creates: valid.made}
        shown = self._read(case, identity, known, reader, valid)
        if shown is None:
            return Extras(case.id, identity, valid, (), f"{reader or case.id} shows no single object")
        tried = []
        for name, before, value in undeclared(case.operation, shown, self._schemas, self.target):
            note = None
            if not case.creates:
                title = f"{name} of what {case.id} changes, as {identity}"
                note = self.session.journal.about(
                    Planted("call", title, "api", case.id, identity, dict(objects), body={name: before})
                )
            reply = self._call(case, identity, objects, extra={name: value})
            self._must_be_logged_in(case, identity, objects, reply)
            after, unread = before, None
            if reply.worked:
                where = objects if not reply.made else {**objects, case.creates: reply.made}
                try:
                    after = (self._read(case, identity, where, reader, reply) or {}).get(name)
                except Unobservable as unobservable:
                    unread = unobservable
            taken = reply.worked and after == value
            if (taken or unread) and not case.creates:
                back = self._call(case, identity, objects, extra={name: before})
                if note is not None and back.worked:
                    note.gone()
            elif note is not None:
                note.gone()
            if unread:
                raise unread
            tried.append(Extra(name, reply.status, _text(value), _text(before), _text(after), taken))
        return Extras(case.id, identity, valid, tuple(tried))

    @look
    def typed(self, case: Case, identity: str, objects: Mapping[str, str]) -> tuple[Typed, ...]:
        """What an operation's answers say that they are: without credentials, and of one that changes nothing a valid call's."""
        found = [self._typed(case, None, self._api.harmless_requests(case.operation, None)[0]())]
        if not case.changes and not case.obstacle:
            found.append(self._typed(case, identity, self._request(case, identity, objects)))
        return tuple(found)

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))

    @property
    def _schemas(self) -> Schemas:
        if self._known_schemas is None:
            self._known_schemas = Schemas(self._api.document)
        return self._known_schemas

    def _request(self, case: Case, identity: str | None, objects: Mapping[str, str]) -> Request:
        """A valid request; where no body that works is known, one of a valid shape that does nothing."""
        api = self._api
        if not case.obstacle:
            return build(case.operation, api.description, api.endpoint, self._values(identity, objects), {})
        makers = api.harmless_requests(case.operation, identity)
        if len(makers) < 2:
            raise Unobservable(case.obstacle)
        return makers[1]()

    def _values(self, identity: str | None, objects: Mapping[str, str]) -> dict[str, str]:
        api = self._api
        own = api.own(api.identity(identity)) if identity else {}
        canary = f"c{secrets.token_hex(8)}"
        return {**own, **objects, **generated(), "search": api.search_word, "canary": canary}

    def _call(
        self, case: Case, identity: str, objects: Mapping[str, str], extra: Mapping[str, Any] | None = None
    ) -> Reply:
        request = self._request(case, identity, objects)
        if extra:
            request = with_body(request, {**json_of(request), **extra})
        return self._once(case, identity, request, objects)

    def _once(self, case: Case, identity: str | None, request: Request, objects: Mapping[str, str]) -> Reply:
        """The answer once no limit stands in the way; what was made is remembered, so that it is taken away again."""
        return self._api.once(case.id, identity, request, wait=True, objects=objects)

    def _must_be_logged_in(self, case: Case, identity: str | None, objects: Mapping[str, str], reply: Reply) -> None:
        """Raise Unobservable when an answer is to somebody whose session has ended, and no refusal of what was sent."""
        api = self._api
        if identity is None or not api.logged_out(reply):
            return
        # Where strangers are answered as those are who may not, another call tells whether the session goes on.
        elsewhere = 300 <= reply.status < 400
        whoami = self.target.sessions.whoami if self.target.sessions else "" if case.changes else case.id
        if whoami and reply.status != HTTPStatus.UNAUTHORIZED and not elsewhere:
            with contextlib.suppress(Unobservable):
                held = {**objects, **api.own(api.identity(identity))}
                if api.send(whoami, identity=identity, objects=held).worked:
                    return
        raise Unobservable(f"it answered {reply.status}, as if nobody were logged in any more")

    def _valid(self, case: Case, identity: str | None, request: Request, objects: Mapping[str, str]) -> Reply:
        """The answer to a call that works; raises Unobservable when it does not, also some moments later."""
        for attempt in range(_TRIES):
            reply = self._once(case, identity, request, objects)
            if reply.worked or (case.obstacle and reply.refused):
                return reply
            if identity and self._api.logged_out(reply):
                # Somebody else may have ended the session, for a check of their own; another one decides.
                self._api.logins.forget(self._api.identity(identity))
            elif reply.status not in _PASSING:
                break
            elif attempt < _TRIES - 1:
                time.sleep(_PAUSE_SECONDS)
        raise Unobservable(f"the valid call does not work: it answered {reply.status}")

    def _shown(
        self, case: Case, identity: str | None, request: Request, objects: Mapping[str, str], reader: str
    ) -> tuple[Reply, str, tuple[tuple[str, str], ...]]:
        """An answer with the names and values of its headers and all text that it and, after a change, the reader shows."""
        api = self._api
        held = {**(api.own(api.identity(identity)) if identity else {}), **objects}
        with api.making(case.id, identity, held, request) as making:
            answer, reply = api.exchange(case.id, request, {}, identity=identity)
            making.status, making.made = reply.status, reply.made
        self._must_be_logged_in(case, identity, objects, reply)
        text = answer.text
        if reply.worked and identity and case.changes:
            where = dict(objects)
            if case.creates and making.made:
                where[case.creates] = making.made
            if reader:
                text += "\n" + api.answer(reader, identity, where)[0].text
        return reply, text, answer.headers

    def _read(
        self, case: Case, identity: str, objects: Mapping[str, str], reader: str, reply: Reply
    ) -> dict[str, Any] | None:
        """What the reader (without one the operation itself) shows of the object, as its properties; None when it is no single one."""
        text = reply.text
        if reader:
            answer, _, read = self._api.answer(reader, identity, objects)
            if not read.worked:
                raise Unobservable(f"what {case.id} did cannot be read back: {reader} answered {read.status}")
            text = answer.text
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        return found if isinstance(found, dict) else None

    def _typed(self, case: Case, identity: str | None, request: Request) -> Typed:
        answer, _ = self._api.exchange(case.id, request, {}, identity=identity)
        known = self._api.description.declared.get(case.id)
        declared = (known.answers or None) if known else self._schemas.answers(case.operation, answer.status)
        readable = True
        if answer.text and answer.media_type.endswith(("/json", "+json")):
            try:
                answer.json()
            except Unobservable:
                readable = False
        nosniff = (answer.header("x-content-type-options") or "").strip().lower() == "nosniff"
        return Typed(
            case.id, identity or "", answer.status, answer.media_type, declared or (), nosniff, readable, answer.size
        )

    @staticmethod
    def _all(send: Callable[[T], R], several: Sequence[T]) -> list[R]:
        if not several:
            return []
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(send, several))


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:_TEXT_KEPT]
