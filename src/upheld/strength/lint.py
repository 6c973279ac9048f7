"""The rules: each compares what the words of one claim state with one thing that its checks can show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from upheld.model import Basis
from upheld.reading.quantities import Quantity, quantities
from upheld.strength.measures import Span, dimension, shown, span
from upheld.strength.places import named
from upheld.strength.table import Bounded, Country, Covering, Names, Narrowing, Table, Threshold, table

LONGEST = 4_000
"""Characters of a claim's words that are read."""

_NEVER = re.compile(r"(?i)\b(?:never|under no circumstances?|in no case|at no (?:time|point))\b")
_ENFORCED = re.compile(
    r"(?i)\b(?:enforc(?:es?|ed|ing)|mandatory|cannot be (?:bypassed|disabled|turned off|circumvented))\b"
)
_UNIVERSAL = re.compile(r"(?i)\b(?:all|every|each|any|no|never|none|everywhere|always|entire|without exception)\b")
_REFUSED = re.compile(
    r"(?i)\b(?:not|no longer|never|refus\w*|reject\w*|disabl\w*|deprecat\w*|block\w*|dropped)\b|n't\b"
)
_UP_TO = re.compile(r"(?i)\b(?:older than|below|lower than|before|earlier than|less than|prior to|under)\s*$")
_ROUND_THE_CLOCK = re.compile(
    r"(?i)\b(?:(?:24|twenty-four) hours|(?:7|seven) days|365 days),? (?:a|per|each|every) (?:day|week|year)\b"
)
_READ = frozenset({Basis.INSPECTED, Basis.RECORDED})


@dataclass(frozen=True, slots=True, eq=False)
class Decider:
    """One use of a check that decides a claim, its own or that of a claim which decides it.

    `arguments` are all its parameters with what they are set to, `defaults` what the check sets them to by itself, where it does.
    `builtin` says that it is one of upheld's own, of which is known what it measures.
    """

    check: str
    arguments: Mapping[str, Any]
    basis: Basis
    defaults: Mapping[str, Any]
    builtin: bool = True
    claim: str = ""


@dataclass(frozen=True, slots=True)
class Weakness:
    """The words that a claim has, and what its checks show instead; `decider` is None where that is of all of them."""

    words: str
    shows: str
    wanted: str
    decider: Decider | None = None
    parameter: str = ""

    def __str__(self) -> str:
        """Both side by side."""
        return f"“{self.words}” promises more than {self.shows}"


def weaknesses(
    words: str, own: Sequence[Decider], parts: Mapping[str, tuple[str, Sequence[Decider]]]
) -> Iterator[Weakness]:
    """Where the words of a claim promise more than what decides it can show.

    `own` are the claim's own uses of checks that are run, `parts` the words and uses of the claims that decide it, however far down.
    """
    known = table()
    text = words[:LONGEST]
    stated = _stated(text)
    for one in own:
        yield from _parameters(text, stated, one, own, known)
    for part, deciders in parts.values():
        # Where a part states its own number, it is measured by that, and so is its check.
        own_numbers = _stated(part)
        yield from (
            found
            for one in deciders
            for name, how in known.of(one.check).items()
            if isinstance(how, Threshold) and not _candidates(own_numbers, how)
            for found in _threshold(text, stated, one, name, how, vaguely=False)
        )
    everything = [*own, *(one for _, deciders in parts.values() for one in deciders)]
    if everything:
        yield from _unmeasured(stated, everything, known)
        yield from _kinds_of_looking(text, everything, known)


@lru_cache(maxsize=1024)
def _stated(text: str) -> Sequence[Quantity]:
    """The quantities that words state. What is done round the clock, and the time in `100 requests a minute`, state no period."""
    found = quantities(_ROUND_THE_CLOCK.sub(lambda clock: " " * len(clock.group()), text[:LONGEST]))
    ends = [one.end for one in found]
    return [one for one in found if dimension(one.unit) != "time" or not any(0 <= one.start - end <= 5 for end in ends)]


def over_endpoints(words: str, checks: Sequence[str]) -> str:
    """The words by which a claim speaks of all endpoints while a check that looks at endpoints decides it; empty for none."""
    found = re.search(
        r"(?i)\b(?:all|every|each|any)\b(?:\W+\w+){0,4}\W+(?:traffic|endpoints?|connections?|sites?|websites?|domains?|services?|requests?|APIs?)\b",
        words[:LONGEST],
    )
    return found.group() if found and any(one in table().endpoints for one in checks) else ""


# --- one parameter -----------------------------------------------------------------------------------------------------


