"""Numbers with what they count, and the words that say how far a sentence reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Bound = Literal["exact", "least", "most"]

_SMALL = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
    )
}
_TENS = {
    word: number * 10
    for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)  # noqa: SIM905
}
_WORD_NUMBER = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(list(_SMALL)[1:10])}))?|{'|'.join(_SMALL)}|half(?:[ -]an?)?|an?)"
)
_NUMBER = rf"(?P<number>\d{{1,3}}(?:,\d{{3}})+|\d+(?:\.\d+)?|(?i:{_WORD_NUMBER}))(?:\s*\(\d+\))?"
_UNITS = {
    "second": "seconds", "sec": "seconds", "s": "seconds",
    "minute": "minutes", "min": "minutes",
    "hour": "hours", "hr": "hours", "h": "hours",
    "day": "days", "week": "weeks", "month": "months", "quarter": "quarters", "year": "years", "yr": "years",
}  # fmt: skip
_TIMES = "seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?"
_ORDINAL = re.compile(
    r"\s+(?!(?:after|before|or|and|of|later|per|at|between|without|in|on|for|from|to)\b)[a-z]", re.IGNORECASE
)
"""What comes after `a second` that is no time: a second person."""
_UNIT = r"(?P<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?|h|days?|weeks?|months?|quarters?|years?|yrs?)"
_TIME = re.compile(
    rf"(?<![\w.-]){_NUMBER}(?:\s*-\s*|\s+|(?=h\b))(?P<kind>business|working|calendar|consecutive)?[\s-]*{_UNIT}\b",
    re.IGNORECASE,
)
_NEXT_DAY = re.compile(r"\b(?:on|by|within|until) the next (?P<kind>business |working )?day\b", re.IGNORECASE)
_TLS = re.compile(
    r"\b(?P<what>TLS|SSL)(?:\s+protocol)?(?:\s+version)?\s*v?(?P<number>[1-3](?:\.\d)?)\b(?P<later>\+|\s*(?:,\s*)?\(?(?:or|and|&) "
    r"(?:later|higher|newer|above|greater|better|up)\b)?",
    re.IGNORECASE,
)
_LIST_OF_TLS = re.compile(
    r"\bTLS\s*v?(?P<low>1\.[0-3])\s*(?:,|/|and|or|&|or TLS|and TLS)\s*(?:TLS\s*)?v?(?P<high>1\.[0-3])\b", re.IGNORECASE
)
_KEY = re.compile(
    r"\b(?:(?P<cipher>AES|RSA|ECDSA|SHA)[-\s]?(?P<a>\d{3,4})\b|(?P<b>\d{3,4})[-\s]?bits?\b)(?:\s*(?P<cipher2>AES|RSA|ECC)\b)?",
    re.IGNORECASE,
)
_HALVES: dict[str, tuple[float, str]] = {
    "hours": (30, "minutes"),
    "days": (12, "hours"),
    "months": (15, "days"),
    "years": (6, "months"),
}
_COUNT = re.compile(
    rf"(?<![\w.-]){_NUMBER}\s+(?P<adjective>(?:(?!(?:{_TIMES})\b)[a-z-]+\s+){{0,2}})(?P<what>approv(?:als?|ers?|ing reviews?)|reviewers?|reviews?|engineers?|developers?|attempts?|requests?|tries|logins?|copies|replicas?"
    r"|regions?|zones?|employees|people|characters)\b",
    re.IGNORECASE,
)
_RATE = re.compile(rf"(?<![\w.-]){_NUMBER}\s+(?:per|an?|each|every)\s+(?P<per>second|minute|hour)\b", re.IGNORECASE)
_EVERY = {
    "hourly": (1, "hours"), "daily": (1, "days"), "nightly": (1, "days"), "weekly": (1, "weeks"), "monthly": (1, "months"),
    "quarterly": (1, "quarters"), "annual": (1, "years"), "annually": (1, "years"), "yearly": (1, "years"), "biannual": (6, "months"),
    "biannually": (6, "months"), "semi-annually": (6, "months"), "half-yearly": (6, "months"), "fortnightly": (2, "weeks"),
}  # fmt: skip
_INTERVAL = re.compile(
    rf"\b(?:(?P<adverb>{'|'.join(sorted(_EVERY, key=len, reverse=True))})\b|(?:every|each|once (?:a|an|per|every)|per|a)\s+"
    rf"(?P<unit>hour|day|night|week|month|quarter|year)\b|(?P<times>twice|two times)\s+(?:a|per|each|every)\s+(?P<unit2>day|week|month|year)\b)",
    re.IGNORECASE,
)
_EVERY_TIME = re.compile(r"\b(?:every|each)\s+(?:other\s+)?$", re.IGNORECASE)
_MOST = re.compile(
    r"\b(?:within|in under|under|less than|fewer than|no (?:later|longer|more) than|not? (?:later|longer|more) than|at most|up to|max(?:imum)?(?: of)?|after at most|in)\s+(?:the\s+)?(?:first\s+)?$",
    re.IGNORECASE,
)
_LEAST = re.compile(
    r"\b(?:at least|(?:a )?minimum(?: of| version)?:?|at a minimum,?|no (?:less|fewer) than|more than|over|not below|from)\s*(?:version\s*)?$",
    re.IGNORECASE,
)
_OR_LESS = re.compile(r"^\s*(?:or|and) (?:less|fewer|sooner|earlier)\b|^\s*(?:at most|maximum|max)\b", re.IGNORECASE)
_OR_MORE = re.compile(
    r"^\s*\+|^\s*(?:or|and) (?:more|longer|greater|above|higher)\b|^\s*(?:at least|minimum)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what it counts, as a sentence states it.

    `unit` is `seconds`, `minutes`, `hours`, `days`, `business days`, `weeks`, `months`, `quarters`, `years`, `TLS`, `SSL`,
    `bits`, `per minute` and the like, or the noun that is counted, in the plural. `every` says that it is an interval at which something is done.
    `start` and `end` are places in the text; `words` is what stands there.
    """

    number: float
    unit: str
    bound: Bound
    words: str
    start: int
    end: int
    every: bool = False
    of: str = ""
    """The cipher that a number of bits is of, in capitals, where one is named."""


