"""What kind of sentence one is: a promise, or an intention, a request, an offer, a denial, something for later, and the like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from upheld import documents
from upheld.drafting.patterns import Pattern, compiled, lowered
from upheld.reading import quantities

GRAMMAR = Path(__file__).parent / "grammar.yaml"


class Kind(StrEnum):
    """The kinds of sentences."""

    PROMISE = "promise"
    SCOPE = "scope"
    """A promise that holds within bounds."""
    NEGATION = "negation"
    """Says what is not done. A denial that a check can decide is a promise all the same."""
    INTENTION = "intention"
    FUTURE = "future"
    REQUEST = "request"
    OFFER = "offer"
    HEADING = "heading"
    OTHER = "other"
    FOREIGN = "foreign"
    """In a language that is not read, or too long to be."""


class _Grammar(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    upheld: Literal["grammar/1"]
    question: tuple[str, ...]
    request: tuple[str, ...]
    future: tuple[str, ...]
    intention: tuple[str, ...]
    disclaimer: tuple[str, ...]
    offer: tuple[str, ...]
    harmless: tuple[str, ...]
    scope: tuple[str, ...]
    attitude: tuple[str, ...]
    describes: tuple[str, ...]
    aside: tuple[str, ...]
    protects: tuple[str, ...]
    things: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """The kind of a sentence, whether its publisher can be held to it, and the words that say so."""

    kind: Kind
    promise: bool
    words: str = ""


@cache
def _grammar() -> Mapping[str, tuple[Pattern, ...]]:
    read = documents.validate(documents.load(GRAMMAR), _Grammar).model_dump(exclude={"upheld"})
    return {name: tuple(map(compiled, patterns)) for name, patterns in read.items()}


def words_of(name: str, text: str) -> str:
    """The words of the text that a list of the grammar finds; empty for none."""
    lower = lowered(text)
    return next((text[slice(*found.span())] for one in _grammar()[name] if (found := one.search(lower))), "")


_SPECIAL = {"channel": Told(Kind.REQUEST, True), "denial": Told(Kind.NEGATION, True)}
_NO_PROMISE = (
    ("question", Kind.OTHER),
    ("describes", Kind.OTHER),
    ("request", Kind.REQUEST),
    ("future", Kind.FUTURE),
    ("intention", Kind.INTENTION),
    ("disclaimer", Kind.NEGATION),
    ("offer", Kind.OFFER),
)
"""Lists of the grammar that take a promise from a sentence: the first that matches says what it is instead."""


def tell(text: str, *, heading: bool, matched: bool, special: str = "") -> Told:
    """The kind of a sentence. `matched`: a phrasing of a claim is in it; `special`: that phrasing is a `channel` or a `denial`."""
    if special in _SPECIAL:
        return _SPECIAL[special]
    if heading and not (matched and quantities(text)):
        return Told(Kind.HEADING, False)
    harmless = bool(words_of("harmless", text))
    for name, kind in _NO_PROMISE:
        if not (name == "disclaimer" and harmless) and (words := words_of(name, text)):
            return Told(kind, False, "" if kind is Kind.OTHER else words)
    acts = words_of("protects", text) or (words_of("things", text) and words_of("done", text)) or quantities(text)
    if not matched and (words_of("attitude", text) or not acts):
        return Told(Kind.OTHER, False)
    words = words_of("scope", text)
    return Told(Kind.SCOPE if words else Kind.PROMISE, True, words)
