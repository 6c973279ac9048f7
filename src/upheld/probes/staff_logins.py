"""Logging in as staff, factor by factor; passwords, seeds and sessions are made known to the redactor before anything is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upheld.errors import Refused, Unobservable
from upheld.probes.api_logins import held, text_at, value_at
from upheld.probes.api_requests import fill, generated, url_of
from upheld.probes.staff_codes import Code, Codes
from upheld.probes.waiting import patient
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.http_client import Answer, HttpClient
    from upheld.probes.openapi import Document
    from upheld.target.endpoints import Endpoint
    from upheld.target.staff import Staff, StaffIdentity

_MARGIN = 0.8
_YOUNG_SECONDS = 30.0
_ASSUMED_SECONDS = 300.0
_CODE = "{code}"
_SHORTEST_SECRET = 16
"""Characters below which a value of an answer is not taken for what a login handed out."""


@dataclass(frozen=True)
class Login:
    """How a login went: the answer of its last step that was made, and the session that it gave (empty for none).

    `statuses` are those of all steps that were made; `handed_out` are the secrets that the answers before the last one gave.
    """

    answer: Answer
    statuses: tuple[int, ...]
    session: str
    handed_out: Mapping[str, str]

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return len(self.statuses)


@dataclass(frozen=True)
class _Open:
    header: Mapping[str, str]
    until: float
    since: float


class StaffLogins:
    """The sessions of staff in one process: opened when first needed, kept until shortly before they end."""

    def __init__(self, session: Session, staff: Staff, endpoint: Endpoint, document: Document) -> None:
        self._session = session
        self._staff = staff
        self._endpoint = endpoint
        self._document = document
        self._open: dict[str, _Open] = {}
        self.codes = Codes(session, staff.totp)

    def header(self, identity: StaffIdentity, client: HttpClient) -> dict[str, str]:
        """The header that makes a request this identity's; raises Refused when the login is."""
        known = self._open.get(identity.name)
        if known is None or known.until < time.monotonic():
            known = self._open[identity.name] = self._fetch(identity, client)
        return dict(known.header)

    def forget_old(self, identity: StaffIdentity, used: Mapping[str, str]) -> bool:
        """Whether there is, or next time will be, another credential than the `used` one, which was refused.

        One that is so young that its refusal must mean something else is kept.
        """
        known = self._open.get(identity.name)
        if known is None or known.header != used:
            return True
        if time.monotonic() - known.since < _YOUNG_SECONDS:
            return False
        self.forget(identity)
        return True

    def forget(self, identity: StaffIdentity) -> None:
        """Log in anew next time."""
        self._open.pop(identity.name, None)

    def sent_as(self, session: str) -> dict[str, str]:
        """The header that carries a session."""
        return {self._staff.login.header: self._staff.login.value.replace("{session}", session)}

    def values(self, identity: StaffIdentity) -> dict[str, str]:
        """What fills the placeholders of the identity's requests."""
        found = {**generated(), **identity.values}
        for name, reference in identity.secrets.items():
            found[name] = resolve(reference, self._session.target_folder)
            self.hide(found[name], f"{name}-{identity.name}")
        return found

    def hide(self, secret: str, label: str) -> None:
        """Make a secret known to the redactor; raises Unobservable for one that is too short to be hidden."""
        try:
            self._session.redactor.add(secret, label)
        except ValueError as error:
            raise Unobservable(str(error)) from None

    def attempt(self, identity: StaffIdentity, client: HttpClient, code: Code, *, steps: int | None = None) -> Login:
        """Log in with such a code as the second factor; only the first `steps` where that is given. Limits are waited for.

        A present code that is refused is tried again with the next one: an earlier run may have used it, and clocks differ.
        """
        tries = 2 * self._staff.totp.window_steps + 1 if code in {Code.PRESENT, Code.EARLIEST} and steps is None else 1
        for _ in range(tries):
            login = self._attempt(identity, client, code, steps)
            # Only a refused code is worth another one: a step before it is refused for another reason.
            if login.session or login.steps < len(self._staff.login.steps):
                break
        return login

    def _attempt(self, identity: StaffIdentity, client: HttpClient, code: Code, steps: int | None) -> Login:
        described = self._staff.login
        if not any(_asks_for_code(one.json_body) for one in described.steps):
            raise Unobservable("no step of the login has a place for the second factor ({code} in its json)")
        values, answer = self.values(identity), None
        handed_out: dict[str, str] = {}
        statuses: tuple[int, ...] = ()
        for step in described.steps[:steps]:
            body = step.json_body
            if _asks_for_code(body):
                shown = self.codes.make(identity, code)
                body = with_code(body, code, shown)
                values = {**values, "code": shown or ""}
            answer = self.send(step.operation, fill(body, values), client)
            if code is Code.USED and _asks_for_code(step.json_body):
                self.codes.still_counts(identity)
            statuses = (*statuses, answer.status)
            if not 200 <= answer.status < 300 or self._staff.api.refused.match(answer.status, answer.text):
                return Login(answer, statuses, "", handed_out)
            for name, pointer in step.gives.items():
                value = value_at(answer.json(), pointer)
                self.hide(value, f"{name}-{identity.name}")
                values[name] = handed_out[name] = value
        if answer is None:
            raise Unobservable("the target describes no step of the login")
        session = text_at(answer, described.token) if len(statuses) == len(described.steps) else ""
        if session:
            self.hide(session, f"session-{identity.name}")
        return Login(answer, statuses, session, handed_out)

    def _fetch(self, identity: StaffIdentity, client: HttpClient) -> _Open:
        login = self.attempt(identity, client, Code.EARLIEST)
        if not login.session:
            step = self._staff.login.steps[login.steps - 1].operation
            raise Refused(f"the login of {identity.name} gave no session: {step} answered {login.answer.status}")
        try:
            lifetime = float(held(login.answer.json(), self._staff.login.expires_in))
        except ValueError:
            lifetime = _ASSUMED_SECONDS
        now = time.monotonic()
        return _Open(self.sent_as(login.session), now + lifetime * _MARGIN, now)

    def send(self, operation: str, body: Any, client: HttpClient) -> Answer:
        """Send a body to an operation that needs no session; a limit is waited for."""
        one = self._document.operation(operation)
        url = url_of(self._endpoint, one.path)
        return patient(lambda: client.send(one.method, url, json=body), self._staff.api.limited, operation)[0]


