"""Edits of the published page, generated: those that change what it promises, and those that change its dress only."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loopback import ROOT
from upheld.probes.html_text import sentences

TEXT = (ROOT / "tests/data/published-security-page.txt").read_text(encoding="utf-8")
LINES = tuple(line.strip() for line in TEXT.splitlines() if line.strip())


def cut(lines: Sequence[str]) -> list[str]:
    """The sentences of these lines, as the page's are cut."""
    return [one for line in lines for one in sentences(line)]


@dataclass(frozen=True)
class Edit:
    """The lines of the page after an edit, and what the edit was."""

    what: str
    lines: tuple[str, ...]


# --- meaning -------------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SWAPS: tuple[tuple[str, str], ...] = (
    (r"\bnever\b", ""), (r"\bnot\b", ""), (r"\bno\b", "some"), (r"\bcannot\b", "can"), (r"\bwithout\b", "with"), (r"\bnever\b", "rarely"),
    (r"\bAll\b", "Most"), (r"\ball\b", "some"), (r"\bevery\b", "each major"), (r"\bany\b", "some"), (r"\bonly\b", "mostly"), (r"\bonly\b", ""),
    (r"\bdays\b", "weeks"), (r"\bdays\b", "months"), (r"business days", "days"), (r"\bdaily\b", "weekly"), (r"\bdaily\b", ""),
    (r"\benforced\b", "preferred"), (r"\brequired\b", "recommended"), (r"\bencrypted\b", "unencrypted"), (r"\bencrypted\b", "hashed"),
    (r"\bis\b", "is not"), (r"\bare\b", "are not"), (r"\bare\b", "may be"), (r"\bis\b", "will be"), (r"\band\b", "or"), (r"\bbefore\b", "after"),
    (r"\bimmediately\b", "eventually"), (r"\bimmediately\b", ""), (r"\bcontinuously\b", "regularly"), (r"\bGermany\b", "Finland"), (r"\bHTTPS\b", "HTTP"),
    (r"\bmTLS\b", "TLS"), (r"\+", ""), (r"where applicable", ""), (r"by default", ""), (r"where legally required", "where practical"),
)  # fmt: skip


def meaning() -> Iterator[Edit]:
    """Edits after which the page promises something else."""
    for at, line in enumerate(LINES):
        for found in _NUMBER.finditer(line):
            number = found.group()
            for other in {number + "0", _lower(number), number.replace(".", "") if "." in number else number + ".5"}:
                if other != number:
                    yield _at(at, line[: found.start()] + other + line[found.end() :], f"{number} -> {other}")
        for pattern, instead in _SWAPS:
            changed = " ".join(re.sub(pattern, instead, line, count=1).split())
            if changed != line and changed:
                yield _at(at, changed, f"{pattern} -> {instead or 'nothing'}")
        if len(line.split()) > 3:
            yield Edit(f"without line {at}", LINES[:at] + LINES[at + 1 :])
        if "." in line:
            yield _at(at, f"{line} Sometimes.", "a sentence more")
    figures = [LINES.index(one) for one in ("AES-256", "TLS 1.2+", "90 days")]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        lines = list(LINES)
        lines[figures[one]], lines[figures[other]] = lines[figures[other]], lines[figures[one]]
        yield Edit(f"figures {one} and {other} change places", tuple(lines))


