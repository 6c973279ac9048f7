"""The checks of all traffic and of bounty offers against real pages: plain addresses, mixed content, offers, and pages not seen."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld.model import Finding, LeftOut, NotObserved
from upheld.probes.http import Http
from upheld.probes.publication import Publication
from upheld.probes.site import Site

from ..loopback import Page, Pki, endpoint, load_checks, server_context, web

traffic, bounty = load_checks("traffic"), load_checks("bounty")
HTML = {"Content-Type": "text/html"}
DENIAL = "We do not currently offer a bug bounty programme"
SECURITY_TXT = "Contact: mailto:security@example.com\nPolicy: https://www.rivet.example/security\n"


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    return server_context(Pki(tmp_path).issue("www.rivet.example"))


def page(body: str, status: int = 200) -> Page:
    return status, HTML, f"<!doctype html><html><body>{body}</body></html>".encode()


def audit(session: Any, check: Any, *probes: Any, **parameters: Any) -> list[Any]:
    with session.recording("t"):
        return list(check(*(session.probe(one) for one in probes), **parameters))


def failed(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.observed for one in found if isinstance(one, Finding) and not one.passed}


def unseen(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.reason for one in found if isinstance(one, NotObserved)}


def both(
    session_of: Callable[..., Any], context: ssl.SSLContext, pages: dict[str, Page]
) -> tuple[list[Any], list[Any]]:
    with web(pages, context) as port:
        session = session_of(endpoints=[endpoint("www", port, pages=list(pages)[:1])], ca="ca.pem")
        named = audit(session, traffic.named_places_speak_tls, Site, Http)
        return named, audit(session, traffic.pages_load_nothing_in_the_clear, Site)


def test_pages_without_a_plain_address(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    links = '<a href="/b">b</a><a href="http://other.example.org/">theirs</a><a href="mailto:a@b.c">m</a><a href="https://[">x</a>'
    named, loaded = both(session_of, context, {"/": page(links), "/b": page('<img src="/x.png">')})
    assert failed(named) == failed(loaded) == {}
    (seen,) = (one for one in named if isinstance(one, Finding))
    assert "over TLS" in seen.observed
    assert [str(one.subject) for one in named if isinstance(one, LeftOut)] == ["http://other.example.org:80"]
    # The session describes no API, so that its servers stay unseen, and say so.
    assert unseen(named) == {"servers of the OpenAPI document": "the target describes no api"}
    assert {one.passed for one in loaded if isinstance(one, Finding)} == {True}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<a href="http://help.rivet.example:81/">help</a>', "http://help.rivet.example:81"),
        ('<meta http-equiv="refresh" content="3; url=http://rivet.example/">', "http://rivet.example:80"),
        ('<a href="/away">x</a>', "http://old.rivet.example:80"),
    ],
)
def test_a_plain_address_of_the_own_domain(
    session_of: Callable[..., Any], context: ssl.SSLContext, body: str, words: str
) -> None:
    away = (302, {"Location": "http://old.rivet.example/"}, b"")
    named, loaded = both(session_of, context, {"/": page(body), "/away": away})
    assert list(failed(named)) == [words]
    assert failed(loaded) == {}


@pytest.mark.parametrize(
    "body",
    [
        '<link rel="stylesheet" href="http://cdn.example.org/a.css">',
        '<img srcset="/a.png 1x, http://cdn.example.org/b.png 2x">',
        '<p style="background: url(http://cdn.example.org/c.png)">x',
        "<style>@import 'http://cdn.example.org/d.css'</style>",
        '<form action="http://cdn.example.org/e"></form>',
        '<link rel="stylesheet" href="/own.css">',
    ],
)
def test_mixed_content(session_of: Callable[..., Any], context: ssl.SSLContext, body: str) -> None:
    style = (200, {"Content-Type": "text/css"}, b"p { background: url(http://cdn.example.org/f.png) }")
    _, loaded = both(session_of, context, {"/": page(body), "/own.css": style})
    assert "http://cdn.example.org" in "".join(failed(loaded).values())


def test_a_link_that_only_names_a_page_loads_nothing(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    _, loaded = both(session_of, context, {"/": page('<link rel="canonical" href="http://other.example.org/">')})
    assert failed(loaded) == {}


def test_an_undeclared_https_place_of_the_own_domain_is_not_contacted(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    named, _ = both(session_of, context, {"/": page('<a href="https://shop.rivet.example/">shop</a>')})
    assert "does not declare it" in unseen(named)["https://shop.rivet.example:443"]


@pytest.mark.parametrize(
    ("host", "other"),
    [
        ("rivet.example", "http://other.example:80"),
        ("example.co.uk", "http://other.co.uk:80"),
        ("127.0.0.1", "http://9.0.0.1:80"),
    ],
)
def test_whoever_only_shares_a_domain_that_is_everybodys_is_another(
    session_of: Callable[..., Any], tmp_path: Path, host: str, other: str
) -> None:
    pages = {"/": page(f'<a href="{other}/">theirs</a>')}
    with web(pages, server_context(Pki(tmp_path).issue(host))) as port:
        session = session_of(endpoints=[endpoint("www", port, host=host)], ca="ca.pem")
        found = audit(session, traffic.named_places_speak_tls, Site, Http)
    assert failed(found) == {}
    assert [str(one.subject) for one in found if isinstance(one, LeftOut)] == [other]


def test_what_stands_in_one_of_several_own_domains_is_own(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    with web({"/": page('<a href="http://help.rivet.example:81/">help</a>')}, context) as port:
        described = {"endpoints": [endpoint("www", port)], "domains": ["rivet.example", "rivet-status.example"]}
        session = session_of(**described, ca="ca.pem")
        assert list(failed(audit(session, traffic.named_places_speak_tls, Site, Http))) == [
            "http://help.rivet.example:81"
        ]


def test_everybodys_domain_is_nobodys_own() -> None:
    assert traffic._domains(["www.example.co.uk", "example.org", "example.co.uk", "127.0.0.1"]) == (
        "example.co.uk",
        "example.org",
        "127.0.0.1",
    )


def test_nothing_seen_passes_nothing(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    for answer in ((429, {}, b""), (200, {"Content-Type": "text/plain"}, b"")):
        with web(lambda *_, answer=answer: answer, context) as port:  # type: ignore[misc]
            session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem")
            for check, probes in (
                (traffic.named_places_speak_tls, (Site, Http)),
                (traffic.pages_load_nothing_in_the_clear, (Site,)),
            ):
                found = audit(session, check, *probes)
                assert unseen(found)["pages"] == "no page could be read"
                assert not [one for one in found if isinstance(one, Finding)]


def test_an_empty_page_is_none(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    pages = {"/": (200, {"Content-Type": "text/html"}, b" \n"), "/b": page("")}
    for found in both(session_of, context, pages):
        assert failed(found) == {}
        assert unseen(found)["pages"] == "no page could be read"
        assert any("with an empty page" in reason for reason in unseen(found).values())


def offers(
    session_of: Callable[..., Any],
    context: ssl.SSLContext,
    body: str = f"<p>{DENIAL}.",
    text: str = SECURITY_TXT,
    front: str = "",
    denial: str = DENIAL,
) -> list[Any]:
    pages: dict[str, Page] = {
        "/": page(front),
        "/security": page(f"<main>{body}</main>"),
        "/.well-known/security.txt": (200, {"Content-Type": "text/plain; charset=utf-8"}, text.encode()),
    }
    with web(pages, context) as port:
        session = session_of(
            endpoints=[endpoint("www", port, pages=["/", "/security"])],
            ca="ca.pem",
            publication={"page": f"https://www.rivet.example:{port}/security"},
        )
        return audit(session, bounty.none_is_offered, Publication, Site, denial=denial)


def test_no_offer(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    reports = f"<p>{DENIAL}, but thank researchers.</p><p>Report a vulnerability. It is a rewarding job.</p>"
    found = offers(session_of, context, reports)
    assert failed(found) == unseen(found) == {}
    assert len(found) == 5


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"body": "<p>Report it."}, "does not say it"),
        ({"body": f"<p>{DENIAL}.</p><p>Valid reports are rewarded."}, "Valid reports are rewarded"),
        ({"front": '<a href="https://hackerone.com/x">Programme</a>'}, "hackerone.com/x"),
        ({"front": '<a href="/x">Our bug bounty</a>'}, "Our bug bounty"),
        ({"text": f"{SECURITY_TXT}Policy: https://bounty.example.com/x\n"}, "policy: https://bounty"),
        ({"text": f"{SECURITY_TXT}Bug-Bounty: True\n"}, "bug-bounty: True"),
    ],
)
def test_an_offer(session_of: Callable[..., Any], context: ssl.SSLContext, changed: dict[str, str], words: str) -> None:
    assert words in "".join(failed(offers(session_of, context, **changed)).values())


def test_a_bounty_field_that_says_no_offers_none(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    assert failed(offers(session_of, context, text=f"{SECURITY_TXT}Bug-Bounty: False\n")) == {}


@pytest.mark.parametrize("denial", [f"{DENIAL}.", f" {DENIAL.replace(' ', '  ')} "])
def test_the_denial_may_be_written_as_the_page_writes_it(
    session_of: Callable[..., Any], context: ssl.SSLContext, denial: str
) -> None:
    """The page's sentences have lost their final period, so that a denial with one must lose it too."""
    assert failed(offers(session_of, context, denial=denial)) == {}


def test_what_does_not_answer_offers_nothing_and_denies_nothing(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    with web({}, context) as port:
        session = session_of(
            endpoints=[endpoint("www", port)], ca="ca.pem", publication={"page": f"https://www.rivet.example:{port}/s"}
        )
        found = audit(session, bounty.none_is_offered, Publication, Site, denial=DENIAL)
    assert set(unseen(found)) >= {"published page", "security.txt"}
