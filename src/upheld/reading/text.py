"""Plain text as blocks: lines that were wrapped are joined, short lines by themselves are headings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upheld.reading.page import Block

_BULLET = re.compile(r"^\s*(?:[-*+•·▪‣◦]|\(?(?:\d+(?:\.\d+)*|[a-z]|[ivx]+)[.)])\s+", re.IGNORECASE)
_NUMBERED_TITLE = re.compile(
    r"^\s*(?:\d+(?:\.\d+)*\.?|[A-Z]\.|§\s*\d+|(?:Section|Article|Clause)\s+\d+[.:]?)\s+(?=[A-Z])"
)
_RULE = re.compile(r"^\s*(?:[=\-~_*#]\s*){3,}$")
_FULL = 60
"""Characters from which on a line of plain text may go on in the next one."""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of plain text: lines that were wrapped are joined, short lines by themselves are headings."""
    lines = text.replace("\f", "\n").splitlines()
    paragraph: list[tuple[int, str]] = []
    row = 0
    for number, line in enumerate([*lines, ""], 1):
        marks = line.strip()
        if marks and not _RULE.match(line):
            paragraph.append((number, line))
            continue
        underlined = bool(marks)
        if paragraph:
            row += 1
            yield from _paragraph(paragraph, row, underlined=underlined)
        paragraph = []


def _paragraph(lines: list[tuple[int, str]], row: int, *, underlined: bool) -> Iterator[Block]:
    joined: list[tuple[int, str, bool]] = []
    before = ""
    for number, line in lines:
        item = bool(_BULLET.match(line)) and not _NUMBERED_TITLE.match(line)
        words = _BULLET.sub("", line, count=1) if item else line.lstrip("#> ")
        goes_on = (
            joined
            and not item
            and not re.match(r"\s*#{1,6}\s", line)
            and not re.search(r"[.!?:;]$", before.rstrip())
            and (len(before.rstrip()) >= _FULL or words.strip()[:1].islower())
        )
        # Within a paragraph that was wrapped, a sentence may end at the end of a line.
        goes_on = goes_on or bool(
            joined
            and not item
            and len(before.rstrip()) >= _FULL
            and len(lines) > 1
            and re.search(r"[.!?,;]$", before.rstrip())
        )
        if goes_on:
            first, text, was_item = joined[-1]
            joined[-1] = (first, f"{text} {words.strip()}", was_item)
        else:
            joined.append((number, words.strip(), item))
        before = line
    figures = 0 if any(item for _, _, item in joined) else _figures([text for _, text, _ in joined])
    marked = re.match(r"\s*(#{1,6})\s", lines[0][1])
    for at, (number, text, item) in enumerate(joined):
        alone = len(joined) == 1 and not item and _like_a_title(text)
        level = (
            len(marked[1])
            if marked and at == 0
            else (2 if (alone or (underlined and at == len(joined) - 1 and not item)) else 0)
        )
        kind = "heading" if level else "item" if item else "paragraph"
        yield Block(text, kind, level, row * 1_000 + at // figures if figures and not level else 0, number)


def _figures(lines: list[str]) -> int:
    """How many short lines each figure of a paragraph has, of which one is a number (a name, `90 days`, a remark); 0 for none."""
    numbers = [at for at, line in enumerate(lines) if re.search(r"\d", line)]
    if not numbers or any(len(line) > _FULL or re.search(r"[.!?;:]$", line) for line in lines):
        return 0
    each = len(lines) // len(numbers)
    whole = each in {2, 3, 4} and each * len(numbers) == len(lines)
    return each if whole and all(at % each == numbers[0] for at in numbers) else 0


def _like_a_title(text: str) -> bool:
    bare = _NUMBERED_TITLE.sub("", text)
    return (
        len(bare) <= _FULL
        and len(bare.split()) <= 8
        and not re.search(r"[.!?:;,]$", bare)
        and bare[:1].isupper()
        and not re.search(r"\d", bare)
    )
