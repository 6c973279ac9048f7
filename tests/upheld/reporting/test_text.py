"""Text from a target is harmless wherever it is shown, and none of it is lost."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upheld.reporting.text import safe, safe_lines


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain words", "plain words"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\x00b", r"a\x00b"),
        ("one\r\ntwo\nthree\u2028four", "one two three four"),
        ("\u202edlehpu", r"\u202edlehpu"),
        ("up\u200bheld", r"up\u200bheld"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("Zürich – 東京 ✓ 👩‍💻 می‌خواهم", "Zürich – 東京 ✓ 👩‍💻 می‌خواهم"),
    ],
)
def test_controls_are_spelled_out_and_words_stay(given: str, shown: str) -> None:
    assert safe(given) == shown


def test_no_control_surrogate_separator_or_bidirectional_control_remains() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        dangerous = unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(
            character
        ) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        if dangerous or character in "\u200e\u200f\u061c\ufeff\u2060\u200b":
            assert character not in safe(f"a{character}b"), hex(code)


@given(st.text(alphabet=st.characters(), max_size=60))
def test_the_result_is_one_line_that_can_be_encoded_and_stays_as_it_is(text: str) -> None:
    shown = safe(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert safe(shown) == shown


def test_what_is_cut_says_how_long_it_was() -> None:
    assert safe("x" * 500, 10) == "x" * 10 + "… [500 characters in all]"
    assert safe("x" * 10, 10) == "x" * 10


def test_lines_stay_lines_where_they_are_meant() -> None:
    assert safe_lines("a\r\nb\x1b\n\u202ec") == "a\nb\\x1b\n\\u202ec"
