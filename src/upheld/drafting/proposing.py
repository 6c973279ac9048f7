"""From the sentences of a page to claims with checks: which sentences promise something, what decides each, and what is to be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from upheld.catalogue import Catalogue, Check
from upheld.drafting.holding import too_weak
from upheld.drafting.parameters import READERS, Said
from upheld.drafting.patterns import Pattern, lowered
from upheld.drafting.phrases import CheckPhrase, Phrase, Phrases
from upheld.drafting.telling import Kind, Told, tell, words_of
from upheld.reading import ENGLISH, Page, Sentence, language_of, quantifiers
from upheld.reporting.text import unused

Confidence = Literal["high", "medium", "low"]
_LONG_CELL = 12
"""Words from which on a cell of a row is a sentence of its own."""
_FEW_WORDS = 5
_LONGEST = 1_000
"""Characters from which on a sentence is not judged: nobody could say what it promises either."""
_EXAMPLE = "claim"
_CLAIM = "\0claim"
"""Stands for the claim's id until it has one."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A check that decides a claim: what the page states for it, what is to be asked, and what may be anything."""

    check: str
    given: Mapping[str, Any]
    asks: tuple[tuple[str, str], ...] = ()
    """Parameters that the page does not state, each with the question."""
    any_value: tuple[str, ...] = ()
    """Parameters that the page does not state and of which every value keeps its words; they are given the weakest."""
    needs: tuple[str, ...] = ()
    """Parts of a target that it looks at."""


