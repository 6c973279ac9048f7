"""Which published claim a question is about, by its words: the same every time, with a confidence, and none below a threshold."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from upheld.probes.wording import key

THRESHOLD = 0.5
"""The confidence from which on a claim is taken to answer a question."""
NEAR = 0.05
"""What is this near to the best is an answer too."""
MOST = 3
"""Claims that one question is answered from."""
LONGEST = 2_000
"""Characters of a question that are read."""

_ALIKE: tuple[tuple[str, str], ...] = (
    (r"\b(?:two|multi|2|second)[- ]?(?:factor|step)(?: (?:authentication|verification))?\b|\b2fa\b", "mfa"),
    (r"\bat[- ]rest\b|\bstored data\b", "atrest"),
    (r"\bin[- ](?:transit|motion|flight)\b", "intransit"),
    (r"\brole[- ]based(?: access(?: controls?)?)?\b", "rbac"),
    (r"\bpen(?:etration)?[- ]?test\w*", "pentest"),
    (r"\bsub[- ]?(?:processor|contractor)s?\b", "subprocessor"),
    (r"\b(?:retain\w*|retention|kept|keep)\b", "retain"),
    (r"\b(?:erase\w*|erasure|purge\w*|destroy\w*|destruction|remov\w+)\b", "delete"),
    (r"\bleast[- ]privileges?\b|\bneed[- ]to[- ]know\b", "leastprivilege"),
    (r"\b(?:cross|multi)[- ]tenan\w+|\btenan\w+|\bsegregat\w*|\bseparat\w+", "isolate tenant"),
    (r"\b(?:located|location|residency|hosted|hosting|data ?cent(?:er|re)s?)\b", "host"),
    (r"\b(?:bug )?bount(?:y|ies)\b", "bounty"),
    (r"\b(?:notif\w+|informed|inform)\b", "notify"),
    (r"\b(?:breach(?:es)?|incidents?)\b", "incident"),
    (r"\bback(?:ed)?[- ]?ups?\b", "backup"),
    (r"\b(?:patch\w*|security updates?)\b", "patch"),
    (r"\b(?:throttl\w+|rate[- ]limit\w*)\b", "ratelimit"),
    (r"\bcode reviews?\b|\bpeer reviews?\b", "review code"),
    (r"\bvulnerabilit\w+\b", "vulnerability"),
    (r"\bsell\b|\bsold\b|\bselling\b", "sell"),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), f" {instead} ") for pattern, instead in _ALIKE)
_EMPTY = frozenset(
    """a about all an and any are as at be been by can company describe do does done each ever every following for from has have how
    i if in into is it its kind like list many may must of on one only or organisation organization our out over please policy process
    provide really s should so some such t than that the their them there these they this to under up upon us use used using vendor
    was we what when where whether which who will with within would yes no not you your yours customer client ensure place""".split()  # noqa: SIM905
)
_ENDINGS = (
    "ations",
    "ation",
    "ments",
    "ment",
    "ions",
    "ion",
    "ings",
    "ing",
    "ised",
    "ized",
    "ers",
    "ies",
    "ed",
    "es",
    "er",
    "ly",
    "al",
    "s",
    "e",
    "y",
)


@dataclass(frozen=True, slots=True)
class Match:
    """A claim that answers a question, by its number, and how much of the question's words speak for it (0 to 1)."""

    claim: int
    confidence: float


class Matcher:
    """Finds the claims that questions are about."""

    def __init__(self, claims: Sequence[str]) -> None:
        """`claims` are the words of each claim: its sentence and its section."""
        self._terms = [terms(one) for one in claims]
        counts = Counter(term for one in self._terms for term in one)
        self._weights = {term: math.log(1 + len(claims) / count) for term, count in counts.items()}
        # What no claim speaks of weighs as much as what one of them does: it tells that the question is about something else.
        self._unknown = math.log(1 + len(claims)) if claims else 1.0

    def matches(self, question: str, threshold: float = THRESHOLD) -> tuple[Match, ...]:
        """The claims that answer the question, the best first; none where no confidence reaches the threshold."""
        asked = terms(question[:LONGEST])
        if not asked:
            return ()
        scored = [Match(number, self._confidence(asked, one)) for number, one in enumerate(self._terms)]
        good = sorted(
            (one for one in scored if one.confidence >= threshold), key=lambda one: (-one.confidence, one.claim)
        )
        return tuple(one for one in good[:MOST] if one.confidence >= good[0].confidence - NEAR)

    def _confidence(self, asked: frozenset[str], claim: frozenset[str]) -> float:
        common = self._weight(asked & claim)
        if not common:
            return 0.0
        return round(0.8 * common / self._weight(asked) + 0.2 * common / self._weight(claim), 3)

    def _weight(self, of: frozenset[str]) -> float:
        # Added up in one order, so that the last digit is the same every time.
        return math.fsum(self._weights.get(term, self._unknown) for term in sorted(of))


def terms(text: str) -> frozenset[str]:
    """The stems of the words that say what a text is about."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return frozenset(_stem(word) for word in key(text) if word not in _EMPTY and any(one.isalnum() for one in word))


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] else word
