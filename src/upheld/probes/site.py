"""The deployment's web as a reader of it comes upon it: pages, what they link to and load, and what the OpenAPI document names."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.base import Probe, Session, look
from upheld.probes.html_text import Link
from upheld.probes.http import REDIRECTS, Answer, Http
from upheld.probes.sending import DOCUMENT, HTTP, Sending, Sends
from upheld.target.endpoints import Endpoint

__all__ = ["Crawl", "Named", "Page", "Site"]

PAGES_LIMIT = 200
"""Pages that a crawl reads at the most; more are said to be unread."""
_ERRORS = 400
ADDRESSES_LIMIT = 2_000
"""Links and loaded addresses of one page that are read."""

_HTML = frozenset({"text/html", "application/xhtml+xml"})
# By which elements a page loads something itself, or hands something over; all other addresses are only led to.
_LOADS = {
    "img": ("src", "srcset"),
    "script": ("src",),
    "link": ("href",),
    "iframe": ("src",),
    "frame": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "audio": ("src",),
    "video": ("src", "poster"),
    "source": ("src", "srcset"),
    "track": ("src",),
    "input": ("src", "formaction"),
    "button": ("formaction",),
    "form": ("action",),
}
_LEADS = {"a": ("href",), "area": ("href",), "base": ("href",)}
_ONLY_NAMED = frozenset({"canonical", "alternate", "author", "license", "help", "next", "prev", "me", "search"})
_CSS_URL = re.compile(r"url\(\s*[\"']?([^\"')\s]+)|@import\s+[\"']([^\"']+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """An absolute http or https URL, where it was named, and whether the page loads it itself (or sends a form there)."""

    url: str
    where: str
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One HTML page that was read: its status, its links with their texts."""

    url: str
    status: int
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Crawl:
    """What was read and what it names. `unread` are places inside the scope that could not be read, with the reason."""

    pages: tuple[Page, ...]
    named: tuple[Named, ...]
    unread: tuple[tuple[str, str], ...]


