"""Secrets are taken out, canaries are put in, and nothing else is touched."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted_secrets import planted
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


CARD = "4519961983914549"


@pytest.mark.parametrize(
    "text",
    [
        f"paid {CARD}",
        f"PAID: {CARD}",
        f"valid={CARD}",
        f"card {CARD[:4]}-{CARD[4:8]}-{CARD[8:12]}-{CARD[12:]}",
        f"aaaaaaaa-bbbb-4ccg-{CARD[:4]}-{CARD[4:]}",
        f"{CARD[:8]}-{CARD[8:12]}-{CARD[12:]}-badc-67334cc3fb7",
    ],
)
def test_a_cards_number_is_taken_out_whatever_stands_beside_it(redactor, text):
    assert CARD not in redactor.text(text).replace("-", "")
    assert "card-number" in redactor.text(text)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"id": "{CARD}"}}',
        f"order_id={CARD}",
        f"orderId: {CARD}",
        f"ID {CARD}",
        f"{CARD[:8]}-{CARD[8:12]}-{CARD[12:]}-badc-67334cc3fb7f",
        f"/members/aaaaaaaa-bbbb-4ccc-{CARD[:4]}-{CARD[4:]}/role",
    ],
)
def test_what_has_a_cards_digits_by_chance_is_kept(redactor, text):
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


@pytest.mark.parametrize("filler", ["plain words. ", "schöne Wörter. ", "half a \udc80 letter. "])
def test_a_long_text_is_cleaned_as_a_short_one_is(redactor, filler):
    # One that begins within another, one that holds it, and one in another spelling.
    redactor.add("ward-begins-a-word", "the later")
    redactor.add("Trusted-Steward", "the earlier")
    redactor.add("Trusted-Steward-Begins-A-Word", "the whole")
    redactor.add("straße & schlüssel", "the spelled")
    held = f"Trusted-Steward-begins-a-word; trusted-steward-BEGINS; {quote('straße & schlüssel')}; {SECRET}; "
    long = filler * (40_000 // len(filler))
    assert redactor.text(long + held + long) == long + redactor.text(held) + long
    assert redactor.text(long) == long
    redactor.add(filler.split()[0], "the filler")
    assert filler.split()[0] not in redactor.text(long)


def test_a_text_that_was_clean_is_looked_at_again_once_a_secret_is_known(redactor):
    text = "a word that nobody minds"
    assert redactor.text(text) == text
    redactor.add("nobody minds", "late")
    assert redactor.text(text) == "a word that [redacted:late]"


# --- nothing else is touched ---------------------------------------------------------------------------------------------

PHRASES = (
    "the password of the account was reset",
    "a token expires after an hour, and its secret is never shared",
    "key rotation, cookie banner, bearer bonds",
    "basic authentication is off, Bearer credentials are refused",
    "authorization by role: none of the tenants",
    "a private key never leaves the vault",
    "expected refuses TLS 1.1, observed TLS 1.2 with AES-256",
    "GET /v1/messages?page=2&limit=50 -> 200",
    "https://www.example.com:8443/a/b%20c?q=d%3De#f",
    "user@example.com +27 21 555 0100",
    "2026-11-26T15:53:32.123Z from 127.0.0.1 and [::1]:443",
    "1,234,567 of 3.14159 or -12e-7 is 0x1f, 100% of §4.2",
    "“quoted”, it's 'single' & v1.2.3-rc.1",
    "is_admin=true retries: 3 status=200 next_page_token=2",
    "SELECT * FROM sessions WHERE id = 7;",
    "password_hash $2b$12$ ${PASSWORD} {password} <secret> **** --redacted--",
    "task-list-of-the-week, risk-based-access-control",
    "phone_number_id: 106604577294511, at 1764172412345 ms",
)

harmless = st.one_of(
    st.lists(st.sampled_from(PHRASES), min_size=1, max_size=9).map("; ".join),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.binary(min_size=20, max_size=20).map(bytes.hex),
    st.uuids().map(str),
    st.binary(min_size=40, max_size=3000).map(
        lambda raw: f"data:image/png;base64,{base64.b64encode(b'PNG' + raw).decode()}"
    ),
    st.integers(-(10**11), 10**11).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.datetimes().map(lambda one: one.isoformat()),
    st.ip_addresses().map(str),
)
KEYS = ("id", "note", "token_type", "passwords", "next_page_token", "keyed", "a word", "%41", "items", "é")
jsons = st.recursive(
    st.one_of(harmless, st.integers(-(10**11), 10**11), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=20,
)


@given(harmless)
def test_what_is_no_secret_stays_as_it_is(text):
    redactor = Redactor(b"k" * 32)
    redactor.add(SECRET, "alice.password")
    assert redactor.text(text) == text
    assert redactor.deep({"a": [text, (text,)]}) == {"a": [text, (text,)]}


ONES = tuple(planted(23, 2))


@settings(max_examples=100)
@given(jsons, st.lists(st.sampled_from(ONES), min_size=1, max_size=5), st.booleans(), st.sampled_from((None, 1)))
def test_json_with_secrets_in_it_stays_json_and_all_else_in_it_stays(value, secrets, ascii_only, indent):
    numbers = [int(one.value) for one in secrets if one.value.isdigit()]
    document = {
        "before": value,
        "held": [one.text for one in secrets],
        "pin": 4711_0815,
        "n": numbers,
        "after": [value],
    }
    redactor = Redactor(b"k" * 32)
    redactor.add("47110815", "bob.pin")
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    for one in (text, json.dumps({"inner": text})):
        cleaned = redactor.text(one)
        read = json.loads(cleaned)
        read = json.loads(read["inner"]) if "inner" in read else read
        assert (read["before"], read["after"]) == (value, [value])
        assert all("[redacted:" in held for held in (*read["held"], read["pin"], *read["n"]))
        assert not any(fragment in cleaned for secret in secrets for fragment in secret.fragments)
        assert redactor.text(cleaned) == cleaned


@given(st.lists(st.sampled_from(ONES), min_size=1, max_size=4), st.lists(harmless, min_size=5, max_size=5))
def test_words_around_secrets_stay(secrets, words):
    redactor = Redactor(b"k" * 32)
    text = "\n".join([words[0], *(f"{one.text}\n{word}" for one, word in zip(secrets, words[1:], strict=False))])
    lines = redactor.text(text).split("\n")
    assert lines[0] == words[0]
    assert all(word in lines for word in words[1 : len(secrets) + 1])


@dataclass(frozen=True, slots=True)
class Pair:
    name: str
    raw: bytes
    path: Path


def test_what_stands_behind_a_name_in_mappings_headers_bytes_and_paths_is_found(redactor):
    held = redactor.deep(
        (
            {"password": "correct horse battery", "user": "ann", "api_key": "[redacted:x]", "secret": None},
            ("x-api-key", "0a1b2c3d4e5f"),
            ("cookie", "theme=dark; sid=0a1b2c3d4e5f"),
            ("authorization", "Bearer realm"),
            Pair("x", b"AKIAABCDEFGHIJKLMNOP \xff", Path("/srv/AKIAABCDEFGHIJKLMNOP/x")),
            {f"set of {SECRET}"},
            8001015009087,
        )
    )
    assert "correct horse" not in repr(held)
    assert "0a1b2c3d4e5f" not in repr(held)
    assert "AKIA" not in repr(held)
    assert "Väl" not in repr(held)
    assert "8001015009087" not in repr(held)
    assert held[0]["user"] == "ann"
    assert held[0]["api_key"] == "[redacted:x]"
    assert held[3] == ("authorization", "Bearer realm")
    assert isinstance(held[4].raw, bytes)
    assert isinstance(held[4].path, Path)


def test_columns_and_hashes_stay_what_they_are(redactor):
    for value in (
        ("password", "expires_at"),
        {"password": "$2b$12$abcdefghijklmnopqrstuv", "token_type": "bearer", "passwords": "12 of them"},
        ("authorization", "none"),
        1764172412345,
    ):
        assert redactor.deep(value) is value


def test_a_secret_that_is_named_later_goes_by_its_name(redactor):
    redactor.add("p4ssw0rd-of-somebody", "a secret of database", until_named=True)
    assert redactor.text("it is p4ssw0rd-of-somebody") == "it is [redacted:a secret of database]"
    redactor.add("p4ssw0rd-of-somebody", "database password")
    assert redactor.text("it is p4ssw0rd-of-somebody") == "it is [redacted:database password]"
    redactor.add("p4ssw0rd-of-somebody", "another name")
    assert redactor.text("it is p4ssw0rd-of-somebody") == "it is [redacted:database password]"


@pytest.mark.parametrize(
    "piece",
    [
        "-----BEGIN PRIVATE KEY-----",
        "eyJ-",
        "eyJa.",
        "sk-",
        "password=",
        "token='",
        "://a:",
        "Basic ",
        "cookie: a=",
        "%41",
        "%25",
        "&quot;",
    ],
)
def test_time_grows_with_the_length_of_a_hostile_text(piece):
    """Twenty times the text takes well under the four hundred times that its square would."""
    took = []
    for size in (10_000, 200_000):
        text, best = (piece * size)[:size], float("inf")
        for _ in range(3):
            before = time.process_time()
            Redactor(b"k" * 32).text(text)
            best = min(best, time.process_time() - before)
        took.append(best)
    assert took[1] < 100 * took[0] + 0.2