def _parameters(
    text: str, stated: Sequence[Quantity], one: Decider, own: Sequence[Decider], known: Table
) -> Iterator[Weakness]:
    for name, how in known.of(one.check).items():
        value = one.arguments.get(name)
        if isinstance(how, Threshold):
            yield from _threshold(text, stated, one, name, how, vaguely=True)
        elif isinstance(how, Bounded) and _looser(value, one.defaults.get(name), how):
            wanted = f"{shown(one.defaults[name])} or {'less' if how.bounded == 'lower' else 'more'}, as the check has it by itself"
            yield Weakness(_short(text), f"{one.check} shows with {name}: {shown(value)}", wanted, one, name)
        elif isinstance(how, Covering):
            lost = [item for item in one.defaults.get(name) or () if item not in (value or ())]
            if lost:
                yield Weakness(
                    _short(text),
                    f"{one.check} shows with {name}: {shown(value)}",
                    f"{', '.join(map(repr, lost))} in it too, as the check has it by itself",
                    one,
                    name,
                )
        elif isinstance(how, Names):
            for item, beginnings in how.names.items():
                word = next(filter(None, (_word(text, beginning) for beginning in beginnings)), "")
                if word and item not in (value or ()):
                    yield Weakness(
                        word, f"{one.check} shows with {name}: {shown(value)}", f"{item!r} in it too", one, name
                    )
        elif isinstance(how, Narrowing) and value:
            yield from _narrowed(text, one, name, value, own)
        elif isinstance(how, Country):
            yield from _elsewhere(text, one, name, value)


def _threshold(
    text: str, stated: Sequence[Quantity], one: Decider, name: str, how: Threshold, *, vaguely: bool
) -> Iterator[Weakness]:
    value = one.arguments.get(name)
    measured = span(value, how.measures)
    if measured is None:
        return
    says = f"{one.check} shows with {name}: {shown(value)}"
    found = _nearest(text, _candidates(stated, how), how.about)
    if not found:
        for beginning, limit in how.vague.items() if vaguely else ():
            word = _word(text, beginning)
            if word and _beyond(measured.high, limit, how):
                yield Weakness(
                    word,
                    says,
                    f"{limit:g} {how.measures} or {_way(how)}, or the number itself in the published words",
                    one,
                    name,
                )
                return
        return
    too_weak = [quantity for quantity in found if _weaker(text, quantity, measured, how)]
    # Where the words have several such numbers and nothing tells which is meant, one that is kept is enough.
    if len(too_weak) == len(found):
        quantity = too_weak[0]
        if how.stricter == "lower" and quantity.bound == "least":
            yield Weakness(
                quantity.words, f"{says}, which is about “at most”", "a check that shows “at least”", one, name
            )
        else:
            yield Weakness(quantity.words, says, f"{quantity.words} or {_way(how)}", one, name)


def _candidates(stated: Sequence[Quantity], how: Threshold) -> list[Quantity]:
    """The quantities in the words that are of the parameter's kind."""
    kind = dimension(how.measures)
    found = [
        one
        for one in stated
        if dimension(one.unit) == kind
        and (not how.of or one.of in {"", how.of})
        and (kind != "bits" or how.of or not one.of)
    ]
    if kind != "time":
        return found
    alike = [one for one in found if one.every == how.interval]
    return alike or ([] if not how.interval else found)


def _nearest(text: str, found: list[Quantity], about: Sequence[str]) -> list[Quantity]:
    """Of several quantities those that stand nearest to a word of what the parameter is about; all, where none does."""
    if len(found) < 2 or not about:
        return found
    places = [one.start() for beginning in about for one in re.finditer(rf"(?i)\b{re.escape(beginning)}", text)]
    if not places:
        return found
    distances = [min(abs(place - one.start) for place in places) for one in found]
    return [one for one, distance in zip(found, distances, strict=True) if distance == min(distances)]


def _weaker(text: str, quantity: Quantity, measured: Span, how: Threshold) -> bool:
    words = span(quantity.number, quantity.unit)
    if words is None:
        return False
    if how.stricter == "lower":
        if quantity.bound == "least" and dimension(how.measures) == "time":
            return True
        by_business_days = [unit.startswith("business ") for unit in (quantity.unit, how.measures)]
        if all(by_business_days):
            return measured.low > words.low
        # Two business days may be over after two days, so that three days are longer.
        return measured.high > (words.low if by_business_days[0] else words.high) + how.slack
    if dimension(how.measures) == "TLS" and _is_refused(text, quantity):
        return measured.low <= max(float(one) for one in re.findall(r"\d(?:\.\d)?", quantity.words))
    return measured.low < words.low - how.slack


