"""How python-gitlab reaches the network: through the project's own HTTP client, which goes to declared places only.

It needs the extra `upheld[gitlab]`, and is imported where a GitLab is looked at. The library builds the requests, follows
pages and understands the answers; what it would do beyond that (redirects, proxies, .netrc, waiting when it is told that
it asks too much) cannot happen, for only an answer 200 with JSON comes back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import gitlab
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.forge_answers import PAGES, refusal
from upheld.probes.http_client import HttpClient
from upheld.target import secrets
from upheld.target.code import Forge as Described

ENTRIES = 100
"""Entries of one page, the most that GitLab gives."""
_SENT = ("private-token", "job-token", "accept")


class _Guarded(BaseAdapter):
    """Sends what requests has prepared by the guarded client; to the forge's own address and to no other."""

    def __init__(self, client: HttpClient, root: str) -> None:
        super().__init__()
        self._client = client
        self._root = root

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """The answer; raises Unobservable for any but 200 with JSON."""
        url = request.url or ""
        there, here = urlsplit(url), urlsplit(self._root)
        if (there.scheme, there.netloc.lower()) != (here.scheme, here.netloc.lower()):
            # The token goes nowhere else.
            raise Unobservable(f"the forge's list goes on at another address, {there.netloc}")
        headers = {name: str(value) for name, value in request.headers.items() if name.lower() in _SENT}
        answer = self._client.send(request.method or "GET", url, headers=headers)
        if answer.status != 200:
            raise refusal(answer.status, there.path)
        answer.json()
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.url = url
        response.request = request
        response.encoding = "utf-8"
        response._content = answer.text.encode()  # noqa: SLF001  (requests has no other way to give a body)
        return response

    def close(self) -> None:
        """Nothing: the client is closed by whoever made it."""


class Server:
    """A GitLab as the target describes it; `library` and `project` are python-gitlab's."""

    def __init__(self, session: Session, client: HttpClient, described: Described) -> None:
        """Asks nothing yet; raises Unobservable when the token's reference leads nowhere."""
        root = described.url.rstrip("/").removesuffix("/api/v4")
        token = session.redactor.add(secrets.resolve(described.token, session.target_folder), "forge-token")
        web = requests.Session()
        web.trust_env = False
        for scheme in ("https://", "http://"):
            web.mount(scheme, _Guarded(client, root))
        # A server that is reached by another name than it believes to have links to that name.
        self.library = gitlab.Gitlab(
            root,
            private_token=None if described.job_token else token,
            job_token=token if described.job_token else None,
            session=web,
            keep_base_url=True,
        )
        self.project = self.library.projects.get(f"{described.owner}/{described.repository}", lazy=True)

    def one(self, what: str, ask: Callable[[], Any]) -> Mapping[str, Any]:
        """One object; raises Unobservable when there is none to be had."""
        try:
            return _fields(ask())
        except (gitlab.GitlabError, TypeError, ValueError, AttributeError) as error:
            raise Unobservable(f"the forge answered about {what} with something else than an object") from error

    def all(self, what: str, ask: Callable[..., Iterable[Any]], **query: Any) -> Iterator[Mapping[str, Any]]:
        """Every entry of a list, page by page."""
        try:
            for number, one in enumerate(ask(per_page=ENTRIES, **query)):
                if number >= PAGES * ENTRIES:
                    raise Unobservable(f"the forge's list of {what} has more than {PAGES} pages")
                yield _fields(one)
        except (gitlab.GitlabError, TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
            raise Unobservable(f"the forge answered about {what} with something else than a list") from error


def _fields(one: Any) -> Mapping[str, Any]:
    found = one if isinstance(one, Mapping) else one.attributes
    if not isinstance(found, Mapping) or not found:
        raise TypeError("not an object")
    return found