@dataclass(slots=True)
class Drafted:
    """A claim as it is proposed, or a sentence that promises nothing.

    `checks` are to be written (those that ask for something as a comment); `held` are those that must wait, as they show less than the
    words promise until what is asked is answered.
    """

    statement: str
    sentences: tuple[Sentence, ...]
    told: Told
    checks: tuple[Proposal, ...] = ()
    held: tuple[Proposal, ...] = ()
    matched: tuple[str, ...] = ()
    """The names of the phrasings that were found."""
    because: str = ""
    note: str = ""
    confidence: Confidence = "low"
    quantifiers: tuple[str, ...] = ()
    id: str = ""
    language: str = ENGLISH

    @property
    def covered(self) -> bool:
        """Whether checks decide it as it is written."""
        return any(not one.asks for one in self.checks)

    @property
    def promise(self) -> bool:
        """Whether its publisher can be held to it."""
        return self.told.promise


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is judged as one: a sentence, or the cells of a row."""

    text: str
    sentences: tuple[Sentence, ...]
    context: str
    heading: bool = False


@dataclass(slots=True)
class _Match:
    phrase: Phrase
    words: str
    own: bool = True
    proposals: list[tuple[CheckPhrase, Proposal]] = field(default_factory=list)


def draft(page: Page, catalogue: Catalogue, phrases: Phrases) -> tuple[Drafted, ...]:
    """Every sentence of the page, in its order: as a claim with what decides it, or as promising nothing."""
    taken: set[str] = set()
    made = [_drafted(unit, page, catalogue, phrases) for unit in _units(page.sentences)]
    for one in made:
        if one.promise:
            words = re.findall(r"[a-z0-9]+", one.statement.lower())[:6]
            one.id = unused("-".join(words)[:60].strip("-") or "claim", taken)
            one.checks = tuple(_named(proposal, one.id) for proposal in one.checks)
            one.held = tuple(_named(proposal, one.id) for proposal in one.held)
    return tuple(made)


def _named(one: Proposal, name: str) -> Proposal:
    given = {key: name if value == _CLAIM else value for key, value in one.given.items()}
    return Proposal(one.check, given, one.asks, one.any_value, one.needs)


def _units(sentences: Sequence[Sentence]) -> Iterator[_Unit]:
    joined: set[str] = set()
    by_text = {one.text: one for one in sentences}
    for one in sentences:
        if one.text in joined:
            continue
        above = " / ".join(one.above)
        cells = one.row
        if len(cells) > 1 and all(len(cell.split()) <= _LONG_CELL for cell in cells) and not one.heading:
            others = tuple(by_text[cell] for cell in dict.fromkeys(cells) if cell in by_text and cell not in joined)
            joined.update(cells)
            yield _Unit(f"{cells[0].rstrip(':')}: {' — '.join(cells[1:])}", others, above)
        else:
            heads = f"{above} / {cells[0]}" if len(cells) > 1 and cells[0] != one.text else above
            yield _Unit(one.text, (one,), heads, one.heading)


def _drafted(unit: _Unit, page: Page, catalogue: Catalogue, phrases: Phrases) -> Drafted:
    if len(unit.text) > _LONGEST:
        told = Told(Kind.FOREIGN, True)
        return Drafted(
            unit.text, unit.sentences, told, note=f"it has more than {_LONGEST:,} characters, and is not judged: cut it"
        )
    language = language_of(unit.text) or page.language or ENGLISH
    # In a page in English a few words that look foreign are names; a whole sentence is not.
    few = page.language in {ENGLISH, ""} and len(unit.text.split()) <= _FEW_WORDS
    if language != ENGLISH and not few:
        kind = Told(Kind.HEADING, False) if unit.heading else Told(Kind.FOREIGN, True)
        return Drafted(unit.text, unit.sentences, kind, language=language)
    block = unit.sentences[0].block
    if unit.sentences[0].above and words_of("aside", unit.sentences[0].above[-1]):
        return Drafted(unit.text, unit.sentences, Told(Kind.HEADING if unit.heading else Kind.OTHER, False))
    text = unit.text
    if block == "field":
        key, _, value = text.partition(": ")
        if key == "comment":
            text = value
        elif value not in {"true", "false"}:
            return Drafted(unit.text, unit.sentences, Told(Kind.OTHER, False))
    said = Said(text, unit.context, _CLAIM)
    matches = list(_matches(said, phrases))
    special = next((one.phrase.entry.promise for one in matches if one.phrase.entry.promise != "yes"), "")
    if special == "channel" and unit.heading and not text.lower().startswith("report "):
        special, matches = "", []
    told = tell(text, heading=unit.heading, matched=bool(matches), special=special)
    made = Drafted(unit.text, unit.sentences, told, quantifiers=quantifiers(text))
    if told.promise:
        _decide(made, said, matches, catalogue, phrases)
    return made


def _matches(said: Said, phrases: Phrases) -> Iterator[_Match]:
    for phrase in phrases.phrases:
        entry = phrase.entry
        found = _found(phrase.any, said.text)
        own = bool(found)
        if not found and entry.context and entry.states and READERS[entry.states].read(said) is not None:
            found = _found(phrase.any, said.context)
        if not found or _found(phrase.none, said.text):
            continue
        if phrase.needs and not _found(phrase.needs, said.text):
            continue
        if entry.states and READERS[entry.states].read(said) is None:
            continue
        if entry.lacks and READERS[entry.lacks].read(said) is not None:
            continue
        yield _Match(phrase, found, own)


def _found(patterns: Iterable[Pattern], text: str) -> str:
    lower = lowered(text)
    return next((text[slice(*found.span())] for one in patterns if (found := one.search(lower))), "")


def _decide(made: Drafted, said: Said, matches: list[_Match], catalogue: Catalogue, phrases: Phrases) -> None:
    """Propose checks for a claim, or say why there are none."""
    made.matched = tuple(one.phrase.entry.id for one in matches)
    undecided = [one for one in matches if not one.phrase.entry.checks]
    proposals: dict[str, Proposal] = {}
    essential: set[str] = set()
    for match in matches:
        for use, when in zip(match.phrase.entry.checks, match.phrase.when, strict=True):
            if when and not _found(when, said.text):
                continue
            proposal = _proposal(catalogue[use.check], use, said, phrases)
            before = proposals.get(use.check)
            if before is None or len(proposal.asks) < len(before.asks):
                proposals[use.check] = proposal
            if use.essential:
                essential.add(use.check)
    asking = tuple(one for one in proposals.values() if one.asks)
    complete = [_named(one, _EXAMPLE) for one in proposals.values() if not one.asks]
    words = " ".join(dict.fromkeys([made.statement, *(one.text for one in made.sentences)]))
    refused, why = too_weak(words, complete, catalogue)
    ready = tuple(one for name, one in proposals.items() if not one.asks and name not in refused)
    weak = tuple(one for name, one in proposals.items() if name in refused)
    stuck = any(one.check in essential for one in (*asking, *weak))
    held = bool(undecided) or stuck or not ready
    made.checks, made.held = ((), (*ready, *weak, *asking)) if held else ((*ready, *asking), weak)
    made.because = "; ".join(f"“{one.words.strip()}”: {one.phrase.entry.means}" for one in matches)
    made.note = "; ".join((*_notes(made, asking, undecided), *(f"{one} (expected {one.wanted})" for one in why)))
    bounded = made.told.kind is Kind.SCOPE or any(not one.own for one in matches)
    asked = bool(made.held) or any(one.any_value or one.asks for one in made.checks)
    made.confidence = "low" if not made.covered else "medium" if bounded or asked or len(matches) > 2 else "high"


def _notes(made: Drafted, asking: Sequence[Proposal], undecided: Sequence[_Match]) -> Iterator[str]:
    if undecided:
        yield from (one.phrase.entry.uncovered for one in undecided)
        if made.held:
            yield "what else the sentence promises could be decided: see the checks that are held back"
    if asking:
        questions: dict[str, list[str]] = {}
        for one in asking:
            for name, question in one.asks:
                questions.setdefault(question, []).append(f"{one.check}: {name}")
        said = "; ".join(f"{question} ({', '.join(where)})" for question, where in questions.items())
        yield f"the page does not say {said}"
    if not made.checks and not made.held and not undecided:
        yield "no check of the catalogue fits its words: name one, write one of your own, or list it under no_promise"
    if made.told.kind is Kind.SCOPE:
        yield f"holds within bounds only (“{made.told.words.strip()}”): describe a target where it does"


def _proposal(check: Check, use: CheckPhrase, said: Said, phrases: Phrases) -> Proposal:
    given: dict[str, Any] = {}
    asks: list[tuple[str, str]] = []
    any_value: list[str] = []
    measures = phrases.measures.get(check.id, frozenset())
    for name, model in check.parameters.model_fields.items():
        reader = READERS[use.parameters[name]] if name in use.parameters else None
        value = reader.read(said) if reader else None
        if value is not None and _fits(check, name, value):
            given[name] = value
        elif value is not None:
            asks.append((name, f"a {name} that the check takes: it states {value}"))
        elif name in use.weakest:
            given[name] = use.weakest[name]
            any_value.append(name)
        elif name not in measures or model.is_required():
            asks.append((name, reader.asks if reader else f"which {name.replace('_', ' ')}"))
    needs = tuple(dict.fromkeys(part for probe in check.probes.values() for part in probe.needs))
    return Proposal(check.id, given, tuple(asks), tuple(any_value), needs)


def _fits(check: Check, name: str, value: object) -> bool:
    """Whether the check takes that value for that parameter, whatever the others are."""
    try:
        check.arguments({name: value})
    except ValidationError as error:
        return not any(name in one["loc"] for one in error.errors())
    return True
