"""What a sentence counts, how far it reaches, and which language it is in."""

from __future__ import annotations

import pytest

from upheld.reading import language_of, quantifiers, quantities


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TLS 1.2+", [(1.2, "TLS", "least")]),
        ("TLS v1.2 or later", [(1.2, "TLS", "least")]),
        ("TLS 1.2 and 1.3 only", [(1.2, "TLS", "least")]),
        ("TLSv1.3", [(1.3, "TLS", "exact")]),
        ("at least TLS 1.3", [(1.3, "TLS", "least")]),
        ("we switched off SSL 3", [(3, "SSL", "exact")]),
        ("AES-256", [(256, "bits", "exact")]),
        ("256-bit AES", [(256, "bits", "exact")]),
        ("AES 128 bit", [(128, "bits", "exact")]),
        ("SHA-256 digests", []),
        ("within 2 business days", [(2, "business days", "most")]),
        ("in five working days", [(5, "business days", "most")]),
        ("no later than 72 hours", [(72, "hours", "most")]),
        ("ninety (90) days", [(90, "days", "exact")]),
        ("twenty-four hours", [(24, "hours", "exact")]),
        ("a 30-day window", [(30, "days", "exact")]),
        ("within 24h", [(24, "hours", "most")]),
        ("1,000 requests", [(1000, "requests", "exact")]),
        ("two approvals and three reviewers", [(2, "approvals", "exact"), (3, "reviewers", "exact")]),
        ("at least 7 years", [(7, "years", "least")]),
        ("half an hour", [(30, "minutes", "exact")]),
        ("on the next working day", [(1, "business days", "most")]),
        ("TLS 1.0 and 1.1", [(1.1, "TLS", "exact"), (1.0, "TLS", "exact")]),
        ("a second person approves, in a second", [(1, "seconds", "most")]),
        ("kept for 14 days Request logs", [(14, "days", "exact")]),
        ("a day", [(1, "days", "exact")]),
        ("since 2019, on 3 continents", []),
        ("CVE-2024-30 days", []),
    ],
)  # fmt: skip
def test_quantities_are_read_with_unit_and_bound(text: str, found: list[tuple[float, str, str]]) -> None:
    assert [(one.number, one.unit, one.bound) for one in quantities(text)] == found
    for one in quantities(text):
        assert text[one.start : one.end] == one.words


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("taken daily", 1, "days"),
        ("every 6 hours", 6, "hours"),
        ("once a year", 1, "years"),
        ("quarterly", 1, "quarters"),
        ("every quarter", 1, "quarters"),
        ("every half year", 6, "months"),
        ("twice a year", 6, "months"),
        ("every two weeks", 2, "weeks"),
        ("nightly", 1, "days"),
    ],
)
def test_intervals_are_read_as_such(text: str, number: float, unit: str) -> None:
    assert [(one.number, one.unit, one.every) for one in quantities(text)] == [(number, unit, True)]


def test_rates_are_no_intervals() -> None:
    assert [(one.unit, one.every) for one in quantities("100 requests per minute")] == [("requests", False)]


def test_quantifiers_are_told() -> None:
    assert quantifiers("All of it, every day, where available, and never by default") == (
        "all",
        "every",
        "where available",
        "never",
        "by default",
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("All traffic is encrypted and we keep the logs for 90 days", "en"),
        ("Toutes les données sont chiffrées et nous ne vendons pas vos données", "fr"),
        ("Alle Daten werden verschlüsselt und wir verkaufen sie nicht an Dritte", "de"),
        ("Todos los datos se cifran y no vendemos sus datos a terceros", "es"),
        ("すべてのデータは暗号化されています", "ja"),
        ("Все данные шифруются", "ru"),
        ("AES-256", ""),
    ],
)
def test_languages_are_told_by_their_frequent_words(text: str, language: str) -> None:
    assert language_of(text) == language
