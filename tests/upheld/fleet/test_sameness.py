"""The normal form of a defect takes out what is particular to a target, and never what tells two defects apart."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upheld.fleet.sameness import Own, names, observed, subject

ACME = Own({"api.acme.example", "status.acme.example", "database env:DB", "127.0.0.1"})
GLOBEX = Own({"api.globex.example", "status.globex.example"})
UUID, OTHER = "402a404f-494d-4b1e-8f00-1c2d3e4f5a6b", "d4b03238-9e7d-48d5-b90a-4a5dc9a28c09"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("api (api.acme.example:443) TLS 1.0", "api (api.globex.example:443) TLS 1.0"),
        ("https://API.acme.example./v1", "https://api.globex.example./v1"),
        ("vault (api.acme.example:60633)", "vault (api.globex.example:49152)"),
        ("listens on 127.0.0.1:50001", "listens on 127.0.0.1:61000"),
        (f"row {UUID}", f"row {OTHER}"),
        ("builds of 7aedf673978e (push)", "builds of 9e7b569b7b17 (push)"),
        ("segment 00000001000000000000000B", "segment 00000001000000000000001F"),
        ("see /tmp/restore-hth2uu7g/recovery.log", "see /tmp/restore-0a_1zz9q/recovery.log"),
        ("deploy of 2026-11-22 21:23 UTC", "deploy of 2026-10-01 08:00 UTC"),
        ("at 2026-11-26T05:15:05.979943+00:00", "at 2026-01-01T00:00:00Z"),
    ],
)
def test_what_is_particular_to_a_target_is_taken_out(one: str, other: str) -> None:
    assert subject(one, ACME) == subject(other, GLOBEX)
    assert observed(one, ACME) == observed(other, GLOBEX)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 of 95 records are kept, the oldest for 199 days", "61 of 1,204 records are kept, the oldest for 91 days"),
        ("valid for 43200 minutes", "valid for 90 minutes"),
        ("log line 18, read 3.2 s after", "log line 7, read 0.9 s after"),
        ("expired on 2026-01-01", "expired on 2025-07-31"),
        ("12 of 12: a bare digest", "3 of 4: a bare digest"),
        ("limited after 33 requests in 0.1 s", "limited after 121 requests in 2 s"),
    ],
)
def test_amounts_are_taken_out_of_what_was_observed_and_stay_in_what_it_is_about(one: str, other: str) -> None:
    assert observed(one, ACME) == observed(other, GLOBEX)
    assert subject(one, ACME) != subject(other, GLOBEX)


NEAR_MISSES = [
    ("api (api.acme.example:443) TLS 1.0", "api (api.globex.example:443) TLS 1.1"),
    ("accepts TLS 1 connections", "accepts TLS 2 connections"),
    ("runs Python 2 files", "runs Python 3 files"),
    ("api.acme.example:443", "status.globex.example:443"),
    ("api.acme.example:6379 is open", "api.globex.example:22 is open"),
    ("api.acme.example:33060 is open", "api.globex.example:33061 is open"),
    ("calls tracker.example", "calls adverts.example"),
    ("calls api.acme.example", "calls evil.api.globex.example"),
    ("calls api.acme.example", "calls api.globex.example.evil.test"),
    ("calls api.acme.example", "calls xapi.globex.example"),
    ("answered 200", "answered 500"),
    ("answered 500 times out", "answered 502 times out"),
    ("its key has 128 bits", "its key has 64 bits"),
    ("AES-128-CBC", "AES-256-CBC"),
    ("SHA1", "SHA256"),
    ("CVE-2024-12345", "CVE-2024-12346"),
    ("CVE-2024-12345 files", "CVE-2023-12345 files"),
    ("B602 in app.py:8", "B602 in app.py:9"),
    ("openssl 3.0.1", "openssl 3.0.2"),
    ("as viewer of acme", "as agent of acme"),
    ("message logs", "automation runs"),
    ("/tmp/backup1.key is readable", "/tmp/backup2.key is readable"),
    ("/tmp/restore-hth2uu7g/a.log", "/tmp/restore-hth2uu7g/b.log"),
    ("row ‹id›", f"row {OTHER}"),
    ("row ‹‹id›", "row ‹id›"),
    ("row abcdefabcdef", "row fedcbafedcba"),
    ("DELETE on audit.entries", "DELETE on audit.entry"),
]


@pytest.mark.parametrize(("one", "other"), NEAR_MISSES)
def test_near_misses_stay_apart(one: str, other: str) -> None:
    assert subject(one, ACME) != subject(other, GLOBEX)
    assert observed(one, ACME) != observed(other, GLOBEX)


def test_bounds_that_a_finding_is_about_stay_apart() -> None:
    assert subject("acme (business plan), 366 days", ACME) != subject("acme (business plan), 0 days", ACME)
    assert subject("API of 2019-05-16", ACME) != subject("API of 2024-10-01", ACME)


def test_hosts_are_renamed_one_to_one() -> None:
    assert names({"only.example.org"}) == {"only.example.org": "‹host›"}
    assert names({"10.1.2.3", "api.acme.example", "acme.example"}) == {
        "10.1.2.3": "‹address›",
        "api.acme.example": "api.‹domain›",
        "acme.example": "‹domain›",
    }
    # These would be called alike, so that they keep their names.
    assert names({"api.one.example", "www.one.example", "api.two.example", "x.two.example"}) == {
        "www.one.example": "www.‹domain›",
        "x.two.example": "x.‹domain›",
    }
    assert names({"10.1.2.3", "10.1.2.4", "127.0.0.1", "localhost", "database env:URL"}) == {}


LABEL = st.sampled_from(["api", "app", "www", "acme", "globex", "eu", "example", "com", "org"])
HOSTS = st.sets(st.lists(LABEL, min_size=2, max_size=4).map(".".join), max_size=6)


@given(HOSTS)
def test_no_two_hosts_of_a_target_are_ever_called_alike(hosts: set[str]) -> None:
    own = Own(hosts)
    assert len({subject(f"calls {one}:443", own) for one in hosts}) == len(hosts)


@given(st.text(alphabet="ab01.: -‹›T\n", max_size=60), HOSTS)
def test_what_holds_nothing_particular_stays_as_it_is(text: str, hosts: set[str]) -> None:
    made = observed(text, Own(hosts))
    if "‹" not in text and not re.search(r"\d|[a-z0-9-]+\.[a-z]", text):
        assert made == text
    assert "‹‹" not in made or "‹" in text


@pytest.mark.parametrize(
    "part", ["/tmp/a", "a", "1", "1,", "ab1", "‹", "127.0.0.1:", "2026-01-01 ", "api.acme.example."]
)
def test_texts_of_any_length_cost_time_that_grows_with_them(part: str) -> None:
    for text in (part * 50_000, part + part[-1] * 200_000 + "!"):
        assert observed(text, ACME)
