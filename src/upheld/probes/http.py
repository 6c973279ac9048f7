"""HTTP as a look: single requests, the declared endpoints, redirects inside the scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from upheld.errors import Refused, Unobservable
from upheld.probes.base import Probe, Session, look
from upheld.probes.decoding import content_parameters
from upheld.probes.http_client import Answer, HttpClient, NoHttpAnswer
from upheld.probes.sending import PAGES, Sending
from upheld.probes.waiting import patient
from upheld.target.api import Answers
from upheld.target.endpoints import Endpoint

__all__ = [
    "REDIRECTS",
    "Answer",
    "Attempt",
    "Endpoint",
    "Http",
    "HttpClient",
    "NoHttpAnswer",
    "Outcome",
    "content_parameters",
    "place",
    "redirect",
]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that send the client to another place."""
_ALERT = b"\x15\x03"


class Outcome(StrEnum):
    """What became of an attempt to speak HTTP."""

    ANSWERED = "answered"
    REFUSED = "refused"
    CLOSED = "closed without a word"
    TLS_ALERT = "TLS alert"
    NOT_HTTP = "not HTTP"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to speak HTTP: the answer, or that the connection was refused or brought something else than HTTP."""

    outcome: Outcome
    answer: Answer | None
    summary: str


class Http(Probe):
    """An HTTP client that speaks only to what the target declares."""

    name: ClassVar[str] = "http"
    needs: ClassVar[tuple[str, ...]] = ("endpoints",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(("attempt", "follow_redirects", "get", "request"), PAGES),
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.client = HttpClient(session)
        api = session.target.api
        self._limited = api.limited if api else Answers(statuses=(429,))

    def _send(self, method: str, url: str, **options: Any) -> Answer:
        """The answer once no rate limit stands in the way; raises Throttled when one stays, however long it was waited for."""
        return patient(lambda: self.client.send(method, url, **options), self._limited, url)[0]

    @look
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that the target declares; raises Unobservable when there are none."""
        if not self.target.endpoints:
            raise Unobservable("the target describes no endpoints")
        return self.target.endpoints

    @look
    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET; a redirect is an answer like any other."""
        return self._send("GET", url, headers=headers)

    @look
    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        text: str | None = None,
        whole: bool = True,
    ) -> Answer:
        """The answer to a request with a body of JSON or text. Without `whole` a large or slow body is cut."""
        content = None if text is None else text.encode()
        return self._send(method, url, headers=headers, json=json, content=content, whole=whole)

    @look
    def attempt(self, method: str, url: str, *, verify: bool = True) -> Attempt:
        """What a host does when plain HTTP or HTTPS is tried on it; to be refused is a sight here, to wait in vain is none.

        Without `verify` the certificate is not looked at. Raises TimedOut, OutOfScope and every other Unobservable. The body may be cut.
        """
        # A name that does not resolve raises here, before a refusal can only be the host's.
        self.session.scope.addresses(*place(url))
        try:
            answer = self._send(method, url, verify=verify, whole=False)
        except Refused as error:
            return Attempt(Outcome.REFUSED, None, error.reason)
        except NoHttpAnswer as error:
            alert = error.first[:2] == _ALERT
            outcome = Outcome.TLS_ALERT if alert else Outcome.NOT_HTTP if error.first else Outcome.CLOSED
            return Attempt(outcome, None, error.reason)
        return Attempt(Outcome.ANSWERED, answer, f"answered {answer.status}")

    @look
    def follow_redirects(self, url: str, limit: int = 5) -> tuple[Answer, ...]:
        """The answers from `url` on, redirects followed inside the scope and from https only to https; the last is final.

        When the last is itself a redirect, it leads out of the scope or to plain HTTP and was not followed. Raises
        Unobservable for a loop or for more than `limit` redirects.
        """
        answers: list[Answer] = []
        seen: set[str] = set()
        while True:
            if url in seen:
                raise Unobservable(f"redirect loop at {url}")
            if len(answers) > limit:
                raise Unobservable(f"more than {limit} redirects from {answers[0].url}")
            seen.add(url)
            answers.append(self._send("GET", url))
            after = redirect(answers[-1])
            if after is None or not self._may_follow(url, after):
                return tuple(answers)
            url = after

    @look
    def in_scope(self, url: str) -> bool:
        """Whether the target declares the place that `url` leads to."""
        return self._in_scope(url)

    def _in_scope(self, url: str) -> bool:
        try:
            return place(url) in self.session.scope
        except Unobservable:
            return False

    def _may_follow(self, url: str, after: str) -> bool:
        if url.startswith("https:") and not after.startswith("https:"):
            return False
        return self._in_scope(after)

    def close(self) -> None:
        """Close every connection."""
        self.client.close()


def place(url: str) -> tuple[str, int]:
    """The host and port that an http or https URL leads to; raises Unobservable for any other."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise Unobservable(f"{url} is no URL") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise Unobservable(f"{url} is no http or https URL")
    return host, port


def redirect(answer: Answer) -> str | None:
    """The absolute URL that an answer redirects to, without its fragment; None when it is no redirect."""
    location = answer.header("location")
    if answer.status not in REDIRECTS or not location:
        return None
    try:
        return urljoin(answer.url, location).partition("#")[0]
    except ValueError:
        return location
