"""Logging in as the target's identities; passwords and tokens are made known to the redactor before anything is kept."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upheld.errors import Refused, Unobservable
from upheld.probes.api_answers import LoginAttempt
from upheld.probes.api_requests import fill, generated, url_of
from upheld.probes.waiting import patient, seconds_of
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upheld.probes.base import Session
    from upheld.probes.http_client import Answer, HttpClient
    from upheld.target.api import Account, Api, Identity, Login
    from upheld.target.endpoints import Endpoint

_MARGIN = 0.8
"""The part of a token's lifetime after which a new one is fetched."""
_YOUNG_SECONDS = 30.0
"""The age below which a refused token is not replaced: a target may answer 401 to all that it refuses."""
_ASSUMED_SECONDS = 300.0
"""How long a token is used whose lifetime the answer does not tell."""


@dataclass(frozen=True)
class _Token:
    value: str
    until: float
    since: float


class Logins:
    """The tokens of one session: fetched when first needed, kept until shortly before they expire."""

    def __init__(self, session: Session, api: Api, endpoint: Endpoint) -> None:
        self._session = session
        self._api = api
        self._endpoint = endpoint
        self._tokens: dict[str, _Token] = {}
        self._fetching = threading.Lock()

    def header(self, identity: Identity, client: HttpClient) -> dict[str, str]:
        """The header that makes a request this identity's; raises Refused when the login is, Unobservable when it gives no token."""
        with self._fetching:
            known = self._tokens.get(identity.name)
            if known is None or known.until < time.monotonic():
                known = self._tokens[identity.name] = self._fetch(identity, client)
        return {"Authorization": f"Bearer {known.value}"}

    def forget(self, identity: Identity) -> None:
        """Fetch a new token next time."""
        self._tokens.pop(identity.name, None)

    def forget_old(self, identity: Identity) -> bool:
        """Fetch a new token next time, unless the present one is so young that its refusal must mean something else."""
        known = self._tokens.get(identity.name)
        if known is None or time.monotonic() - known.since < _YOUNG_SECONDS:
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
        answer = self._send(identity, client, right=right, headers=headers)
        token = self._token_in(answer, self._login(identity))
        if token:
            self._session.redactor.add(token, f"token-{identity.name}")
        retry_after = answer.header("retry-after") or ""
        return LoginAttempt(
            identity=identity.name,
            account=account_of(identity),
            right_password=right,
            status=answer.status,
            accepted=bool(token),
            limited=self._api.limited.match(answer.status, answer.text),
            retry_after=retry_after,
            retry_after_seconds=seconds_of(retry_after),
            seconds=answer.seconds,
            source_address=source,
        )

    def answer(self, identity: Identity, client: HttpClient) -> tuple[Answer, Login]:
        """The answer to one more login, and how it is described; its token is known to the redactor and not kept for use.

        Raises Refused when it is refused.
        """
        login = self._login(identity)
        answer, _ = patient(
            lambda: self._send(identity, client, right=True), self._api.limited, f"the login of {identity.name}"
        )
        token = self._token_in(answer, login)
        if not token:
            raise Refused(f"the login of {identity.name} gave no token: it answered {answer.status}")
        self._session.redactor.add(token, f"token-{identity.name}-{answer.sha256[:6]}")
        return answer, login

    def _fetch(self, identity: Identity, client: HttpClient) -> _Token:
        login = self._login(identity)
        answer, _ = patient(
            lambda: self._send(identity, client, right=True), self._api.limited, f"the login of {identity.name}"
        )
        token = self._token_in(answer, login)
        if not token:
            what = "was refused" if not 200 <= answer.status < 300 else f"gave no token at {login.token}"
            raise Refused(f"the login of {identity.name} {what}: it answered {answer.status}")
        self._session.redactor.add(token, f"token-{identity.name}")
        try:
            lifetime = float(at(answer.json(), login.expires_in))
        except (Unobservable, TypeError, ValueError):
            lifetime = _ASSUMED_SECONDS
        now = time.monotonic()
        return _Token(token, now + lifetime * _MARGIN, now)

    def _send(
        self, identity: Identity, client: HttpClient, *, right: bool, headers: Mapping[str, str] | None = None
    ) -> Answer:
        login = self._login(identity)
        values = {**generated(), **identity.values}
        for name, reference in identity.secrets.items():
            secret = resolve(reference, self._session.target_folder)
            try:
                self._session.redactor.add(secret, f"{name}-{identity.name}")
            except ValueError as error:
                raise Unobservable(str(error)) from None
            # As long as the right one and of the same kind, so that it is not refused for its shape.
            values[name] = secret if right else f"{secrets.token_urlsafe(len(secret) + 8)[: max(8, len(secret) - 2)]}a1"
        url = url_of(self._endpoint, login.path)
        return client.send(login.method, url, headers=headers, json=fill(login.json_body, values))

    def _login(self, identity: Identity) -> Login:
        login = self._api.logins.get(identity.login)
        if login is None:
            raise Unobservable(f"the target does not say how {identity.name} logs in")
        return login

    @staticmethod
    def _token_in(answer: Answer, login: Login) -> str:
        if not 200 <= answer.status < 300:
            return ""
        try:
            token = at(answer.json(), login.token)
        except Unobservable:
            return ""
        return token if isinstance(token, str) else ""


def account_of(identity: Account) -> str:
    """The name that an identity logs in with: of its values the one that looks most like it."""
    for name in ("email", "username", "user", "login", "account", "name"):
        if name in identity.values:
            return identity.values[name]
    return next(iter(identity.values.values()), identity.name)


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
