"""All traffic: whatever the pages and the API's own document lead to speaks TLS, and no page loads anything without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.http import Http
from upheld.probes.site import Named, Site

# Second-level labels under which strangers register: the parent of example.co.uk is no domain of anybody's own.
_SHARED_LABELS = frozenset({"ac", "co", "com", "edu", "gov", "net", "ne", "or", "org"})
_SHOWN = 3


@check(basis=OBSERVED)
def named_places_speak_tls(site: Site, http: Http) -> Iterator[Finding | NotObserved | LeftOut]:
    """Everything of the deployment that its pages and its OpenAPI document lead to is reached over TLS 1.2 or newer.

    Decides: whether someone who follows links, redirects and the API's list of servers ever talks to the deployment in the clear.
    How: the public pages are read along their links, and the servers of the OpenAPI document are added; each place (scheme,
    host and port) of the deployment's own domains is asked over TLS by a client that speaks nothing older than TLS 1.2.
    Refuted by: one http:// address among them, declared or not.
    Cannot see: pages behind a login, links that scripts make, places that nothing names. A place that the target does not declare
    is not contacted: named as https it stays unobserved, named as http it refutes.
    References: RFC 9325 §3.2, OWASP ASVS 5.0 12.2.1.
    """
    endpoints = {(one.host, one.port) for one in site.endpoints()}
    own = site.domains() or _domains(host for host, _ in endpoints)
    expected = "reached over TLS 1.2 or newer"
    crawl = site.crawl()
    if not crawl.pages:
        yield NotObserved("pages", "no page could be read", expected)
    for url, reason in crawl.unread:
        yield NotObserved(f"page {url}", reason, expected)
    named = list(crawl.named)
    try:
        named += site.api_servers()
    except Unobservable as error:
        yield NotObserved("servers of the OpenAPI document", error.reason, expected)
    places: dict[tuple[str, str, int], list[Named]] = {}
    for one in named:
        parts = urlsplit(one.url)
        place = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        places.setdefault(place, []).append(one)
    for scheme, host, port in sorted(places):
        subject = f"{scheme}://{host}:{port}"
        where = _where(places[scheme, host, port])
        if (host, port) not in endpoints and not _belongs(host, own):
            yield LeftOut(subject, f"another's site, named by {where}")
        elif scheme == "http":
            yield Finding(subject, False, expected, f"plain HTTP, named by {where}")
        else:
            yield _secure(http, subject, where)


@check(basis=OBSERVED)
def pages_load_nothing_in_the_clear(site: Site) -> Iterator[Finding | NotObserved]:
    """No page loads anything over plain HTTP, or sends a form there.

    Decides: whether a page that came over TLS brings in content that somebody on the way could have changed.
    How: the public pages and their style sheets are read; every address of images, scripts, styles, frames, media and forms
    counts, whosever host it is on.
    Refuted by: one http:// address among them.
    Cannot see: what scripts load, and pages behind a login.
    References: W3C Mixed Content, RFC 6797 §2.4.
    """
    crawl = site.crawl()
    expected = "loads nothing over plain HTTP"
    if not crawl.pages:
        yield NotObserved("pages", "no page could be read", expected)
    loaded: dict[str, list[str]] = {}
    for one in crawl.named:
        if one.loaded and urlsplit(one.url).scheme == "http":
            loaded.setdefault(one.where, []).append(one.url)
    for url in dict.fromkeys((*(page.url for page in crawl.pages), *loaded)):
        wrong = loaded.get(url, [])
        observed = f"mixed content: loads {', '.join(wrong[:_SHOWN])}" if wrong else "all that it loads comes over TLS"
        yield Finding(url, not wrong, expected, observed)
    for url, reason in crawl.unread:
        yield NotObserved(url, reason, expected)


def _secure(http: Http, subject: str, where: str) -> Finding | NotObserved:
    expected = "reached over TLS 1.2 or newer"
    if not http.in_scope(subject):
        return NotObserved(subject, f"the target does not declare it, though {where} names it", expected)
    try:
        answer = http.get(f"{subject}/")
    except Unobservable as error:
        return NotObserved(subject, error.reason, expected)
    return Finding(subject, True, expected, f"answered {answer.status} over TLS; named by {where}")


def _domains(hosts: Iterable[str]) -> tuple[str, ...]:
    """The domains that the hosts stand in: what follows their first label, unless that is everybody's."""
    found = []
    for host in hosts:
        labels = host.split(".")
        parent = labels[1:]
        shared = len(parent) < 2 or (len(parent) == 2 and len(parent[1]) == 2 and parent[0] in _SHARED_LABELS)
        numeric = labels[-1].isdecimal() or ":" in host
        found.append(host if shared or numeric else ".".join(parent))
    return tuple(dict.fromkeys(found))


def _belongs(host: str, domains: Iterable[str]) -> bool:
    return any(host == one or host.endswith(f".{one}") for one in domains)


def _where(named: list[Named]) -> str:
    places = list(dict.fromkeys(one.where for one in named))
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return ", ".join(places[:_SHOWN]) + more