def _lower(number: str) -> str:
    return f"{float(number) - 0.1:.1f}" if "." in number else str(int(number) // 2 + 1)


def _at(at: int, line: str, what: str) -> Edit:
    return Edit(f"line {at}: {what}", (*LINES[:at], line, *LINES[at + 1 :]))


# --- dress ---------------------------------------------------------------------------------------------------------------


def _each(change: Callable[[str], str]) -> Callable[[random.Random], tuple[str, ...]]:
    return lambda chance: tuple(change(line) if chance.random() < 0.5 else line for line in LINES)


def _blocks() -> list[list[str]]:
    """The page's paragraphs and lists: what stands between empty lines, a line each for a list."""
    return [
        [line.strip() for line in block.splitlines() if line.strip()]
        for block in re.split(r"\n\s*\n", TEXT)
        if block.strip()
    ]


def _shuffled_blocks(chance: random.Random) -> tuple[str, ...]:
    blocks = _blocks()
    chance.shuffle(blocks)
    return tuple(line for block in blocks for line in block)


def _shuffled_items(chance: random.Random) -> tuple[str, ...]:
    lines: list[str] = []
    for block in _blocks():
        if all(line.startswith("•") for line in block):
            chance.shuffle(block)
        lines += block
    return tuple(lines)


def _shuffled_sentences(chance: random.Random) -> tuple[str, ...]:
    lines: list[str] = []
    for line in LINES:
        parts = list(sentences(line))
        chance.shuffle(parts)
        lines.append(". ".join(parts) + "." if len(parts) > 1 else line)
    return tuple(lines)


def _figures_as_cards(chance: random.Random) -> tuple[str, ...]:
    """The three headline figures, each with its label and line below, in another order."""
    start = LINES.index("Encryption at rest")
    cards = [LINES[start + 3 * one : start + 3 * one + 3] for one in range(3)]
    chance.shuffle(cards)
    return LINES[:start] + tuple(line for card in cards for line in card) + LINES[start + 9 :]


def _figures_as_table(chance: random.Random) -> tuple[str, ...]:
    """Labels in the first row, figures in the second."""
    start = LINES.index("Encryption at rest")
    order = [0, 1, 2]
    chance.shuffle(order)
    rows = tuple(LINES[start + 3 * one + row] for row in range(3) for one in order)
    return LINES[:start] + rows + LINES[start + 9 :]


def _one_line_a_card(chance: random.Random) -> tuple[str, ...]:
    start = LINES.index("Encryption at rest")
    sign = chance.choice([": ", " — ", " | ", ", "])
    cards = tuple(sign.join(LINES[start + 3 * one : start + 3 * one + 3]) for one in range(3))
    return LINES[:start] + cards + LINES[start + 9 :]


def _rows_as_cells(chance: random.Random) -> tuple[str, ...]:
    """`Label: value` in two cells."""
    lines: list[str] = []
    for line in LINES:
        label, colon, value = line.partition(": ")
        lines += [label, value] if colon and chance.random() < 0.7 else [line]
    return tuple(lines)


def _paragraph_of_items(chance: random.Random) -> tuple[str, ...]:
    lines: list[str] = []
    for block in _blocks():
        if all(line.startswith("•") for line in block) and chance.random() < 0.7:
            lines.append("; ".join(line.lstrip("• ") for line in block) + ".")
        else:
            lines += block
    return tuple(lines)


_DRESS: tuple[tuple[str, Callable[[random.Random], tuple[str, ...]]], ...] = (
    ("curly quotes", _each(lambda line: line.replace("'", "’").replace('"', "”"))),
    ("no-break spaces", _each(lambda line: line.replace(" ", "\u00a0"))),
    ("thin spaces and soft hyphens", _each(lambda line: line.replace(" ", "\u2009").replace("tion", "tion\u00ad"))),
    ("dashes", _each(lambda line: line.replace("—", "-").replace("-", "‑"))),
    ("capitals", _each(str.upper)),
    ("no final period", _each(lambda line: line.rstrip("."))),
    ("final period", _each(lambda line: line if line.endswith((".", "?")) else f"{line}.")),
    ("other bullets", _each(lambda line: line.replace("•", "–"))),
    ("no bullets", _each(lambda line: line.lstrip("• "))),
    ("ticks as bullets", _each(lambda line: line.replace("•", "✓"))),
    ("numbered", _each(lambda line: re.sub("^•", "3.", line))),
    ("ampersands", _each(lambda line: line.replace("&", "and"))),
    ("commas", _each(lambda line: line.replace(",", ""))),
    ("semicolons for commas", _each(lambda line: line.replace(",", ";"))),
    ("no brackets", _each(lambda line: line.replace("(", "").replace(")", ""))),
    ("invisible characters", _each(lambda line: "\u200b".join(line.split(" ")).replace("\u200b", " \u200b"))),
    ("hyphen of a cipher", _each(lambda line: line.replace("AES-256", "AES 256"))),
    ("wide letters", _each(lambda line: line.replace("TLS", "ＴＬＳ"))),
    ("double spaces", _each(lambda line: line.replace(" ", "   "))),
    ("sections in another order", _shuffled_blocks),
    ("items in another order", _shuffled_items),
    ("sentences in another order", _shuffled_sentences),
    ("cards in another order", _figures_as_cards),
    ("cards as a table", _figures_as_table),
    ("cards as lines", _one_line_a_card),
    ("lines as cells", _rows_as_cells),
    ("items as a paragraph", _paragraph_of_items),
)


def dress(seed: int) -> Iterator[Edit]:
    """Edits after which the page promises the same."""
    chance = random.Random(seed)
    for what, change in _DRESS:
        yield Edit(what, change(chance))
