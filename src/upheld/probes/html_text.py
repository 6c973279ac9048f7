"""What an HTML page says, as lines and sentences that can be compared with those of a policy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from upheld.errors import Unobservable

MAX_TAGS = 20_000
"""Start tags of a page. Building the tree takes time in the square of its depth, which these bound."""
_UNSEEN = frozenset(
    {
        "script",
        "style",
        "template",
        "noscript",
        "head",
        "title",
        "del",
        "s",
        "datalist",
        "iframe",
        "object",
        "svg",
        "math",
    }
)
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "output",
        "q",
        "rp",
        "rt",
        "ruby",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "button",
        "img",
    ]
)
_TELLING = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "li", "td", "th", "dt", "dd", "figcaption", "summary"})
"""Elements that say what the blocks inside of them are."""
_HIDING = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_START_TAG = re.compile(r"<[a-zA-Z]")
_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛′`´", "'") | dict.fromkeys("“”„‟″«»", '"'))
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\u202a-\u202e\u2066-\u2069\ufeff]")
_BULLET = re.compile(r"^[•·▪‣◦*]\s+")
# A sentence ends at its mark, before white space and what can begin another one; "e.g. this" does not end.
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9À-ÖØ-Þ])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|No|Nos|Art|Sec|Inc|Ltd|Co|Dr|Mr|Ms|Mrs|St)|\b[A-Z])\.$")

_NUMBERING = re.compile(r"\(?\d+(?:\.\d+)*\.\)?")


@dataclass(frozen=True, slots=True)
class Link:
    """A link: its text, and the absolute URL that it leads to, without being followed."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page: its text, the element that it is the text of, and a number that lines of one row or block share."""

    text: str
    tag: str
    group: int


@dataclass(frozen=True, slots=True)
class Content:
    """A part of a page: its sentences and links, in the page's order, and the lines that the sentences were cut from."""

    sentences: tuple[str, ...]
    links: tuple[Link, ...]
    lines: tuple[Line, ...] = ()


def normalise(text: str) -> str:
    """`text` with plain quotes and single spaces, without invisible characters, bullet and final period; words unchanged."""
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).translate(_QUOTES)
    text = _BULLET.sub("", " ".join(text.split()))
    return text.removesuffix(".") if not text.endswith("..") else text


def sentences(line: str) -> Iterator[str]:
    """The normalised sentences of one line of text; the same text gives the same sentences wherever it stands."""
    for _, normalised in cut(line):
        yield normalised


def cut(line: str) -> Iterator[tuple[str, str]]:
    """The sentences of one line of text, each in its own words and marks and as `normalise` has it."""
    own = " ".join(_INVISIBLE.sub("", line).split())
    text = own.translate(_QUOTES)  # One character for one, so that places in it are places in `own`.
    start = 0
    ends = [
        end.end()
        for end in _SENTENCE_END.finditer(text)
        if not _ABBREVIATION.search(text[max(0, end.start() - 20) : end.start()])
        and not _NUMBERING.fullmatch(text[: min(end.start(), 20)])
    ]
    for end in (*ends, len(text)):
        if normalised := normalise(text[start:end]):
            yield own[start:end].strip(), normalised
        start = end


def content(html: str, selector: str, base: str) -> Content:
    """What the elements that match a CSS selector say. What no reader sees (scripts, hidden or struck text) is left out.

    Raises Unobservable when nothing matches, when the selector is none, or for a page with too many elements.
    """
    tags = len(_START_TAG.findall(html))
    if tags > MAX_TAGS:
        raise Unobservable(f"the page has {tags} tags, more than the {MAX_TAGS} that are read")
    try:
        roots = LexborHTMLParser(html).css(selector)
    except (SelectolaxError, ValueError) as error:
        raise Unobservable(f"the page cannot be searched with {selector!r}: {error}") from error
    if not roots:
        raise Unobservable(f"the page has no element that matches {selector!r}")
    lines: list[Line] = []
    links: list[Link] = []
    known = {root.mem_id for root in roots}
    for root in roots:
        if not _inside(root, known):
            _Walk(lines, links, base).walk(root)
    return Content(tuple(one for line in lines for one in sentences(line.text)), tuple(links), tuple(lines))


def _inside(node: Any, roots: set[int]) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.mem_id in roots:
            return True
        parent = parent.parent
    return False


class _Walk:
    """One pass over a tree with a stack of its own, as deep trees would break Python's."""

    def __init__(self, lines: list[Line], links: list[Link], base: str) -> None:
        self._lines = lines
        self._links = links
        self._base = base
        self._line: list[str] = []
        self._blocks: list[tuple[str, int]] = [("", 0)]
        self._groups: dict[int, int] = {}

    def walk(self, root: Any) -> None:
        stack: list[tuple[Any, int | None]] = [(root, None)]
        while stack:
            node, entered = stack.pop()
            tag = node.tag
            if entered is not None:
                self._leave(node, tag, entered)
            elif tag == "-text":
                self._line.append(node.text_content or "")
            elif node.is_element_node and not _unseen(node, tag):
                if tag not in _INLINE:
                    self._end_line()
                    self._blocks.append((tag, node.mem_id))
                # A block inside a link ends the line that the link's text would stand in; then its text is that of its end.
                stack.append((node, len(self._line)))
                children = []
                child = node.child
                while child is not None:
                    children.append((child, None))
                    child = child.next
                stack.extend(reversed(children))
        self._end_line()

    def _leave(self, node: Any, tag: str, entered: int) -> None:
        if tag == "a" and (href := node.attributes.get("href")):
            text = " ".join("".join(self._line[entered:]).split())
            try:
                self._links.append(Link(text, urljoin(self._base, href.strip())))
            except ValueError:
                self._links.append(Link(text, href))
        if tag not in _INLINE:
            self._end_line()
            self._blocks.pop()

    def _end_line(self) -> None:
        line = " ".join("".join(self._line).split())
        if line:
            depth = next((at for at in range(len(self._blocks) - 1, 0, -1) if self._blocks[at][0] in _TELLING), 0)
            tag, around = self._blocks[depth or -1][0], self._blocks[(depth or len(self._blocks) - 1) - 1][1]
            self._lines.append(Line(line, tag, self._groups.setdefault(around, len(self._lines) + 1)))
        self._line.clear()


def _unseen(node: Any, tag: str) -> bool:
    if tag in _UNSEEN:
        return True
    attributes = node.attributes
    return "hidden" in attributes or bool(_HIDING.search(attributes.get("style") or ""))