def quantities(text: str) -> tuple[Quantity, ...]:
    """The quantities that a sentence states, in its order. A number that counts nothing known is none."""
    found = [*_versions(text), *_keys(text), *_times(text), *_counts(text), *_rates(text)]
    taken = [(one.start, one.end) for one in found]
    found += [one for one in _intervals(text) if not any(one.start < end and start < one.end for start, end in taken)]
    return tuple(sorted(found, key=lambda one: (one.start, one.end)))


def _bound(text: str, start: int, end: int) -> Bound:
    if _MOST.search(text[max(0, start - 40) : start]) or _OR_LESS.match(text[end:]):
        return "most"
    return "least" if _LEAST.search(text[max(0, start - 40) : start]) or _OR_MORE.match(text[end:]) else "exact"


def _number(words: str) -> float:
    plain = words.lower().replace(",", "")
    if plain in {"a", "an"}:
        return 1
    if plain.startswith("half"):
        return 0.5
    if plain[0].isdigit():
        return float(plain)
    return float(sum(_TENS.get(part, _SMALL.get(part, 0)) for part in re.split(r"[- ]", plain)))


def _versions(text: str) -> Iterator[Quantity]:
    pairs = {found.start(): (found["low"], found["high"]) for found in _LIST_OF_TLS.finditer(text)}
    ends = {found.start(): found.end() for found in _LIST_OF_TLS.finditer(text)}
    last = -1
    for found in _TLS.finditer(text):
        if found.start() < last:
            continue
        start, end = found.span()
        number, bound = float(found["number"]), _bound(text, start, end)
        if start in pairs:
            low, high = (float(one) for one in pairs[start])
            number, end, bound = min(low, high), ends[start], "least" if max(low, high) >= 1.3 else bound
            last = end
            if max(low, high) < 1.3:
                yield Quantity(max(low, high), found["what"].upper(), bound, text[start:end], start, end)
        if found["later"]:
            bound = "least"
        yield Quantity(number, found["what"].upper(), bound, text[start:end], start, end)


