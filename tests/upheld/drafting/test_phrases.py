"""The phrasings: every example is recognised, every check has some, strangers bring their own, and mistakes are said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from draft_accuracy import ROOT, catalogue
from upheld.catalogue import Catalogue
from upheld.drafting.catalogue import page
from upheld.drafting.drafting import claims_of
from upheld.drafting.parameters import longest_days
from upheld.drafting.patterns import compiled, lowered
from upheld.drafting.phrases import load_phrases
from upheld.drafting.proposing import draft
from upheld.drafting.writing import PAGE_CHECK
from upheld.errors import InputError
from upheld.reading import of_bytes

CATALOGUE = catalogue()
PHRASES = load_phrases(CATALOGUE)


def drafted(text: str, catalogue: Catalogue = CATALOGUE):
    """What becomes of one sentence."""
    return draft(
        of_bytes(f"Security at Example is as follows.\n\n{text}\n".encode(), "page", "markdown"), catalogue, PHRASES
    )[1]


def uses(text: str) -> dict[str, dict]:
    return {one.check: dict(one.given) for one in drafted(text).checks}


@pytest.mark.parametrize("entry", [one.entry for one in PHRASES.phrases], ids=lambda entry: entry.id)
def test_every_example_is_a_promise_of_its_kind(entry) -> None:
    for example in entry.examples:
        made = drafted(example)
        assert entry.id in made.matched, (example, made.matched, made.told)
        assert made.promise, (example, made.told)
        proposed = {one.check for one in (*made.checks, *made.held)}
        assert not entry.checks or proposed & {one.check for one in entry.checks}, example


def test_every_check_has_phrasings_and_every_name_is_a_check() -> None:
    ids = {one.id for one in CATALOGUE}
    assert ids - PHRASES.checks == {PAGE_CHECK}
    assert PHRASES.checks <= ids
    assert PHRASES.measures.keys() <= ids
    names = [one.entry.id for one in PHRASES.phrases]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "check", "given"),
    [
        ("All traffic uses TLS 1.2 or later", "tls.refuses_old_versions", {"minimum": "TLS 1.2"}),
        ("TLS 1.3 is the minimum on all endpoints", "tls.refuses_old_versions", {"minimum": "TLS 1.3"}),
        ("TLS 1.0 and 1.1 are disabled", "tls.refuses_old_versions", {"minimum": "TLS 1.2"}),
        ("We refuse TLS versions older than TLS 1.2", "tls.refuses_old_versions", {"minimum": "TLS 1.2"}),
        ("Customer data at rest is encrypted with AES-128", "storage.sensitive_columns_are_sealed", {"key_bits": 128}),
        ("Logs are kept for three weeks", "retention.nothing_is_older_than_its_period", {"days": 21}),
        ("Logs are kept for one month", "retention.nothing_is_older_than_its_period", {"days": 31}),
        ("Database backups are taken every four hours", "backups.taken_in_every_interval", {"every_hours": 4}),
        ("Database backups are taken weekly", "backups.taken_in_every_interval", {"every_hours": 168}),
        ("We notify affected customers of a breach within three days", "registers.customers_are_told_in_time", {"within_hours": 72}),
        ("User access is reviewed every quarter", "registers.access_reviews_are_held", {"interval_days": 92}),
        ("Pull requests need two approvals", "reviews.protection_forbids_unreviewed_changes", {"approvals": 2}),
        ("We do not offer a bug bounty", "bounty.none_is_offered", {"denial": "We do not offer a bug bounty"}),
    ],
)  # fmt: skip
def test_what_a_sentence_states_becomes_a_parameter(text: str, check: str, given: dict) -> None:
    assert uses(text)[check] == given


@pytest.mark.parametrize(
    ("text", "check", "parameter"),
    [
        ("All traffic is encrypted with TLS", "tls.refuses_old_versions", "minimum"),
        ("We take regular backups", "backups.taken_in_every_interval", "every_hours"),
        ("Data is encrypted at rest", "storage.sensitive_columns_are_sealed", "key_bits"),
        ("API authentication via short-lived tokens", "sessions.tokens_are_short_lived", "most_minutes"),
        ("User access is reviewed regularly", "registers.access_reviews_are_held", "interval_days"),
        ("Affected customers are notified promptly", "registers.customers_are_told_in_time", "within_hours"),
        ("We acknowledge reports within 48 hours", "registers.reports_are_acknowledged_in_time", "business_days"),
        ("We acknowledge reports within 2 business days", "registers.reports_are_acknowledged_in_time", "calendar"),
        ("Every endpoint is rate limited", "limits.every_operation_is_limited", "budget_requests"),
        ("Customer data is deleted upon termination of the contract", "deletion.nothing_is_left_of_departed_customers", "days"),
    ],
)  # fmt: skip
def test_what_a_sentence_does_not_state_is_asked_and_never_made_up(text: str, check: str, parameter: str) -> None:
    made = drafted(text)
    assert made.promise
    assert check not in {one.check for one in made.checks if not one.asks}
    asked = next(one for one in (*made.checks, *made.held) if one.check == check)
    assert parameter in dict(asked.asks)
    assert parameter not in asked.given
    assert parameter in made.note


def test_a_least_is_no_most_and_business_days_are_no_days() -> None:
    assert "retention.nothing_is_older_than_its_period" not in uses("Logs are kept for at least 90 days")
    assert "registers.customers_are_told_in_time" not in uses("We notify customers of a breach within 2 business days")


def test_a_claim_of_which_a_part_is_undecided_gets_no_checks() -> None:
    made = drafted("All staff accounts need two-factor authentication and pass security awareness training")
    assert made.promise
    assert not made.checks
    assert {one.check for one in made.held} >= {"staff.password_alone_opens_nothing"}
    assert "attestations" in made.note


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("We are working toward SOC 2", "future"),
        ("We will soon encrypt backups", "future"),
        ("We aim to encrypt everything", "intention"),
        ("Please report vulnerabilities in private", "request"),
        ("Internal traffic may be plain", "negation"),
        ("We do not encrypt backups", "negation"),
        ("Our audit report is available on request", "offer"),
        ("Do you encrypt backups?", "other"),
        ("We take security seriously", "other"),
    ],
)
def test_what_is_no_promise_gets_no_checks(text: str, kind: str) -> None:
    made = drafted(text)
    assert made.told.kind.value == kind
    assert not made.promise
    assert not made.checks
    assert not made.held


@pytest.mark.parametrize(
    "text",
    [
        "Backups are encrypted on Business plans",
        "Internal traffic is encrypted with mTLS where available",
        "On Cloud, disks are encrypted",
    ],
)
def test_bounds_are_said(text: str) -> None:
    made = drafted(text)
    assert made.told.kind.value == "scope"
    assert made.promise
    assert "within bounds" in made.note
    assert made.confidence != "high"


OWN = """
upheld: phrases/1
claims:
  - id: flags
    means: The flag is up.
    examples: [The flag flies at noon]
    any: [flag ... (flies|fly|is up)]
    checks:
      - check: flags.is_up
        essential: true
        parameters: {days: days}
