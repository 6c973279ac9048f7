"""What is published: the live page with the claims, what the policy says of it, and security.txt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from upheld.errors import Unobservable
from upheld.probes import openpgp
from upheld.probes.base import Probe, Session, look
from upheld.probes.html_text import Link, content, sentences
from upheld.probes.http import Answer, Http
from upheld.probes.openpgp import Signature
from upheld.probes.resting import Resting, Rests
from upheld.probes.sending import HTTP, Sending, Sends
from upheld.target.endpoints import Publication as Description

__all__ = ["Link", "Publication", "PublishedPage", "SecurityTxt", "Signature"]

SECURITY_TXT = "/.well-known/security.txt"
"""RFC 9116 §3."""


@dataclass(frozen=True, slots=True)
class PublishedPage:
    """The main content of the live page, split in sentences; `url` is where the redirects ended."""

    url: str
    sentences: tuple[str, ...]
    links: tuple[Link, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class SecurityTxt:
    """security.txt as it was answered at the end of the redirects, and the fields that a parser of RFC 9116 finds in it.

    Field names are in lower case. `unknown` are lines that are neither field nor comment. Of a signed file only what the
    signature covers is read.
    """

    asked: str
    answer: Answer
    redirects: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]
    signed: bool

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a field, in order."""
        return tuple(value for key, value in self.fields if key == name.lower())


class Publication(Probe):
    """The published page and security.txt, beside what the policy says of them."""

    name: ClassVar[str] = "publication"
    needs: ClassVar[tuple[str, ...]] = ("publication",)
    rests: ClassVar[Resting] = {
        "policy_sentences": Rests(policy=True),
        "no_promise_sentences": Rests(policy=True),
    }
    sends: ClassVar[Sending] = {
        "page": (Sends(HTTP, "GET {publication.page}", most=3),),
        **dict.fromkeys(
            ("security_txt", "security_txt_signature"),
            (
                Sends(
                    HTTP, "GET /.well-known/security.txt, or where the target says, beside {publication.page}", most=7
                ),
            ),
        ),
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._page: PublishedPage | None = None
        self._security_txt: SecurityTxt | None = None

    @look
    def page(self) -> PublishedPage:
        """The live page; raises Unobservable when it does not answer 200 with HTML that has main content."""
        if self._page is None:
            description = self._description()
            answer = self._final(description.page)
            if answer.status != 200:
                raise Unobservable(f"the published page {answer.url} answered {answer.status}")
            if answer.media_type not in {"text/html", "application/xhtml+xml"}:
                raise Unobservable(
                    f"the published page {answer.url} is {answer.media_type or 'of no media type'}, not HTML"
                )
            found = content(answer.text, description.main, answer.url)
            if not found.sentences:
                raise Unobservable(
                    f"the published page {answer.url} has no text in {description.main!r} (is it made by a script?)"
                )
            self._page = PublishedPage(answer.url, found.sentences, found.links, answer.sha256)
        return self._page

    @look
    def policy_sentences(self) -> Mapping[str, tuple[str, ...]]:
        """The sentences that each claim of the policy carries, cut and normalised as the page's are.

        Raises Unobservable when the session has no policy.
        """
        if not self.session.policy_sentences:
            raise Unobservable("no policy is at hand to compare the page with")
        return {claim: _cut(texts) for claim, texts in self.session.policy_sentences.items()}

    @look
    def no_promise_sentences(self) -> tuple[str, ...]:
        """The sentences of the page that promise nothing, as the policy says; cut and normalised as the page's are."""
        return _cut(self.session.no_promise)

    @look
    def security_txt(self) -> SecurityTxt:
        """security.txt at the well-known place of the page's host, or where the target says; whatever is answered there."""
        if self._security_txt is None:
            description = self._description()
            asked = description.security_txt or f"https://{urlsplit(description.page).netloc}{SECURITY_TXT}"
            answers = self._http().follow_redirects(asked)
            answer = answers[-1]
            signed, text = openpgp.signed_text(answer.text)
            fields, unknown = _fields(text)
            redirects = tuple(
                f"{one.status} {one.header('location') or ''}" for one in answers if one.status // 100 == 3
            )
            self._security_txt = SecurityTxt(asked, answer, redirects, fields, unknown, signed)
        return self._security_txt

    @look
    def security_txt_signature(self) -> Signature:
        """Whether the OpenPGP signature of security.txt verifies with the key that the target names.

        Raises Unobservable when the target names no key, or one that cannot be read.
        """
        key = self._description().security_txt_key
        if key is None:
            raise Unobservable(
                "the target names no OpenPGP key (publication.security_txt_key) to verify security.txt with"
            )
        return openpgp.verify(self.security_txt().answer.text, self.session.target_folder / key)

    def _description(self) -> Description:
        if self.target.publication is None:
            raise Unobservable("the target describes no publication")
        return self.target.publication

    def _http(self) -> Http:
        http = self.session.probe(Http)
        assert isinstance(http, Http)  # noqa: S101  (tells the type checker what probe() gives)
        return http

    def _final(self, url: str) -> Answer:
        answer = self._http().follow_redirects(url)[-1]
        if answer.status // 100 == 3:
            raise Unobservable(f"{answer.url} redirects to {answer.header('location')}, which was not followed")
        return answer


def _cut(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sentence for text in texts for line in text.splitlines() for sentence in sentences(line))


def _fields(text: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    fields: list[tuple[str, str]] = []
    unknown: list[str] = []
    for line in text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")[:5000]:
        name, colon, value = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        # RFC 9116 §4: field-name is one or more printable characters other than the colon, without white space.
        if colon and name and name.isascii() and name.isprintable() and " " not in name and value.strip():
            fields.append((name.lower(), value.strip()))
        else:
            unknown.append(line[:200])
    return tuple(fields), tuple(unknown[:20])
