"""What a security page says: its sentences in order, each under its heading, from a live page or from a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from upheld.errors import InputError, Mistake, Unobservable
from upheld.probes.html_text import content, normalise, sentences
from upheld.yaml_core import control_character

SELECTORS = ("main", "article", "[role=main]", "body")
"""What may hold the text of a page, the narrowest first."""
LARGEST = 5 * 1024 * 1024
"""Bytes of a file with a page."""
MOST = 2_000
"""Sentences that a page may have: what has more is no security page."""
_LONGEST = 2_000
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_MARKUP = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a page, in its words, and the heading under which it stands."""

    text: str
    section: str
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A security page: where it is, what element holds its text (of a live one), its sentences, and how many were left out."""

    source: str
    main: str
    sentences: tuple[Sentence, ...]
    left_out: int


def of_html(html: str, source: str) -> Page:
    """The page in this HTML; raises Unobservable where none of the usual elements holds text."""
    for selector in SELECTORS:
        try:
            found = content(html, selector, source).sentences
        except Unobservable:
            continue
        if found:
            headings = {
                normalise(node.text(separator=" ")) for node in LexborHTMLParser(html).css("h1, h2, h3, h4, h5, h6")
            }
            return _page(source, selector, ((text, text in headings) for text in found))
    raise Unobservable(f"{source} has no text (is it made by a script?)")


def of_file(path: Path) -> Page:
    """The page in a file of HTML, Markdown or plain text; raises InputError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise InputError([Mistake(str(path), 0, 0, "the page is too large", expected=f"at most {LARGEST:,} bytes")])
        text = raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError([Mistake(str(path), 0, 0, f"the page cannot be read: {why}")]) from None
    if path.suffix.lower() in {".html", ".htm", ".xhtml"}:
        try:
            return of_html(text, str(path))
        except Unobservable as error:
            raise InputError([Mistake(str(path), 0, 0, error.reason)]) from None
    return _page(str(path), "", _of_lines(text.splitlines()))


def _of_lines(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    for line in lines:
        heading = _HEADING.match(line)
        words = _MARKUP.sub("", _LINK.sub(r"\1", heading[1] if heading else line))
        for text in sentences(words):
            yield text, heading is not None


def _page(source: str, main: str, found: Iterator[tuple[str, bool]]) -> Page:
    kept: dict[str, Sentence] = {}
    section, left_out = "", 0
    for text, heading in found:
        if len(text) > _LONGEST or control_character(text):
            left_out += 1
            continue
        if heading:
            section = text
        kept.setdefault(text, Sentence(text, section, heading))
        if len(kept) > MOST:
            raise InputError(
                [Mistake(source, 0, 0, f"the page has more than {MOST} sentences", expected="a security page")]
            )
    return Page(source, main, tuple(kept.values()), left_out)
