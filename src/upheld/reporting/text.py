r"""The one place where text from a target is made harmless to show, in a terminal as in a page.

What a target sends may hold terminal escapes, bidirectional controls that reorder a line, invisible characters, NUL and
halves of surrogate pairs. They are shown as what they are (`\x1b`, `\u202e`), not dropped, because a finding must not
lose what it found. Markup is not this function's business: rich gets `Text` objects, the page is escaped by its template.
"""

from __future__ import annotations

import re

# Line ends and tabs of every kind end as one space: a value must not be able to start a line of its own.
_BREAK = re.compile("\r\n|[\t\n\v\f\r\x85\u2028\u2029]")

# Controls (C0, C1, DEL), bidirectional controls, other invisible format characters, fillers that draw nothing, tags,
# surrogates, noncharacters. The joiners U+200C and U+200D stay: Persian and emoji need them, and they move nothing.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def safe(text: object, limit: int = 0) -> str:
    """`text` on one line, with every control, invisible and reordering character spelled out; cut after `limit` characters.

    A `limit` of 0 means no limit. The result can always be encoded as UTF-8.
    """
    line = str(text)
    if not (line.isascii() and line.isprintable()):
        line = _HARMFUL.sub(_spelled, _BREAK.sub(" ", line))
    return f"{line[:limit]}… [{len(line)} characters in all]" if 0 < limit < len(line) else line


def safe_lines(text: str) -> str:
    """`text` with each of its lines made safe; the result has no other line ends than line feeds."""
    return "\n".join(safe(line) for line in text.splitlines())


def unused(name: str, taken: set[str]) -> str:
    """`name`, or with the first number from 2 on that makes it one which is not `taken` yet; it is taken from then on."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