def _is_refused(text: str, quantity: Quantity) -> bool:
    """Whether the words say of that version itself that it is not accepted."""
    before = text[max(0, quantity.start - 60) : quantity.start].rpartition(". ")[2]
    after = text[quantity.end : quantity.end + 60].partition(". ")[0]
    return (
        bool(_REFUSED.search(before) or _REFUSED.search(after))
        and not _UP_TO.search(before)
        and quantity.bound != "least"
    )


def _beyond(value: float, limit: float, how: Threshold) -> bool:
    return value > span_of(limit, how) if how.stricter == "lower" else value < span_of(limit, how)


def span_of(number: float, how: Threshold) -> float:
    """A number of the table in the measure in which quantities are compared."""
    found = span(number, how.measures)
    assert found is not None  # A number of a known unit has a measure.  # noqa: S101
    return found.high


def _way(how: Threshold) -> str:
    if how.measures == "TLS":
        return "later"
    return "less" if how.stricter == "lower" else "more"


def _looser(value: object, default: object, how: Bounded) -> bool:
    if how.order:
        order = list(how.order)
        return value in order and default in order and order.index(value) < order.index(default)
    if not isinstance(value, int | float) or not isinstance(default, int | float):
        return False
    return value > default if how.bounded == "lower" else value < default


def _narrowed(text: str, one: Decider, name: str, value: Sequence[str], own: Sequence[Decider]) -> Iterator[Weakness]:
    universal = _UNIVERSAL.search(text)
    whole = any(other.check == one.check and not other.arguments.get(name) for other in own)
    spoken_of = all(_spoken_of(text, str(item)) for item in value)
    if universal and not whole and not spoken_of:
        yield Weakness(
            universal.group(),
            f"{one.check} shows with {name}: {shown(value)}",
            f"no {name}, so that all are looked at",
            one,
            name,
        )


def _spoken_of(text: str, item: str) -> bool:
    """Whether the words name an item themselves: each longer word of it stands there, in the singular or the plural."""
    words = [word.rstrip("s") for word in re.findall(r"\w{4,}", item.lower())] or [item.lower()]
    return all(word in text.lower() for word in words)


def _elsewhere(text: str, one: Decider, name: str, value: object) -> Iterator[Weakness]:
    countries = named(text)
    looked_for = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
    strange = [code for code in looked_for if code not in countries.values()]
    if countries and strange:
        yield Weakness(
            ", ".join(countries),
            f"{one.check} shows with {name}: {shown(value)}",
            f"only {', '.join(f'{code} ({words})' for words, code in countries.items())}",
            one,
            name,
        )


# --- all of a claim's checks together ------------------------------------------------------------------------------------


def _unmeasured(stated: Sequence[Quantity], deciders: Sequence[Decider], known: Table) -> Iterator[Weakness]:
    """What the words state and nothing measures: AES-256 with a check of any cipher, a period with a check that knows none."""
    if any(one.basis is Basis.ATTESTED or not one.builtin for one in deciders):
        return
    measured = [how for one in deciders for how in known.of(one.check).values() if isinstance(how, Threshold)]
    without = {dimension(unit) for one in deciders for unit in known.by_itself.get(one.check, ())}
    names = ", ".join(dict.fromkeys(one.check for one in deciders))
    for quantity in stated:
        kind = dimension(quantity.unit)
        if kind in without or (kind == "bits" and quantity.of not in {"", "AES"}):
            continue
        if kind and not any(quantity in _candidates((quantity,), how) for how in measured):
            yield Weakness(quantity.words, f"{names} can show", "a check that measures it")


def _kinds_of_looking(text: str, deciders: Sequence[Decider], known: Table) -> Iterator[Weakness]:
    bases = {one.basis for one in deciders}
    names = ", ".join(dict.fromkeys(one.check for one in deciders))
    if (never := _NEVER.search(text)) and bases <= _READ:
        yield Weakness(
            never.group(),
            f"{names} can show by reading ({', '.join(sorted(basis.value for basis in bases))})",
            "a check that makes it happen and watches (observed)",
        )
    set_only = all(one.check in known.configuration or one.basis is Basis.RECORDED for one in deciders)
    if (enforced := _ENFORCED.search(text)) and set_only:
        yield Weakness(enforced.group(), f"{names} can show by reading how it is set", "a check of what really happens")


def _word(text: str, beginning: str) -> str:
    """The first word of the text that begins so, whole; empty for none."""
    found = re.search(rf"(?i)\b{re.escape(beginning)}[\w-]*", text)
    return found.group() if found else ""


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"