def _keys(text: str) -> Iterator[Quantity]:
    for found in _KEY.finditer(text):
        cipher = (found["cipher"] or found["cipher2"] or "").upper()
        if cipher == "SHA":
            continue
        if not cipher:
            near = re.findall(r"\b(AES|RSA)\b", text[max(0, found.start() - 20) : found.end() + 20], re.IGNORECASE)
            cipher = near[0].upper() if near else ""
        start, end = found.span()
        yield Quantity(
            float(found["a"] or found["b"]), "bits", _bound(text, start, end), found.group(), start, end, of=cipher
        )


def _times(text: str) -> Iterator[Quantity]:
    for found in _NEXT_DAY.finditer(text):
        yield Quantity(1, "business days" if found["kind"] else "days", "most", found.group(), *found.span())
    for found in _TIME.finditer(text):
        unit = _UNITS[found["unit"].lower().removesuffix("s") or "s"]
        if (found["kind"] or "").lower() in {"business", "working"}:
            unit = f"business {unit}"
        start, end = found.span()
        every = bool(_EVERY_TIME.search(text[:start]))
        if found.group().lower() == "a second" and _ORDINAL.match(text[end:]):
            continue
        if found["number"].lower().startswith("half"):
            number, unit = _HALVES.get(unit, (0.5, unit))
            yield Quantity(number, unit, _bound(text, start, end), found.group(), start, end, every=every)
            continue
        if found["number"].lower() in {"a", "an"} and re.search(
            r"\b(?:once|twice|times)\s+$", text[:start], re.IGNORECASE
        ):
            continue
        yield Quantity(_number(found["number"]), unit, _bound(text, start, end), found.group(), start, end, every=every)


def _counts(text: str) -> Iterator[Quantity]:
    for found in _COUNT.finditer(text):
        if found["number"].lower() in {"a", "an"}:
            continue
        start, end = found.span()
        noun = found["what"].lower()
        yield Quantity(
            _number(found["number"]),
            noun if noun.endswith("s") else f"{noun}s",
            _bound(text, start, end),
            found.group(),
            start,
            end,
        )


def _rates(text: str) -> Iterator[Quantity]:
    for found in _RATE.finditer(text):
        if found["number"].lower() not in {"a", "an"} and not found["number"].lower().startswith("half"):
            start, end = found.span()
            unit = f"per {found['per'].lower()}"
            yield Quantity(_number(found["number"]), unit, _bound(text, start, end), found.group(), start, end)


def _intervals(text: str) -> Iterator[Quantity]:
    number: float
    for found in _INTERVAL.finditer(text):
        if found["adverb"]:
            number, unit = _EVERY[found["adverb"].lower()]
        elif found["times"]:
            number, unit = _half(found["unit2"].lower())
        else:
            named = found["unit"].lower()
            if found.group().lower().startswith(("per ", "a ")):
                continue  # `100 requests per minute` is a rate, `a day` belongs to what stands before it.
            number, unit = 1, "days" if named == "night" else f"{named}s"
        yield Quantity(float(number), unit, "exact", found.group(), *found.span(), every=True)


def _half(unit: str) -> tuple[float, str]:
    return {"day": (12, "hours"), "week": (3.5, "days"), "month": (15, "days"), "year": (6, "months")}[unit]


_QUANTIFIERS = re.compile(
    r"\b(?:all|every|each|any|no|none|never|always|only|entire(?:ly)?|everywhere|anywhere|throughout|without exception|most|some|selected|"
    r"where (?:applicable|available|possible|appropriate|supported|feasible|required)|when(?:ever)? possible|as (?:applicable|appropriate|needed)|"
    r"by default|regularly|periodically|promptly|typically|generally|usually|in general|reasonabl[ey]|from time to time)\b",
    re.IGNORECASE,
)


def quantifiers(text: str) -> tuple[str, ...]:
    """The words of a sentence that say how far it reaches (`all`, `never`, `where applicable`), in lower case and its order."""
    return tuple(found.group().lower() for found in _QUANTIFIERS.finditer(text))