"""
CHECK = '''
from upheld import OBSERVED, Finding, check
from upheld.probes.clock import Clock

@check(basis=OBSERVED)
def is_up(clock: Clock, *, days: int = 3):
    """The flag is up."""
    yield Finding("flag", passed=True, expected="up", observed="up")
'''


def test_a_folder_of_checks_brings_its_own_phrasings(tmp_path: Path) -> None:
    (tmp_path / "flags.py").write_text(CHECK, encoding="utf-8")
    (tmp_path / "phrases.yaml").write_text(OWN, encoding="utf-8")
    own = Catalogue.load(tmp_path)
    flags = of_bytes(b"# Flags\n\nThe flag flies for 5 days.\n\nThe flag flies at noon.\n", "page", "markdown")
    stated, unstated = claims_of(flags, own, (tmp_path,))[1:]
    assert [(one.check, one.given) for one in stated.checks] == [("flags.is_up", {"days": 5})]
    assert not unstated.checks
    assert [one.asks[0][0] for one in unstated.held] == ["days"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("{days: days}", "{hours: days}"), "has no parameter 'hours'"),
        (("{days: days}", "{days: moons}"), "nothing reads moons"),
        (("flag ... ", "(flag ... "), "no pattern"),
        (("any: [", "all: ["), "any"),
    ],
)
def test_mistakes_in_phrasings_are_said_with_their_file(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    (tmp_path / "flags.py").write_text(CHECK, encoding="utf-8")
    (tmp_path / "phrases.yaml").write_text(OWN.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=r"phrases\.yaml") as caught:
        load_phrases(Catalogue.load(tmp_path), tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("encrypt* ... at rest", "Encrypted by default and at-rest", True),
        ("encrypt* ... at rest", "at rest, encrypted", False),
        ("(mfa|two factor)", "TWO-FACTOR", True),
        ("mfa", "mfas", False),
        ("^report", "we report", False),
        ("n't ... sell", "We don't sell it", True),
        ("[a-z]+", "abc", False),
        ("a.b", "axb", False),
    ],
)
def test_patterns_are_words_and_few_signs(pattern: str, text: str, found: bool) -> None:
    assert bool(compiled(pattern).search(lowered(text))) is found


@pytest.mark.parametrize("pattern", ["", "(a", "a)", "a " * 400, "a ... b ... c ... d ... e"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no pattern"):
        compiled(pattern)


def test_a_month_is_the_longest_that_it_can_be() -> None:
    assert [longest_days(one) for one in (1, 2, 3, 6, 12, 24, 84)] == [31, 62, 92, 184, 366, 731, 2557]


def test_the_catalogue_of_claims_is_in_step_with_the_data() -> None:
    published = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert published == page(CATALOGUE, PHRASES), "run `python -m upheld.drafting.catalogue > docs/claims.md`"


def test_the_phrasings_in_the_documentation_are_valid_and_work(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "draft.md").read_text(encoding="utf-8")
    shown = next(one for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "phrases/1" in one)
    (tmp_path / "phrases.yaml").write_text(shown, encoding="utf-8")
    page = of_bytes(b"# Papers\n\nInvoices are archived for 90 days.\n", "page", "markdown")
    (made,) = [one for one in claims_of(page, CATALOGUE, (tmp_path,)) if one.promise]
    assert "invoices" in made.matched
    assert dict(made.checks[0].given) == {"days": 90}
