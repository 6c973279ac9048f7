"""Applications of pages and forms in place of an API, against a small server of both: addresses that are chosen, fields that pages give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from upheld.probes.api import Api

from ...loopback import endpoint, web

HTML = {"Content-Type": "text/html"}
PAGE = '<form><input type="hidden" name="revision" value="{revision}"></form><p>{text}</p>'


class Wiki:
    """Pages by their address, each with the number of its revision; whoever has no key is sent to the login."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, str]] = {}
        self.made = 0
        self.deleted: list[str] = []

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Any:
        where = urlsplit(path).path
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        if headers.get("X-Key") != "key-0123456789abcdef":
            return 302, {"Location": "/login"}, b""
        if where == "/new":
            self._write(form["slug"], form["text"])
            return 302, {"Location": f"/pages/{form['slug']}"}, b""
        slug = re.sub("^/pages/|/(edit|delete)$", "", where)
        if slug not in self.pages:
            return 404, HTML, b"nothing here"
        revision, text = self.pages[slug]
        page = PAGE.format(revision=revision, text=text).encode()
        if method == "GET" or form.get("revision") != str(revision):
            return 200, HTML, page
        if where.endswith("/delete"):
            del self.pages[slug]
            self.deleted.append(slug)
        else:
            self._write(slug, form["text"])
        return 302, {"Location": f"/pages/{slug}"}, b""

    def _write(self, slug: str, text: str) -> None:
        self.made += 1
        self.pages[slug] = (self.made, text)


@pytest.fixture
def wiki(session_of: Callable[..., Any]) -> Iterator[tuple[Any, Wiki]]:
    """The API probe over a wiki, and the wiki."""
    server = Wiki()
    with web(server, takes_body=True) as port:
        ada = {"name": "ada", "tenant": "t", "role": "owner", "login": "key", "secrets": {"key": "env:ADA_KEY"}}
        session = session_of(
            secret_values={"ADA_KEY": "key-0123456789abcdef"},
            endpoints=[endpoint("wiki", port, scheme="http")],
            tenants=[{"name": "t", "id": "t"}],
            identities=[ada],
            api={
                "endpoint": "wiki",
                "logins": {"key": {"scheme": "header", "name": "X-Key", "value": "{key}", "check": "/pages/x"}},
                "refused": {"statuses": [403], "location": "^/login"},
                "declared": {
                    "create": {"call": "POST /new"},
                    "show": {"call": "GET /pages/{slug}"},
                    "edit": {"call": "POST /pages/{slug}/edit"},
                    "delete": {"call": "POST /pages/{slug}/delete"},
                    "change": {"call": "GET /changes/{number}"},
                },
                "parameters": {"slug": "page", "number": "revision"},
                "objects": {
                    "page": {
                        "create": "create",
                        "chosen": "p{random}",
                        "form": {"slug": "{page}", "text": "{canary}"},
                        "read": "show",
                        "delete": "delete",
                    },
                    "revision": {"create": "show", "id": r'body name="revision" value="(\d+)"'},
                },
                "operations": {
                    "create": {"statuses": [302]},
                    "edit": {"form": {"text": "changed"}, "hidden": ["revision"], "statuses": [302]},
                    "delete": {"form": {"sure": "yes"}, "hidden": ["revision"], "statuses": [302]},
                },
            },
        )
        yield session.probe(Api), server


def test_what_a_page_shows_is_found_and_what_it_hides_is_sent_back(wiki: tuple[Any, Wiki]) -> None:
    api, server = wiki
    ids = api.plant("t").ids()
    assert ids["revision"] == "1"
    assert list(server.pages) == [ids["page"]]
    assert api.call("edit", "ada", ids).worked
    assert api.call("edit", "ada", ids).worked, "the second edit names the revision that the first one made"
    assert server.pages[ids["page"]] == (3, "changed")


def test_what_was_made_by_a_form_is_taken_away_by_one_and_what_a_page_shows_is_left_alone(wiki: Any) -> None:
    api, server = wiki
    ids = api.plant("t").ids()
    assert [one.kind for one in api.planter.made] == ["page"]
    api.remove_planted()
    assert (server.pages, server.deleted) == ({}, [ids["page"]])


def test_whoever_is_not_shown_the_form_is_refused_and_changes_nothing(wiki: Any) -> None:
    api, server = wiki
    ids = api.plant("t").ids()
    reply = api.call("edit", None, ids)
    assert (reply.refused, reply.worked) == (True, False)
    assert server.pages[ids["page"]][0] == 1


def test_an_identifier_that_is_chosen_refers_to_nobodys_object(wiki: Any) -> None:
    api, _ = wiki
    by_id = {one.id: one for one in api.cases()}
    assert by_id["create"].references == ()
    assert [one.kind for one in by_id["edit"].references] == ["page"]
