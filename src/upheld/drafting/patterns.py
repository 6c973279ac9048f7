"""Patterns of phrasings: words with few signs, compiled to regular expressions that no text can make slow."""

from __future__ import annotations

import re
from collections.abc import Iterator

GAP = 160
"""Characters that `...` stands for at most."""
_MOST_GAPS = 3
_LONGEST = 600
_LOWER = str.maketrans({chr(one): chr(one + 32) for one in range(ord("A"), ord("Z") + 1)})
_SIGN = re.compile(r"\s*\.\.\.\s*|\s+|[()|^$]|(?:[^\s()|^$*.]|\.(?!\.\.))+\*?|\*")


def compiled(pattern: str) -> re.Pattern[str]:
    """The expression for a pattern; raises ValueError for one that is none.

    A pattern is words: spaces stand for spaces and hyphens, `encrypt*` for any ending, `(a|b c)` for either, `...` for
    anything in between, `^` and `$` for the beginning and the end. It is looked for in `lowered` text. Everything else is itself.
    """
    if not pattern.strip() or len(pattern) > _LONGEST or pattern.count("...") > _MOST_GAPS:
        message = f"no pattern: {pattern[:60]!r} (words, at most {_LONGEST} characters and {_MOST_GAPS} gaps)"
        raise ValueError(message)
    try:
        return re.compile("".join(_parts(pattern.strip().lower())))
    except re.error as error:
        raise ValueError(f"no pattern: {pattern[:60]!r} ({error})") from None


def lowered(text: str) -> str:
    """The text as patterns look at it: letters of ASCII in lower case, each character in its place."""
    return text.translate(_LOWER)


def _parts(pattern: str) -> Iterator[str]:
    place = 0
    while place < len(pattern):
        found = _SIGN.match(pattern, place)
        if found is None:
            raise ValueError(f"no pattern: {pattern[:60]!r} (at {pattern[place:][:20]!r})")
        sign, place = found.group(), found.end()
        if sign.strip() == "...":
            yield rf".{{0,{GAP}}}?"
        elif sign.isspace():
            yield r"[\s\-–—/]+"
        elif sign == "(":
            yield "(?:"
        elif sign in {")", "|", "^", "$"}:
            yield sign
        else:
            yield _word(sign)


def _word(sign: str) -> str:
    word = sign.removesuffix("*")
    before = r"(?<!\w)" if word[:1].isalnum() and word != "n't" else ""
    after = r"\w*" if sign.endswith("*") else r"(?!\w)" if word[-1:].isalnum() else ""
    return f"{before}{re.escape(word)}{after}"