class Site(Probe):
    """Reads the public pages of the declared endpoints along their links. Nothing outside of the scope is contacted."""

    name: ClassVar[str] = "site"
    needs: ClassVar[tuple[str, ...]] = ("endpoints",)
    sends: ClassVar[Sending] = {
        "api_servers": (DOCUMENT,),
        "crawl": (Sends(HTTP, "GET {url}{pages}, and in turn what it loads or links to in scope", each="endpoints"),),
    }

    def __init__(self, session: Session) -> None:
        """Reads nothing yet."""
        super().__init__(session)
        self._crawl: Crawl | None = None

    @look
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The public endpoints that the target declares; raises Unobservable when there are none."""
        found = tuple(one for one in self.target.endpoints if one.public)
        if not found:
            raise Unobservable("the target describes no public endpoints")
        return found

    @look
    def domains(self) -> tuple[str, ...]:
        """The domains that the target says to be its own; empty when it leaves that to its endpoints."""
        return self.target.domains

    @look
    def crawl(self) -> Crawl:
        """Everything that the pages and style sheets of the public https endpoints lead to, redirects included; read once a session."""
        if self._crawl is None:
            self._crawl = self._read()
        return self._crawl

    @look
    def api_servers(self) -> tuple[Named, ...]:
        """The servers that the OpenAPI document names; a relative one is the endpoint that serves it."""
        api = cast("Api", self.session.probe(Api))
        base = f"{api.endpoint.url}/"
        found = [Named(urljoin(base, url), "the OpenAPI document's servers") for url in _servers(api.document.data)]
        return tuple(dict.fromkeys(one for one in found if _is_web(one.url)))

    def _read(self) -> Crawl:
        http = cast("Http", self.session.probe(Http))
        scope = self.session.scope
        starts = [
            urljoin(one.url, page)
            for one in self.target.endpoints
            if one.public and one.secure
            for page in dict.fromkeys(("/", *one.pages))
        ]
        waiting = deque(dict.fromkeys(starts))
        seen: set[str] = set()
        pages: list[Page] = []
        named: dict[Named, None] = {}
        unread: list[tuple[str, str]] = []
        while waiting:
            url = waiting.popleft().partition("#")[0]
            if url in seen:
                continue
            if len(seen) >= PAGES_LIMIT:
                unread.append((url, f"more than {PAGES_LIMIT} pages"))
                break
            seen.add(url)
            try:
                answer = http.get(url)
            except Unobservable as error:
                unread.append((url, error.reason))
                continue
            found = list(_addresses(answer))
            if answer.media_type in _HTML and answer.blank:
                # Not a page that loads nothing, but none. An error may well be empty; what should be a page may not.
                if answer.status < _ERRORS and answer.status not in REDIRECTS:
                    unread.append((url, f"it answered {answer.status} with an empty page"))
            elif answer.media_type in _HTML and answer.status not in REDIRECTS:
                pages.append(Page(answer.url, answer.status, tuple(_links(answer))))
            for one in found:
                named.setdefault(one)
                parts = urlsplit(one.url)
                place = (parts.hostname or "", _port(one.url))
                if parts.scheme == "https" and place in scope:
                    waiting.append(one.url)
        return Crawl(tuple(pages), tuple(named), tuple(unread))


def _servers(data: Mapping[str, Any]) -> Iterator[str]:
    """The servers of a document, of its paths and of its operations, with the defaults of their variables; `/` when there is none."""
    paths = data.get("paths")
    items = [one for one in (paths.values() if isinstance(paths, Mapping) else ()) if isinstance(one, Mapping)]
    operations = [one for item in items for one in item.values() if isinstance(one, Mapping)]
    found = False
    for owner in (data, *items, *operations):
        servers = owner.get("servers")
        for server in servers if isinstance(servers, list) else ():
            if isinstance(server, Mapping) and isinstance(server.get("url"), str):
                found = True
                variables = server.get("variables")
                url = server["url"]
                for name, one in variables.items() if isinstance(variables, Mapping) else ():
                    url = url.replace(f"{{{name}}}", str(one.get("default", "")) if isinstance(one, Mapping) else "")
                yield url
    if not found:
        yield "/"


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _addresses(answer: Answer) -> Iterator[Named]:
    """What an answer leads to: by its Location, by its markup, or by its style sheet."""
    for url, loaded in _raw_addresses(answer):
        try:
            absolute = urljoin(answer.url, url.strip())
        except ValueError:
            continue
        if _is_web(absolute):
            yield Named(absolute.partition("#")[0], answer.url, loaded)


def _raw_addresses(answer: Answer) -> Iterator[tuple[str, bool]]:
    location = answer.header("location")
    if answer.status in REDIRECTS and location:
        yield location, False
        return
    if answer.media_type == "text/css":
        yield from ((one, True) for one in _in_style(answer.text))
    elif answer.media_type in _HTML:
        yield from _in_markup(answer.text)


def _in_markup(text: str) -> Iterator[tuple[str, bool]]:
    count = 0
    for node in LexborHTMLParser(text).css("*"):
        attributes = node.attributes
        tag = node.tag or ""
        for table, loaded in ((_LOADS, True), (_LEADS, False)):
            for name in table.get(tag, ()):
                if value := attributes.get(name):
                    only_named = tag == "link" and _rel(attributes.get("rel")) <= _ONLY_NAMED
                    pieces = value.split(",") if name == "srcset" else [value]
                    for piece in pieces:
                        count += 1
                        yield piece.split()[0] if piece.split() else "", loaded and not only_named
        if style := attributes.get("style"):
            yield from ((one, True) for one in _in_style(style))
        if tag == "style":
            yield from ((one, True) for one in _in_style(node.text() or ""))
        if tag == "meta" and (attributes.get("http-equiv") or "").lower() == "refresh":
            _, _, target = (attributes.get("content") or "").partition("=")
            yield target.strip(" '\""), False
        if count > ADDRESSES_LIMIT:
            return


def _rel(value: str | None) -> frozenset[str]:
    return frozenset((value or "").lower().split()) or frozenset({""})


def _in_style(text: str) -> Iterator[str]:
    for match in _CSS_URL.finditer(text):
        yield match[1] or match[2]


def _links(answer: Answer) -> Iterator[Link]:
    for node in LexborHTMLParser(answer.text).css("a[href], area[href]"):
        try:
            url = urljoin(answer.url, (node.attributes.get("href") or "").strip())
        except ValueError:
            continue
        yield Link(" ".join((node.text() or "").split()), url)
