"""What browsers are served: public pages, the scripts that they load and their source maps, searched for secrets."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from upheld.errors import Unobservable
from upheld.probes.api_requests import url_of
from upheld.probes.base import Probe, Session, look
from upheld.probes.http import REDIRECTS, place
from upheld.probes.http_client import Answer, HttpClient
from upheld.probes.sending import HTTP, Sending, Sends
from upheld.probes.waiting import patient
from upheld.target.api import Answers

DOCUMENTS_LIMIT = 300
"""Pages, scripts and source maps that are read; more are Unobservable."""
_GONE = frozenset({401, 403, 404, 410})
_MAP = re.compile(r"^[ \t]*(?://|/\*)[#@][ \t]*sourceMappingURL=([^\s*]+)", re.MULTILINE)
_IMPORT = re.compile(r"""\b(?:import|from)\s*\(?\s*["']([^"'\s]+\.m?js[^"'\s]*)["']""")
# What is a secret by its shape. Publishable keys (pk_live_…) and client identifiers have none of these.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("JSON web token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
    ("secret key", re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9_-]{10,}")),
    ("AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")),
    ("Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("Meta token", re.compile(r"\bEAA[A-Za-z0-9]{20,}")),
    ("password in a URL", re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{1,64}:[^\s/@\"']{3,}@")),
)
_NAMED = re.compile(
    r"""(?i)["']?\b([A-Za-z_$]*(?:passw(?:or)?d|secret|api_?key|access_?key|private_?key|auth_?token|access_?token))["']?"""
    r"""\s*[:=]\s*["'`]([^"'`\s]{8,200})["'`]"""
)
_NO_SECRET = re.compile(r"^(?:[/.#{$<]|https?:|\[redacted|\*+$)|[{}<>()]")
_BITS = 2.5


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that looks like a secret: what it is, and at which character it stands. Its value is not kept."""

    kind: str
    at: int


@dataclass(frozen=True, slots=True)
class Served:
    """One page, script or source map that browsers are served; `reason` says why it could not be read, or was not followed."""

    url: str
    kind: str
    found_on: str
    status: int
    size: int
    leaks: tuple[Leak, ...]
    reason: str = ""
    left_out: bool = False


class ClientCode(Probe):
    """What the public endpoints give to browsers."""

    name: ClassVar[str] = "client_code"
    needs: ClassVar[tuple[str, ...]] = ("endpoints",)
    sends: ClassVar[Sending] = {
        "documents": (
            Sends(HTTP, "GET {url}{pages}, and in turn what it loads or links to in scope", each="endpoints"),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._client = HttpClient(session)

    @look
    def documents(self) -> tuple[Served, ...]:
        """Every page that the target declares for its public endpoints, and in turn what they load inside the scope.

        Where an endpoint names no pages its root is asked; that it serves none, as an API's, is nothing unseen.
        """
        public = [one for one in self.target.endpoints if one.public]
        waiting = [(url_of(one, page), "page", "the target") for one in public for page in one.pages]
        # A root that nobody named may be no page.
        unsure = {url_of(one, page) for one in public if "pages" not in one.model_fields_set for page in one.pages}
        if not waiting:
            raise Unobservable("the target declares no page that browsers are served (endpoints, pages)")
        seen: set[str] = set()
        found: list[Served] = []
        while waiting:
            url, kind, origin = waiting.pop(0)
            if url in seen:
                continue
            if len(seen) >= DOCUMENTS_LIMIT:
                raise Unobservable(f"browsers are served more than {DOCUMENTS_LIMIT} pages and scripts")
            seen.add(url)
            try:
                if place(url) not in self.session.scope:
                    found.append(Served(url, kind, origin, 0, 0, (), "it is not the target's own", left_out=True))
                    continue
                answer = self._get(url)
            except Unobservable as unobservable:
                found.append(Served(url, kind, origin, 0, 0, (), unobservable.reason))
                continue
            leaks = tuple(self._leaks(_whole(answer.text) if kind == "source map" else answer.text))
            onward = answer.header("location") if kind == "page" and answer.status in REDIRECTS else None
            if answer.status != 200 and not leaks:
                left = url in unsure and 300 <= answer.status < 500 and answer.status != 429
                left = left or onward is not None or (kind == "source map" and answer.status in _GONE)
                reason = f"it leads to {onward}" if onward is not None else f"it answered {answer.status}"
                found.append(Served(url, kind, origin, answer.status, answer.size, (), reason, left_out=left))
                waiting += [(urljoin(url, onward), "page", url)] if onward is not None else []
                continue
            if kind == "page" and answer.blank:
                left = url in unsure
                found.append(Served(url, kind, origin, answer.status, answer.size, (), "it is empty", left_out=left))
                continue
            found.append(Served(url, kind, origin, answer.status, answer.size, leaks))
            waiting += [(urljoin(url, link), other, url) for link, other in _links(answer, kind)]
        if all(one.left_out for one in found):
            told = "; ".join(f"{one.url}: {one.reason}" for one in found[:3])
            raise Unobservable(f"there is no page ({told}): endpoints may name some (pages)")
        return tuple(found)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _get(self, url: str) -> Answer:
        limited = self.target.api.limited if self.target.api else Answers(statuses=(429,))
        return patient(lambda: self._client.send("GET", url), limited, url)[0]

    def _leaks(self, text: str) -> Iterator[Leak]:
        public = self.target.browsing.public_values if self.target.browsing else ()
        for kind, shape in _SHAPES:
            for match in shape.finditer(text):
                if not any(value in match.group() for value in public):
                    yield Leak(kind, match.start())
        for match in _NAMED.finditer(text):
            if match[2] not in public and _secret(match[2]):
                yield Leak(f"value of {match[1]}", match.start())


def _secret(value: str) -> bool:
    """Whether a value is one that nobody writes as a label: it mixes letters and digits, and is no address or template."""
    if _NO_SECRET.search(value) or not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts) >= _BITS


def _whole(text: str) -> str:
    """The sources in a source map as they were written, beside the map itself."""
    try:
        data: Any = json.loads(text.removeprefix(")]}'"))
    except (ValueError, RecursionError):
        return text
    sources = data.get("sourcesContent") if isinstance(data, dict) else None
    written = [one for one in sources if isinstance(one, str)] if isinstance(sources, list) else []
    return "\n".join(written) or text


def _links(answer: Answer, kind: str) -> Iterator[tuple[str, str]]:
    """What a page or a script loads, and what that is."""
    if kind == "page":
        tree = LexborHTMLParser(answer.text)
        for node in tree.css("script[src]"):
            yield str(node.attributes.get("src") or ""), "script"
        for node in tree.css("link[rel=modulepreload][href], link[rel=preload][as=script][href]"):
            yield str(node.attributes.get("href") or ""), "script"
    elif kind == "script":
        header = answer.header("sourcemap") or answer.header("x-sourcemap")
        for link in [*([header] if header else []), *_MAP.findall(answer.text)]:
            if not link.startswith("data:"):
                yield link, "source map"
        for link in _IMPORT.findall(answer.text):
            yield link, "script"
