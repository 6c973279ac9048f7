"""The client for Meta's Graph API: HTTPS only, one pinned authority, tokens only in the Authorization header."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from upheld_reference.network.transport import Outbound, trusting

debug_log = logging.getLogger("rivet.app.graph")

_TIMEOUT_SECONDS = 5.0


class GraphError(Exception):
    """The Graph API did not do what it was asked.

    GraphError
    ├── GraphUnreachableError   no answer
    ├── GraphRefusedError       an answer that is an error
    └── GraphAnswerError        an answer that cannot be understood
    """


class GraphUnreachableError(GraphError):
    """No answer came."""


class GraphRefusedError(GraphError):
    """The answer is an error."""

    def __init__(self, status: int, text: str) -> None:
        """Carries the HTTP status and the error's text, which may repeat what was sent."""
        self.status = status
        self.text = text
        super().__init__(f"Graph answered {status}: {text}")


class GraphAnswerError(GraphError):
    """The answer lacks something."""

    def __init__(self, answer: Mapping[str, Any], missing: str) -> None:
        """Carries the whole answer; only the names in it go into the message, because values are credentials."""
        self.answer = dict(answer)
        self.missing = missing
        super().__init__(f"Graph answered without {missing}; it sent {', '.join(sorted(self.answer))}")


@dataclass(frozen=True)
class SignUp:
    """What Embedded Signup gives for a code."""

    access_token: str = field(repr=False)
    waba_id: str
    phone_number_id: str


def authorize(token: str) -> dict[str, Any]:
    """The part of a request that carries ``token``."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


class GraphClient:
    """Asks the Graph API under one base URL."""

    def __init__(self, base_url: Callable[[], str], ca_file: Path, outbound: Outbound) -> None:
        """Takes the base URL, asked for at the first use, the file with the one authority that is trusted, and the way out."""
        self._base_url = base_url
        self._ca_file = ca_file
        self._outbound = outbound
        self._http: httpx.AsyncClient | None = None

    async def exchange(self, code: str) -> SignUp:
        """Exchanges a sign-up code for an access token; raises GraphError."""
        answer = await self.post("/oauth/access_token", data={"code": code})
        token = str(answer.get("access_token", ""))
        debug_log.debug("exchanged a sign-up code")
        for name in ("access_token", "waba_id", "phone_number_id"):
            if not isinstance(answer.get(name), str):
                raise GraphAnswerError(answer, name)
        return SignUp(token, answer["waba_id"], answer["phone_number_id"])

    async def subscribe(self, waba_id: str, token: str) -> None:
        """Subscribes the platform to the events of a WhatsApp Business Account; raises GraphError."""
        await self.post(f"/{waba_id}/subscribed_apps", **authorize(token))

    async def send(self, phone_number_id: str, token: str, to: str, text: str) -> None:
        """Sends a text message; raises GraphError."""
        body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}}
        await self.post(f"/{phone_number_id}/messages", json=body, **authorize(token))

    async def close(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def post(self, path: str, **request: Any) -> dict[str, Any]:
        """The JSON object that Graph answers to one request, given as httpx takes it; raises GraphError."""
        try:
            response = await self._client().post(path, **request)
        except httpx.HTTPError as error:
            raise GraphUnreachableError(f"Graph gave no answer: {type(error).__name__}") from error
        try:
            answer = response.json()
        except ValueError as error:
            raise GraphAnswerError({}, "a JSON document") from error
        if response.status_code >= 400:
            raise GraphRefusedError(response.status_code, response.text)
        if not isinstance(answer, dict):
            raise GraphAnswerError({}, "a JSON object")
        return answer

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            base_url = require_https(self._base_url())
            # trust_env off: a proxy variable must not send credentials anywhere else.
            self._http = httpx.AsyncClient(
                base_url=base_url,
                transport=self._outbound.transport("graph", trusting(self._ca_file)),
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
                follow_redirects=False,
            )
        return self._http


def require_https(url: str) -> str:
    """``url`` itself; raises ValueError unless it is an https URL."""
    if urlsplit(url).scheme != "https":
        raise ValueError(f"the Graph API is reached over https only, not by {url!r}")
    return url
