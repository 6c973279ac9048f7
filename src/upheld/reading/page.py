"""A page as it was read: its sentences in order, each with its place, under its heading, beside what stands in its row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from upheld.errors import InputError, Mistake
from upheld.probes.html_text import cut
from upheld.reading.language import language_of
from upheld.yaml_core import control_character

MOST = 2_000
"""Sentences that a page may have: what has more is no security page."""
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sentence stands: the how manieth it is, and the line of the source or the page of the PDF where that is known (else 0)."""

    number: int
    line: int = 0
    page: int = 0

    def __str__(self) -> str:
        if self.line:
            return f"line {self.line}"
        return f"page {self.page}" if self.page else f"sentence {self.number}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a page: in normal form, under which heading, whether it is one, in its own words, and where.

    `block` is what it is the text of: `heading`, `item` (of a list), `cell` (of a table or a list of terms), `field` (of data)
    or `paragraph`. `row` holds the texts of its row, itself included, where it stands in one: cells of a table, a term with
    its definition, the lines of a figure. `above` are the headings over it, the outermost first.
    """

    text: str
    section: str
    heading: bool = False
    verbatim: str = ""
    place: Place = Place(0)
    block: str = "paragraph"
    row: tuple[str, ...] = ()
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A security page: where it is, what element holds its text (of a live one), its sentences, and how many were left out.

    A sentence that stands there twice is listed once, at its first place. `kind` is what it was written in, `language` the
    code of the language (ISO 639-1) that most of its words are of, or empty.
    """

    source: str
    main: str
    sentences: tuple[Sentence, ...]
    left_out: int
    kind: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a source as its format gives it: one line of text, before it is cut in sentences.

    `level` is that of a heading, or 0. Blocks that are neighbours and share a `row` other than 0 belong together.
    """

    text: str
    kind: str = "paragraph"
    level: int = 0
    row: int = 0
    line: int = 0
    page: int = 0


def page_of(source: str, main: str, kind: str, blocks: Iterable[Block]) -> Page:
    """The page that these blocks make; raises InputError for more sentences than a security page has."""
    listed = tuple(blocks)
    cells: dict[int, list[str]] = {}
    for block in listed:
        if block.row:
            cells.setdefault(block.row, []).extend(text for _, text in cut(block.text))
    rows = {number: tuple(texts) for number, texts in cells.items()}
    kept: dict[str, Sentence] = {}
    above: list[tuple[int, str]] = []
    left_out = number = 0
    for block in listed:
        for verbatim, text in cut(block.text):
            number += 1
            if len(text) > _LONGEST or control_character(text):
                left_out += 1
                continue
            if block.level:
                above = [one for one in above if one[0] < block.level]
            headings = tuple(heading for _, heading in above)
            if block.level:
                above.append((block.level, text))
            section = above[-1][1] if above else ""
            place = Place(number, block.line, block.page)
            row = rows[block.row] if block.row and len(rows[block.row]) > 1 else ()
            kept.setdefault(text, Sentence(text, section, block.level > 0, verbatim, place, block.kind, row, headings))
            if len(kept) > MOST:
                message = f"the page has more than {MOST} sentences"
                raise InputError([Mistake(source, 0, 0, message, expected="a security page")])
    words = " ".join(one.text for one in kept.values())
    return Page(source, main, tuple(kept.values()), left_out, kind, language_of(words))