def with_code(body: Any, code: Code, shown: str | None) -> Any:
    """A body with its place for the code as such a code needs it: without the property, with null, or as it is."""
    if shown is not None:
        return body
    if isinstance(body, Mapping):
        kept = {key: item for key, item in body.items() if item != _CODE or code is Code.NULL}
        return {key: None if item == _CODE else with_code(item, code, shown) for key, item in kept.items()}
    if isinstance(body, list | tuple):
        return [with_code(item, code, shown) for item in body]
    return body


def secrets_in(answer: Answer) -> list[tuple[str, str]]:
    """Every text of a JSON answer that could be a session, with its place; raises Unobservable when it sets a cookie."""
    if answer.header("set-cookie") is not None:
        raise Unobservable("it sets a cookie, which could be a session and which is not followed")
    if not answer.text.strip():
        return []
    found, waiting = [], [("", answer.json())]
    while waiting:
        place, node = waiting.pop()
        if isinstance(node, Mapping):
            waiting += [(f"{place}/{key}", item) for key, item in node.items()]
        elif isinstance(node, list):
            waiting += [(f"{place}/{index}", item) for index, item in enumerate(node)]
        elif isinstance(node, str) and len(node) >= _SHORTEST_SECRET and node.isascii() and node.isprintable():
            found.append((place, node))
    return [(place, text) for place, text in found if " " not in text]


def _asks_for_code(body: Any) -> bool:
    if isinstance(body, Mapping):
        return any(_asks_for_code(item) for item in body.values())
    if isinstance(body, list | tuple):
        return any(_asks_for_code(item) for item in body)
    return isinstance(body, str) and _CODE in body
