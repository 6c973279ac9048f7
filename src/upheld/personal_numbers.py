"""Numbers of persons, known by their forms and check digits: cards, identities, accounts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

FREE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"""A pattern for: not in the midst of a word; the letter of an escape as `\\n` is none."""


def _luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _card(value: str) -> bool:
    digits = re.sub(r"[ -]", "", value)
    return len(set(digits)) > 2 and _luhn(digits)


def _identity(value: str) -> bool:
    """Whether it is a South African identity number: date of birth, sequence, citizenship, and a check digit."""
    return 1 <= int(value[2:4]) <= 12 and 1 <= int(value[4:6]) <= 31 and _luhn(value)


def _account(value: str) -> bool:
    """Whether it is an IBAN: 1 modulo 97 with its first four characters behind the others (ISO 13616)."""
    bare = value.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in bare[4:] + bare[:4])) % 97 == 1


_LEFT, _RIGHT = FREE + r"(?<![0-9][.-])", r"(?![A-Za-z0-9])(?![.-][0-9])"
_IDENTIFIER = re.compile(r"(?:(?<![A-Za-z])[iI][dD]|(?<=[a-z])I[dD])[^A-Za-z0-9]{1,10}$")
_UUID = re.compile(r"(?<![A-Za-z0-9])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![A-Za-z0-9])")
_NUMERALS = re.compile(r"[0-9](?:[ -]?[0-9A-Z]){7,}")
_PERSONAL: tuple[tuple[str, re.Pattern[str], Callable[[str], bool] | None], ...] = (
    ("identity-number", re.compile(_LEFT + r"[0-9]{10}[01][0-9]{2}" + _RIGHT), _identity),
    (
        "card-number",
        re.compile(
            _LEFT
            + r"(?:3[47][0-9]{2}(?:[ -]?[0-9]){11}|(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|6[05][0-9]{2})(?:[ -]?[0-9]){12})"
            + _RIGHT
        ),
        _card,
    ),
    ("account-number", re.compile(_LEFT + r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?" + _RIGHT), _account),
    (
        "social-security-number",
        re.compile(_LEFT + r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}" + _RIGHT),
        None,
    ),
)  # fmt: skip


def personal_numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """Where one begins and ends in `text`, and which kind it is."""
    # Only around runs of numerals, for the patterns themselves begin with what every text has everywhere.
    for run in _NUMERALS.finditer(text):
        for label, pattern, proven in _PERSONAL:
            for found in pattern.finditer(text, max(0, run.start() - 2), run.end() + 2):
                if (proven is None or proven(found.group())) and not _identifies(label, text, *found.span()):
                    yield *found.span(), label


def _identifies(label: str, text: str, start: int, end: int) -> bool:
    """Whether a long number has a card's digits by chance: behind a name whose last word is `id` one in fifty has, and some UUIDs have."""
    if label != "card-number":
        return False
    if _IDENTIFIER.search(text[max(0, start - 16) : start]) is not None:
        return True
    around = _UUID.finditer(text, max(0, start - 36), end + 37)
    return any(one.start() <= start and end <= one.end() for one in around)
