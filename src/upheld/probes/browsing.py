"""What the web application shows: pages and data as somebody who is logged in gets them, in a real browser and without."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import quote_plus, urlencode, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

from upheld.errors import Refused, Unobservable
from upheld.inputs import FOLDER
from upheld.probes.api import Api
from upheld.probes.api_requests import fill, url_of
from upheld.probes.base import Probe, Session, look
from upheld.probes.chromium import Asked, Chromium, Given
from upheld.probes.http import place
from upheld.probes.http_client import Answer, HttpClient
from upheld.probes.sending import HTTP, PLANTING, Sending, Sends
from upheld.probes.waiting import patient
from upheld.target.api import Answers, Identity
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.target.endpoints import Endpoint
    from upheld.target.sessions import Browsing as Description

__all__ = ["Browsing", "Document", "Echo", "Mark", "Planted", "Shown"]

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_. -]*)\}")
_CONTROL = "/upheld-control"
_ASK = """(() => {
  const marks = %s, html = document.documentElement ? document.documentElement.outerHTML : "";
  return {
    url: location.href, type: document.contentType, title: document.title, size: html.length,
    shown: marks.filter((one) => html.includes(one)),
    elements: marks.filter((one) => document.getElementById(one)),
  };
})()"""


@dataclass(frozen=True, slots=True)
class Mark:
    """Markup that was stored in an object of a kind: `word` is what an element would be called, and a title would become."""

    name: str
    kind: str
    word: str

    def __str__(self) -> str:
        """`a script between elements in a message`."""
        return f"{self.name} in a {self.kind}"


@dataclass(frozen=True, slots=True)
class Document:
    """A page or data that somebody who is logged in may open: its path as the target has it, and filled in."""

    template: str
    path: str
    data: bool


@dataclass(frozen=True, slots=True)
class Planted:
    """Markup that was stored, the documents that may show it, and what could not be stored and why."""

    marks: tuple[Mark, ...]
    documents: tuple[Document, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A document as a browser shows it: words that stand in it, those that became elements, and those that a script made the title.

    `blocked` are the addresses that it asked for and that the target does not declare.
    """

    url: str
    status: int
    media_type: str
    size: int
    words: tuple[str, ...]
    elements: tuple[str, ...]
    ran: tuple[str, ...]
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Echo:
    """A page that repeats a parameter, and the markup that is put into it."""

    page: str
    parameter: str
    name: str
    word: str

    def __str__(self) -> str:
        """`/login, parameter email, with a script between elements`."""
        return f"{self.page}, parameter {self.parameter}, with {self.name}"


@cache
def markups() -> tuple[tuple[str, str], ...]:
    """Every piece of markup of the data file: its name and its text."""
    data = json.loads((FOLDER / "markup.json").read_text(encoding="utf-8"))
    return tuple((one["name"], one["text"]) for one in data["texts"])


