"""Rewards for vulnerabilities: that none is offered where the published page says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.html_text import normalise
from upheld.probes.publication import Publication
from upheld.probes.site import Site

_WORDS = re.compile(
    r"\bbount(?:y|ies)\b|\bpaid (?:out|reward)|\breward(?:s|ed)?\b[^.]*\b(?:report|vulnerabilit|finding|researcher)"
    r"|\b(?:report|vulnerabilit|finding|researcher)[^.]*\breward(?:s|ed)?\b",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"bount(?:y|ies)", re.IGNORECASE)
_YES = frozenset({"true", "yes", "1"})


@check(basis=OBSERVED)
def none_is_offered(
    publication: Publication,
    site: Site,
    *,
    denial: Annotated[str, Field(pattern=r"\w")],
    platforms: tuple[str, ...] = (
        "bugcrowd.com",
        "hackenproof.com",
        "hackerone.com",
        "huntr.com",
        "immunefi.com",
        "intigriti.com",
        "openbugbounty.org",
        "yeswehack.com",
    ),
) -> Iterator[Finding | NotObserved]:
    """The published page denies a bounty programme, and neither it, other pages nor security.txt offer one.

    Decides: whether somebody who found a vulnerability could be led to expect a reward.
    How: the sentences of the published page are read for `denial` and for other words about rewards; the links of all public
    pages and the fields of security.txt are read for such words and for `platforms`, which run bounty programmes.
    Refuted by: a page without the denial; another sentence that speaks of a bounty or of rewards for reports; a link, or a Policy
    or other field of security.txt, that leads to a bounty programme; a Bug-Bounty field that says yes.
    Cannot see: offers on other sites that nothing links to, and such as are made in private.
    References: RFC 9116 §2.5.7, ISO/IEC 29147:2018.
    """
    expected = "no offer of a reward"
    try:
        page = publication.page()
    except Unobservable as error:
        yield NotObserved("published page", error.reason, expected)
    else:
        wanted = normalise(denial).lower()  # As the page's sentences are: a final period does not count.
        said = [one for one in page.sentences if wanted in one.lower()]
        yield Finding(
            f"{page.url} denial",
            bool(said),
            f"says {denial!r}",
            f"says {said[0]!r}" if said else "does not say it",
            seen=(page,),
        )
        offers = [one for one in page.sentences if _WORDS.search(one) and one not in said]
        yield Finding(
            f"{page.url} text",
            not offers,
            expected,
            f"says {offers[0]!r}" if offers else "no other word of it",
            seen=(page,),
        )
    yield from _links(site, platforms, expected)
    try:
        found = publication.security_txt()
    except Unobservable as error:
        yield NotObserved("security.txt", error.reason, expected)
        return
    if found.answer.status != 200:
        yield NotObserved("security.txt", f"{found.answer.url} answered {found.answer.status}", expected)
        return
    wrong = [f"{name}: {value}" for name, value in found.fields if _offers(name, value, platforms)]
    observed = f"has the field {'; '.join(wrong)}" if wrong else f"none of its {len(found.fields)} fields offers any"
    yield Finding("security.txt", not wrong, expected, observed, seen=(found,))


def _links(site: Site, platforms: tuple[str, ...], expected: str) -> Iterator[Finding | NotObserved]:
    crawl = site.crawl()
    if not crawl.pages:
        yield NotObserved("links of the pages", "no page could be read", expected)
    for page in crawl.pages:
        wrong = [one for one in page.links if _WORDS.search(one.text) or _leads_to_one(one.url, platforms)]
        observed = (
            f"links to {wrong[0].url} ({wrong[0].text!r})" if wrong else f"none of {len(page.links)} links leads to any"
        )
        yield Finding(f"{page.url} links", not wrong, expected, observed, seen=(crawl,))
    for url, reason in crawl.unread:
        yield NotObserved(f"{url} links", reason, expected)


def _offers(name: str, value: str, platforms: tuple[str, ...]) -> bool:
    if _IN_ADDRESS.search(name):
        return value.strip().lower() in _YES or urlsplit(value).scheme in {"http", "https"}
    return _leads_to_one(value, platforms)


def _leads_to_one(url: str, platforms: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"}:
        return False
    on_platform = any(host == one or host.endswith(f".{one}") for one in platforms)
    return on_platform or _IN_ADDRESS.search(f"{host}{parts.path}") is not None
