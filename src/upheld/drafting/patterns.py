"""Patterns of phrasings: words with few signs, looked for by regular expressions that no text can make slow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, cached_property, lru_cache

GAP = 160
"""Characters that `...` stands for at most."""
_MOST_GAPS = 3
_LONGEST = 600
_LOWER = str.maketrans({chr(one): chr(one + 32) for one in range(ord("A"), ord("Z") + 1)})
_SIGN = re.compile(r"\s*\.\.\.\s*|\s+|[()|^$]|\*?(?:[^\s()|^$*.]|\.(?!\.\.))+\*?|\*")


class Pattern:
    """A pattern: its expression is made when a text first has the words without which it finds nothing."""

    def __init__(self, source: str) -> None:
        self.source = source
        signs = list(_signs(source))
        self._words = _needed(signs)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile("".join(_expression(_signs(self.source))))

    def search(self, lower: str) -> re.Match[str] | None:
        """Where it is found in `lowered` text; None for nowhere."""
        if all(any(word in lower for word in part) for part in self._words):
            return self._expression.search(lower)
        return None


@cache
def compiled(pattern: str) -> Pattern:
    """The pattern in that text; raises ValueError where it is none.

    A pattern is words: spaces stand for spaces and hyphens, `encrypt*` for any ending and `*ed` for any beginning, `(a|b c)` for either, `...` for
    anything in between, `^` and `$` for the beginning and the end. It is looked for in `lowered` text. Everything else is itself.
    """
    if not pattern.strip() or len(pattern) > _LONGEST or pattern.count("...") > _MOST_GAPS:
        message = f"no pattern: {pattern[:60]!r} (words, at most {_LONGEST} characters and {_MOST_GAPS} gaps)"
        raise ValueError(message)
    depth = 0
    for sign in _signs(pattern):
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            break
    if depth:
        raise ValueError(f"no pattern: {pattern[:60]!r} (every bracket needs its other half)")
    return Pattern(pattern)


@lru_cache(maxsize=16)
def lowered(text: str) -> str:
    """The text as patterns look at it: letters of ASCII in lower case, each character in its place."""
    return text.translate(_LOWER)


def _signs(pattern: str) -> Iterator[str]:
    text = pattern.strip().lower()
    place = 0
    while place < len(text):
        found = _SIGN.match(text, place)
        if found is None:
            raise ValueError(f"no pattern: {pattern[:60]!r} (at {text[place:][:20]!r})")
        yield found.group()
        place = found.end()


def _expression(signs: Iterator[str]) -> Iterator[str]:
    for sign in signs:
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
    word = sign.removesuffix("*").removeprefix("*")
    before = r"\w*" if sign.startswith("*") else r"(?<!\w)" if word[:1].isalnum() and word != "n't" else ""
    after = r"\w*" if sign.endswith("*") else r"(?!\w)" if word[-1:].isalnum() else ""
    return f"{before}{re.escape(word)}{after}"


def _needed(signs: list[str]) -> tuple[tuple[str, ...], ...]:
    """Words of which a text must have one, for each part of a pattern: a word is its own part, a bracket the first word of each way."""
    parts: list[tuple[str, ...]] = []
    depth, ways = 0, [""]
    for sign in signs:
        word = sign.removesuffix("*").removeprefix("*")
        if sign == "|" and depth == 0:
            return ()
        if sign == "(":
            depth += 1
            ways = [""] if depth == 1 else ways
        elif sign == ")":
            depth -= 1
            if depth == 0 and all(ways):
                parts.append(tuple(ways))
        elif sign == "|" and depth == 1:
            ways.append("")
        elif sign in {"^", "$", "|"} or not word.strip() or word.strip() == "...":
            continue
        elif depth == 0:
            parts.append((word,))
        elif depth == 1 and not ways[-1]:
            ways[-1] = word
    return tuple(parts)
