"""The search finds a secret in every spelling, wherever chunks are cut, and nothing that is masked."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upheld.probes.search import HITS_KEPT, Searcher

SECRET = "tQ7+zKe/9mWx&2bVn4RsLd8Yc"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLW9mLTMyLWNoYXJhY3RlcnM"


def _ansi(text: str) -> str:
    return "\x1b[31m".join((text[:7], "\x1b[0;1m" + text[7:15], text[15:]))


SPELLINGS = {
    "plain": SECRET.encode(),
    "case changed": SECRET.upper().encode(),
    "base64": base64.b64encode(SECRET.encode()),
    "base64 after one character": base64.b64encode(b"u" + SECRET.encode() + b"!"),
    "base64 after two characters": base64.b64encode(b"u:" + SECRET.encode() + b"!!"),
    "base64, URL alphabet": base64.urlsafe_b64encode(b"user:" + SECRET.encode()),
    "base64, wrapped": base64.encodebytes(b"x" * 50 + SECRET.encode() + b"x" * 50),
    "hexadecimal": SECRET.encode().hex().encode(),
    "hexadecimal, upper case with spaces": SECRET.encode().hex(" ").upper().encode(),
    "URL-encoded": quote(SECRET, safe="").encode(),
    "URL-encoded, every character": "".join(f"%{ord(c):02X}" for c in SECRET).encode(),
    "URL-encoded twice": quote(quote(SECRET, safe=""), safe="").encode(),
    "JSON-escaped": json.dumps({"a": SECRET}).encode(),
    "HTML-escaped": SECRET.replace("&", "&amp;").encode(),
    "\\u escapes": "".join(f"\\u{ord(c):04x}" for c in SECRET).encode(),
    "\\u escapes of some": "".join(f"\\u{ord(c):04X}" if n % 3 else c for n, c in enumerate(SECRET)).encode(),
    "\\x escapes": "".join(f"\\x{ord(c):02x}" for c in SECRET).encode(),
    "JSON in JSON": json.dumps(json.dumps("".join(f"\\u{ord(c):04x}" for c in SECRET))).encode(),
    "character references": "".join(f"&#{ord(c)};" for c in SECRET).encode(),
    "split by ANSI escapes": _ansi(SECRET).encode(),
    "split by a line wrap": f"{SECRET[:9]}\r\n    {SECRET[9:]}".encode(),
    "split by an escaped line wrap": f"{SECRET[:9]}\\n{SECRET[9:]}".encode(),
    "UTF-16": SECRET.encode("utf-16-le"),
    "first half": SECRET[: len(SECRET) // 2].encode(),
    "second half": SECRET[-(len(SECRET) // 2) :].encode(),
}


def _chunks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("before", [40, 1000, *range(4094, 4098)])
def test_every_spelling_is_found_once_and_on_its_line(spelling: str, before: int) -> None:
    # Windows of 64 KiB: the secret stands in the first one, or across the border of the first two.
    line = b"2026-11-23 10:00"[:15] + b"\n"
    data = line * before + b"value=" + SPELLINGS[spelling] + b" end\n" + b"and on it goes\n" * 5_000
    searched = Searcher([SECRET], window=64 * 1024).stream(_chunks(data, 999))
    assert searched.count == 1, spelling
    assert [found.line for found in searched.found] == [before + 1]
    assert searched.bytes == len(data)
    assert searched.lines == data.count(b"\n")


@pytest.mark.parametrize(
    "masked",
    ["[redacted]", "********", "--redacted--", SECRET[:4] + "…" + SECRET[-4:], "[secret]", "authorization " * 134, ""],
)
def test_masked_values_are_no_leaks(masked: str) -> None:
    data = f"Authorization: Bearer {masked}\npassword={masked}\n".encode() * 50
    assert Searcher([SECRET]).stream([data]).count == 0


def test_the_spelling_is_named() -> None:
    searcher = Searcher([SECRET])
    for spelling in (
        "plain",
        "case changed",
        "base64",
        "hexadecimal",
        "URL-encoded",
        "HTML-escaped",
        "split by ANSI escapes",
        "UTF-16",
    ):
        assert [name for _, name in searcher.encodings_in(SPELLINGS[spelling])] == [spelling]
    assert searcher.encodings_in(SPELLINGS["\\u escapes"]) == ((0, "\\u escapes"),)
    assert searcher.encodings_in(SPELLINGS["split by a line wrap"]) == ((0, "split by line wraps"),)
    assert searcher.encodings_in(SPELLINGS["first half"]) == ((0, "part of it"),)


def test_each_of_several_secrets_in_one_line_is_found() -> None:
    other = "another-canary-0123456789"
    found = Searcher([SECRET, other]).stream([f"code={SECRET} token=[redacted] then={other}\n".encode()]).found
    assert [(one.needle, one.line) for one in found] == [(0, 1), (1, 1)]
    assert found[0].before == b"code="
    assert b"then=" in found[0].after


def test_of_a_json_web_token_the_signature_counts_and_the_rest_does_not() -> None:
    header, payload, signature = JWT.split(".")
    searcher = Searcher([JWT])
    assert searcher.stream([f"{header}.{payload}.[redacted]\n".encode()]).count == 0
    assert searcher.stream([f"…{signature}\n".encode()]).count == 1
    assert [one.encoding for one in searcher.stream([JWT.encode()]).found] == ["plain"]


def test_a_short_needle_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 8"):
        Searcher(["short"])


def test_hits_are_counted_beyond_those_kept() -> None:
    searched = Searcher([SECRET]).stream([f"{SECRET}\n".encode() * (HITS_KEPT + 50)])
    assert (len(searched.found), searched.count) == (HITS_KEPT, HITS_KEPT + 50)


def test_memory_does_not_grow_with_the_stream() -> None:
    line = b'{"at": "2026-11-23T10:00:00Z", "path": "/v1/x", "note": "\\u00e9 %20 caf\xc3\xa9"}\n'
    chunk = line * (256 * 1024 // len(line))
    searcher = Searcher([SECRET])

    def peak(chunks: int) -> int:
        tracemalloc.start()
        searcher.stream(chunk for _ in range(chunks))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(24) < peak(6) * 1.5


@given(
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.integers(min_value=1, max_value=200),
    st.sampled_from(sorted(SPELLINGS)),
)
def test_it_is_found_in_any_surroundings(before: bytes, after: bytes, size: int, spelling: str) -> None:
    # A byte that could be part of an escape or an encoding is kept away from the secret.
    data = before + b" |\n" + SPELLINGS[spelling] + b"\n| " + after
    assert Searcher([SECRET]).stream(_chunks(data, size)).count >= 1


@given(st.binary(max_size=2000))
def test_it_is_not_found_where_it_is_not(data: bytes) -> None:
    assert Searcher([SECRET]).stream([data]).count == 0
