"""Reading a page from a file or from bytes, whatever it is written in, within limits of size and time.

What is no page is said to be none, with what it is and what to do: binary, empty, a login wall, made by a script, a PDF
that holds pictures only. Everything that goes wrong is an InputError.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from selectolax.lexbor import LexborHTMLParser

from upheld.errors import InputError, Mistake, Unobservable
from upheld.probes.html_text import content
from upheld.reading import insights, markdown, pdf, text
from upheld.reading.page import MOST, Block, Page, page_of

__all__ = ["LARGEST", "MOST", "SELECTORS", "of_bytes", "of_file", "of_html"]

SELECTORS = ("main", "article", "[role=main]", "body")
"""What may hold the text of a page, the narrowest first."""
LARGEST = 5 * 1024 * 1024
"""Bytes of a source of text."""
LARGEST_MARKDOWN = 1024 * 1024
"""Bytes of Markdown: of what is nothing but brackets its reader takes long."""
LARGEST_PDF = 20 * 1024 * 1024
KINDS = {
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".md": "markdown", ".markdown": "markdown", ".mdown": "markdown", ".mdx": "mdx",
    ".txt": "text", ".text": "text", ".pdf": "pdf", ".yml": "insights", ".yaml": "insights",
}  # fmt: skip
"""What a file is taken for by the end of its name; a name without one is taken for Markdown, as `SECURITY` in a repository is."""
_SAYS_WHAT = "HTML, Markdown, MDX, text, PDF, or SECURITY-INSIGHTS.yml of the OpenSSF"
_LOOKS_LIKE = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "a zip file (a .docx, say: save it as PDF or HTML)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a packed file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (save it as PDF or HTML)"),
    (b"{\\rtf", "rich text (save it as PDF or HTML)"),
    (b"\x7fELF", "a program"),
)
_HTML = re.compile(r"(?is)\A\s*(?:<!--.*?-->\s*)*(?:<\?xml[^>]*>\s*)?(?:<!doctype html|<html|<head|<body|<main)")
_LEVEL = {f"h{level}": level for level in range(1, 7)}
_CELLS = frozenset({"td", "th", "dt", "dd"})
_LONGEST_PAGE_OF_A_LOGIN = 12
"""Sentences that a page has at most which asks for a password and is nothing else."""


def of_file(path: Path, selector: str = "") -> Page:
    """The page in a file, in the elements that match `selector` if it is HTML; raises InputError when there is none in it."""
    source = str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            _refuse(source, "the page cannot be read: it is no file", _SAYS_WHAT)
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_PDF + 1)
    except (OSError, ValueError) as error:
        _refuse(source, f"the page cannot be read: {getattr(error, 'strerror', None) or error}", "a file that is there")
    kind = KINDS.get(path.suffix.lower(), "markdown" if not path.suffix else "")
    return of_bytes(raw, source, kind, selector)


def of_bytes(raw: bytes, source: str, kind: str = "", selector: str = "") -> Page:
    """The page in these bytes; `kind` is one of those in KINDS' values, and found out where it is empty."""
    found = next((name for start, name in _LOOKS_LIKE if raw.startswith(start)), "")
    if found == "pdf":
        if len(raw) > LARGEST_PDF:
            _refuse(source, "the PDF is too large", f"at most {LARGEST_PDF:,} bytes")
        return _some(page_of(source, "", "pdf", pdf.blocks(raw, source)))
    if found or kind == "pdf":
        _refuse(source, f"is no page: it is {found or 'no PDF, in spite of its name'}", _SAYS_WHAT)
    if len(raw) > LARGEST:
        _refuse(source, "the page is too large", f"at most {LARGEST:,} bytes")
    if b"\0" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse(source, "is no page: it is binary", _SAYS_WHAT)
    try:
        words = raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except ValueError:
        _refuse(source, "the page cannot be read: it is not UTF-8", "a file in UTF-8")
    if not words.strip():
        _refuse(source, "is empty", _SAYS_WHAT)
    kind = kind or ("html" if _HTML.match(words) else "text")
    if kind in {"markdown", "mdx"} and len(raw) > LARGEST_MARKDOWN:
        _refuse(source, "the page is too large", f"at most {LARGEST_MARKDOWN:,} bytes of Markdown")
    if kind == "html":
        try:
            return of_html(words, source, selector)
        except Unobservable as error:
            _refuse(source, error.reason, "a page whose text stands in its HTML")
    if kind == "insights":
        return _some(page_of(source, "", kind, insights.blocks(raw, source)))
    made = markdown.blocks(words, mdx=kind == "mdx") if kind in {"markdown", "mdx"} else text.blocks(words)
    return _some(page_of(source, "", kind, made))


def of_html(html: str, source: str, selector: str = "") -> Page:
    """The page in this HTML, in the elements that match `selector` or else in the usual ones; raises Unobservable without text.

    Raises InputError for a page that is nothing but a login, and for one with more sentences than a security page has.
    """
    for one in (selector,) if selector else SELECTORS:
        try:
            found = content(html, one, source)
        except Unobservable:
            if selector:
                raise
            continue
        if found.sentences:
            rows = (
                Block(
                    line.text,
                    kind="heading"
                    if line.tag in _LEVEL
                    else "item"
                    if line.tag == "li"
                    else "cell"
                    if line.tag in _CELLS
                    else "paragraph",
                    level=_LEVEL.get(line.tag, 0),
                    row=line.group if line.tag in _CELLS or line.tag in {"div", "p", "span"} else 0,
                )
                for line in found.lines
            )
            page = page_of(source, one, "html", _paired(rows, found.lines))
            if len(page.sentences) <= _LONGEST_PAGE_OF_A_LOGIN and _asks_for_a_password(html):
                _refuse(
                    source,
                    "is no security page: it asks for a login",
                    "a page that everybody can read, or a saved copy of it",
                )
            return page
    raise Unobservable(f"{source} has no text (is it made by a script?)")


def _paired(blocks: Iterator[Block], lines: tuple[object, ...]) -> Iterator[Block]:
    """The blocks with rows only where lines belong together: cells of one row, a term with its definition, the short lines of a figure."""
    listed = list(blocks)
    tags = [getattr(line, "tag", "") for line in lines]
    term = 0
    for number, block in enumerate(listed):
        if tags[number] in {"dt", "dd"}:
            term += tags[number] == "dt"
            yield Block(block.text, block.kind, block.level, row=-term if term else 0)
        elif block.kind == "cell" or _in_a_figure(listed, number):
            yield block
        else:
            yield Block(block.text, block.kind, block.level)


def _in_a_figure(blocks: list[Block], number: int) -> bool:
    """Whether the block is one of two to four short ones that an element of their own holds, of which at least one has a digit."""
    row = blocks[number].row
    around = [one for one in blocks[max(0, number - 4) : number + 5] if row and one.row == row]
    return (
        2 <= len(around) <= 4
        and all(len(one.text) <= 60 for one in around)
        and any(re.search(r"\d", one.text) for one in around)
    )


def _asks_for_a_password(html: str) -> bool:
    return LexborHTMLParser(html).css_first("input[type=password]") is not None


def _some(page: Page) -> Page:
    if not page.sentences:
        _refuse(page.source, "has no text that could be read", "a page with sentences")
    return page


def _refuse(source: str, message: str, expected: str) -> NoReturn:
    raise InputError([Mistake(source, 0, 0, message, expected=expected)]) from None