class Browsing(Probe):
    """The web application, as members and strangers see it."""

    name: ClassVar[str] = "browsing"
    needs: ClassVar[tuple[str, ...]] = ("browsing", "api")
    sends: ClassVar[Sending] = {
        **dict.fromkeys(
            ("control", "documents", "get", "open", "open_echo", "plant"),
            (
                *PLANTING,
                Sends(HTTP, "GET and POST of {login.page}, to log in", "{browsing.identity}", 4, each="browsing"),
                Sends(
                    HTTP,
                    "GET {pages} and what it loads in scope, in a browser",
                    "nobody, {browsing.identity}",
                    each="browsing",
                ),
                Sends(HTTP, "GET {data}", "nobody, {browsing.identity}", each="browsing"),
                Sends(
                    HTTP,
                    "GET {page}?{parameter}=…, each piece of markup, in a browser",
                    "nobody, {browsing.identity}",
                    each="browsing.echoes",
                ),
            ),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._stranger = HttpClient(session, cookies=True)
        self._member: HttpClient | None = None
        self._browser: Chromium | None = None
        self._client = self._stranger
        self._blocked: list[str] = []
        self._statuses: dict[str, int] = {}

    @look
    def plant(self, index: int) -> Planted:
        """Store the markup of that number in the texts of the objects that pages show, beside what these need."""
        name, text = markups()[index]
        api, described = self._api, self._described
        identity = self._identity
        marks: list[Mark] = []
        missing: list[str] = []
        objects: dict[str, str] = {"tenant": api.tenant_id(identity.tenant)}
        wanted = {*described.stores, *self._kinds_in_documents()} - {"tenant"}
        for kind in [one for one in api.planter.order() if one in self._with_needs(wanted)]:
            if kind not in described.stores:
                made = api.plant_one(identity.tenant, kind, objects)
                objects[kind] = made.id
                continue
            word = f"u{secrets.token_hex(4)}"
            recipe = api.description.objects[kind]
            reply = api.send(recipe.create, identity=self._actor, objects=objects, canary=text.replace("«mark»", word))
            if reply.made:
                objects[kind] = reply.made
                marks.append(Mark(name, kind, word))
                continue
            missing.append(f"{name} cannot be stored in a {kind}: {recipe.create} answered {reply.status}")
            # What others need is made without it.
            objects[kind] = api.plant_one(identity.tenant, kind, objects).id
        return Planted(tuple(marks), self._documents(objects), tuple(missing))

    @look
    def markup_count(self) -> int:
        """How many pieces of markup there are; raises Unobservable when the target says of nothing where it is shown."""
        if not self._described.stores or not (self._described.pages or self._described.data):
            raise Unobservable("the target names no objects that pages show, or no page that shows them (browsing)")
        return len(markups())

    @look
    def echoes(self) -> tuple[Echo, ...]:
        """Every page that the target says repeats a parameter, with each piece of markup."""
        return tuple(
            Echo(one.page, one.parameter, name, f"u{secrets.token_hex(4)}")
            for one in self._described.echoes
            for name, _ in markups()
        )

    @look
    def control(self) -> Shown:
        """A page of our own that takes the first piece of markup for markup, to show that this browser would show it."""
        word = f"u{secrets.token_hex(4)}"
        return self._open(f"{_CONTROL}?{word}", (word,), self._stranger)

    @look
    def open(self, document: Document, words: tuple[str, ...]) -> Shown:
        """A document in the browser of somebody who is logged in."""
        return self._open(document.path, words, self._logged_in())

    @look
    def open_echo(self, echo: Echo) -> Shown:
        """A page that repeats a parameter, for a stranger, and where that leads to another page for somebody who is logged in."""
        text = dict(markups())[echo.name].replace("«mark»", echo.word)
        path = f"{echo.page}{'&' if '?' in echo.page else '?'}{urlencode({echo.parameter: text}, quote_via=quote_plus)}"
        shown = self._open(path, (echo.word,), self._stranger)
        if urlsplit(shown.url).path != urlsplit(path).path and self._described.login is not None:
            shown = self._open(path, (echo.word,), self._logged_in())
        return shown

    @look
    def get(self, document: Document) -> Answer:
        """A document as it is sent to somebody who is logged in; no redirect is followed."""
        return self._get(self._logged_in(), url_of(self._endpoint, document.path))

    @look
    def documents(self) -> tuple[Document, ...]:
        """The pages and data that somebody who is logged in may open, with objects that are made for those that name some."""
        identity, objects = self._identity, {}
        for kind in sorted(self._kinds_in_documents() - {"tenant"}):
            planted = self._api.plant(identity.tenant, kind)
            objects.update(planted.ids())
        return self._documents({"tenant": self._api.tenant_id(identity.tenant), **objects})

    def close(self) -> None:
        """End the browser and close every connection."""
        if self._browser is not None:
            self._browser.close()
        self._stranger.close()
        if self._member is not None:
            self._member.close()

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Description:
        if self.target.browsing is None:
            raise Unobservable("the target describes no browsing")
        return self.target.browsing

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))

    @property
    def _endpoint(self) -> Endpoint:
        name = self._described.endpoint
        for one in self.target.endpoints:
            if one.name == name:
                return one
        raise Unobservable(f"browsing.endpoint names no endpoint: {name}")

    @property
    def _identity(self) -> Identity:
        return self._api.identity(self._described.identity)

    @property
    def _actor(self) -> str:
        return next(one.name for one in self._api.acting() if one.tenant == self._identity.tenant)

    def _with_needs(self, kinds: set[str]) -> set[str]:
        found: set[str] = set()
        for kind in kinds:
            found.update(self._api.planter.order(kind))
        return found

    def _kinds_in_documents(self) -> set[str]:
        return {kind for one in (*self._described.pages, *self._described.data) for kind in _PLACEHOLDER.findall(one)}

    def _documents(self, objects: dict[str, str]) -> tuple[Document, ...]:
        described = self._described
        return tuple(
            Document(one, str(fill(one, objects)), data)
            for several, data in ((described.pages, False), (described.data, True))
            for one in several
        )

    def _get(self, client: HttpClient, url: str) -> Answer:
        limited = self.target.api.limited if self.target.api else Answers(statuses=(429,))
        return patient(lambda: client.send("GET", url), limited, url)[0]

    def _logged_in(self) -> HttpClient:
        if self._member is None:
            client = HttpClient(self.session, cookies=True)
            try:
                self._log_in(client)
            except Unobservable:
                client.close()
                raise
            self._member = client
        return self._member

    def _log_in(self, client: HttpClient) -> None:
        """Fill in the form and send it, as a browser does: it counts only when a page of the target's opens afterwards."""
        described, identity = self._described, self._identity
        if described.login is None:
            raise Unobservable("the target does not say how somebody logs in with a form (browsing.login)")
        values = dict(identity.values)
        for name, reference in identity.secrets.items():
            values[name] = resolve(reference, self.session.target_folder)
            self.session.redactor.add(values[name], f"{name}-{identity.name}")
        url = url_of(self._endpoint, described.login.page)
        page = self._get(client, url)
        fields = {name: str(fill(value, values)) for name, value in described.login.fields.items()}
        tree = LexborHTMLParser(page.text)
        for name in described.login.hidden:
            node = tree.css_first(f'input[name="{name}"]')
            if node is None:
                raise Unobservable(f"the login page has no field {name}: it answered {page.status}")
            fields[name] = str(node.attributes.get("value") or "")
        first = next(iter(fields), "")
        form = next((one for one in tree.css("form") if one.css_first(f'[name="{first}"]') is not None), None)
        action = urljoin(url, str((form.attributes.get("action") if form else None) or ""))
        parts = urlsplit(url)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Referer": url,
            "Sec-Fetch-Site": "same-origin",
        }
        answer = client.send("POST", action, headers=headers, content=urlencode(fields).encode())
        document = next(iter((*described.pages, *described.data)), "")
        if answer.status >= 400 or not document:
            raise Refused(f"the login of {identity.name} with the form was refused: it answered {answer.status}")
        opened = self._get(client, url_of(self._endpoint, urlsplit(document).path))
        if opened.status != 200:
            raise Refused(
                f"after the login of {identity.name} with the form {urlsplit(document).path} answered {opened.status}"
            )

    def _open(self, path: str, words: tuple[str, ...], client: HttpClient) -> Shown:
        if self._browser is None:
            self._browser = Chromium(self.session.scratch, self._serve, seconds=self.target.timeout_seconds)
        self._client, self._blocked, self._statuses = client, [], {}
        url = url_of(self._endpoint, path)
        try:
            found: dict[str, Any] = self._browser.open(url, _ASK % json.dumps(list(words)))
        except Unobservable:
            # A browser that did not end with one page is not asked for the next.
            self._browser.close()
            self._browser = None
            raise
        status = self._statuses.get(str(found["url"]).partition("#")[0], 0)
        return Shown(
            url=str(found["url"]),
            status=status,
            media_type=str(found["type"]),
            size=int(found["size"]),
            words=tuple(found["shown"]),
            elements=tuple(found["elements"]),
            ran=tuple(one for one in words if one == found["title"]),
            blocked=tuple(self._blocked[:20]),
        )

    def _serve(self, asked: Asked) -> Given | None:
        """Answer a request of the page through the transport that keeps to the scope; whatever leads out of it is blocked."""
        own = url_of(self._endpoint, _CONTROL)
        if asked.url.startswith(f"{own}?"):
            text = markups()[0][1].replace("«mark»", asked.url.partition("?")[2])
            self._statuses[asked.url] = 200
            return Given(200, (("content-type", "text/html; charset=utf-8"),), f"<title>-</title>{text}".encode())
        try:
            if asked.method != "GET" or place(asked.url) not in self.session.scope:
                raise Unobservable("it leads out of what the target declares")
            answer = self._get(self._client, asked.url)
        except Unobservable:
            self._blocked.append(asked.url[:200])
            return None
        self._statuses[asked.url.partition("#")[0]] = answer.status
        headers = tuple(
            (
                key,
                f"{answer.media_type}; charset=utf-8"
                if key == "content-type" and "charset" in value.lower()
                else value,
            )
            for key, value in answer.headers
        )
        return Given(answer.status, headers, answer.text.encode())
