"""Sentences to checks: only where it is plain, and never with a threshold that nobody published."""

from __future__ import annotations

import re
from datetime import date

import pytest

from loopback import ROOT
from upheld.beginning.mapping import plainly, word_for_word
from upheld.catalogue import Catalogue
from upheld.policies import load
from upheld.probes.html_text import sentences

CATALOGUE = Catalogue.load(ROOT / "checks")
POLICY = load(ROOT / "policies.yaml", CATALOGUE, today=date(2026, 1, 1))


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("TLS 1.2 or higher", {"tls.refuses_old_versions": {"minimum": "TLS 1.2"}, "tls.accepts_current_versions": {}}),
        ("Connections require at least TLS 1.3", {"tls.refuses_old_versions": {"minimum": "TLS 1.3"}, "tls.accepts_current_versions": {}}),
        (
            "All data in transit is encrypted using TLS v1.2+",
            {"tls.refuses_old_versions": {"minimum": "TLS 1.2"}, "tls.accepts_current_versions": {}, "web.plain_http_only_redirects": {}},
        ),
        ("All connections to our website use TLS", {"web.plain_http_only_redirects": {}, "tls.accepts_current_versions": {}}),
        ("HTTP requests are redirected to HTTPS", {"web.plain_http_only_redirects": {}}),
        ("Every page sends HSTS", {"web.hsts_is_set": {"minimum_seconds": 1}}),
        ("We publish a security.txt file (RFC 9116)", {"disclosure.security_txt_is_valid": {}}),
    ],
)  # fmt: skip
def test_a_plain_sentence_is_decided_with_what_it_states(text, uses):
    mapped = plainly(text, CATALOGUE)
    assert mapped is not None
    assert {check: dict(given) for check, given in mapped.uses} == uses
    for check, given in mapped.uses:
        CATALOGUE[check].arguments(given)


@pytest.mark.parametrize(
    "text",
    [
        "We take security seriously",
        "All traffic is encrypted with TLS",  # plain, but see below: no version is made up
        "TLS 1.2+ is used where possible",
        "We plan to require TLS 1.3 or later",
        "We do not support TLS 1.2 or later",
        "Internal services use TLS 1.2+",
        "Connections to the database use TLS 1.2+",
        "All traffic is encrypted with TLS 1.2+ and tested by penetration testers every year",
        "Data is encrypted at rest with AES-256 and in transit with TLS 1.2+",
        "HSTS with a max-age of one year",
        "Do you support TLS 1.2 or later?",
        "Webhooks are sent over HTTPS only",
    ],
)
def test_what_hedges_negates_or_promises_more_is_left_to_a_person(text):
    mapped = plainly(text, CATALOGUE)
    if mapped is not None:
        assert text == "All traffic is encrypted with TLS"
        assert "tls.refuses_old_versions" not in {check for check, _ in mapped.uses}


PAGE = [
    sentence
    for line in (ROOT / "tests/data/published-security-page.txt").read_text(encoding="utf-8").splitlines()
    for sentence in sentences(line)
]


def test_claims_of_the_built_in_policy_are_found_word_for_word_and_lose_nothing_that_decides_them():
    found = {claim.id: mapped for claim, _, mapped in word_for_word(POLICY, PAGE, CATALOGUE)}
    assert len(found) == 54
    own = {claim.id: {use.check for use in claim.uses} for claim in POLICY.claims}
    for name, mapped in found.items():
        used = {check for check, _ in mapped.uses}
        assert used == own[name] or (not used and mapped.note.startswith("not found out: the numbers")), name
    assert dict(found["retention-90-days"].uses)["retention.nothing_is_older_than_its_period"] == {"days": 90}
    assert not found["incident-notice"].uses
    assert "within_hours: 72" in found["incident-notice"].note


def test_no_threshold_is_set_that_the_page_does_not_state():
    said = " ".join(PAGE)
    for _, carried, mapped in word_for_word(POLICY, PAGE, CATALOGUE):
        for check, given in mapped.uses:
            for name, value in given.items():
                for number in re.findall(r"\d+(?:\.\d+)?", str(value)) if isinstance(value, int | float | str) else ():
                    weakest = (check, name) == ("web.hsts_is_set", "minimum_seconds")
                    measuring = name == "within_seconds"
                    assert weakest or measuring or number in " ".join(carried), (check, name, value)
    assert "90 days" in said


def test_a_changed_number_is_no_longer_the_same_sentence():
    changed = [text.replace("90 days", "45 days") for text in PAGE]
    assert "retention-90-days" not in {claim.id for claim, _, _ in word_for_word(POLICY, changed, CATALOGUE)}
