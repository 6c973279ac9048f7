"""Secrets are taken out, canaries are put in, and nothing else is touched."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upheld.redaction import Redactor

SECRET = "s3cr3t/Väl+ue=="


@pytest.fixture
def redactor():
    redactor = Redactor(b"k" * 32)
    redactor.add(SECRET, "alice.password")
    return redactor


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        SECRET.upper(),
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"user:" + SECRET.encode() + b"!").decode(),
        base64.urlsafe_b64encode(b"xy" + SECRET.encode()).decode(),
    ],
)
def test_a_known_secret_is_found_in_every_spelling(redactor, spelled):
    cleaned = redactor.text(f"before {spelled} after")
    assert "[redacted:alice.password]" in cleaned
    assert spelled not in cleaned


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghi rest", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghi"),
        ("EAAGabcdefghijklmnopqrstuvwxyz", "EAAGabcdefghijklmnopqrstuvwxyz"),
        ("postgresql://app:pa55word@db/rivet", "pa55word"),
        ('{"password": "letmein99"}', "letmein99"),
        ("password=letmein99&x=1", "letmein99"),
        ("AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "MIIE"),
        ("Set-Cookie: session=0123456789abcdef; Secure", "0123456789abcdef"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(redactor, text, secret):
    assert secret not in redactor.text(text)


@pytest.mark.parametrize(
    "text",
    [
        "password=****",
        "token: [secret]",
        '"password": "--redacted--"',
        "the word authorization",
        "TLS 1.2, AES-256",
        "password: {password}",
    ],
)
def test_masked_values_and_plain_words_stay(redactor, text):
    assert redactor.text(text) == text


def test_equal_lookalikes_have_equal_placeholders_and_others_differ(redactor):
    same = [redactor.text("Bearer abcdef0123456789") for _ in range(2)]
    assert same[0] == same[1] != redactor.text("Bearer abcdef0123456780")
    assert same[0] == Redactor(b"k" * 32).text("Bearer abcdef0123456789")


def test_redacting_twice_changes_nothing(redactor):
    once = redactor.text(
        f"password=letmein99 secret: abcdefgh {SECRET} Bearer abcdef0123456789 Set-Cookie: a=0123456789"
    )
    assert redactor.text(once) == once


def test_placeholders_become_values_only_for_sending(redactor):
    assert redactor.reveal("x [redacted:alice.password] y") == f"x {SECRET} y"
    assert redactor.reveal("[redacted:nobody.password]") == "[redacted:nobody.password]"


def test_a_secret_that_is_too_short_is_refused(redactor):
    with pytest.raises(ValueError, match="shorter"):
        redactor.add("abc", "x")


@dataclass(frozen=True, slots=True)
class Nested:
    name: str
    items: tuple[str, ...]
    more: dict[str, object]


def test_deep_values_are_cleaned_and_clean_ones_are_the_same_object(redactor):
    dirty = Nested("x", ("a", SECRET), {SECRET: [SECRET]})
    cleaned = redactor.deep(dirty)
    assert "Väl" not in repr(cleaned)
    clean = Nested("x", ("a",), {"b": 1})
    assert redactor.deep(clean) is clean


@given(st.text(min_size=8).filter(lambda text: text.strip() == text), st.text(), st.text())
def test_no_known_secret_survives(secret, before, after):
    redactor = Redactor(b"k" * 32)
    placeholder = redactor.add(secret, "x")
    assert secret not in redactor.text(before + secret + after).replace(placeholder, "")


def test_a_text_that_was_clean_is_looked_at_again_once_a_secret_is_known(redactor):
    text = "a word that nobody minds"
    assert redactor.text(text) == text
    redactor.add("nobody minds", "late")
    assert redactor.text(text) == "a word that [redacted:late]"
