"""Questions to claims, by words alone: what is not clearly about a claim is about none."""

from __future__ import annotations

import random
from datetime import date

import pytest

from loopback import ROOT
from upheld.answering.matching import Matcher, terms
from upheld.catalogue import Catalogue
from upheld.policies import load

POLICY = load(ROOT / "policies.yaml", Catalogue.load(ROOT / "checks"), today=date(2026, 1, 1))
CLAIMS = [claim for claim in POLICY.claims if claim.origin == "page"]
MATCHER = Matcher([f"{claim.statement} {claim.section}" for claim in CLAIMS])


def matched(question: str) -> list[str]:
    return [CLAIMS[one.claim].id for one in MATCHER.matches(question)]


@pytest.mark.parametrize(
    ("question", "claim"),
    [
        ("Is multi-factor authentication required for all internal accounts?", "mfa-internal"),
        ("Do you enforce 2FA for internal accounts?", "mfa-internal"),
        ("Are daily database backups taken, with point-in-time recovery?", "backups-pitr"),
        ("Is customer data isolated between tenants?", "tenant-isolation"),
        ("How long are message logs retained?", "retention-90-days"),
        ("Do you have a bug bounty programme?", "no-bounty"),
        ("Are dependencies scanned for known vulnerabilities?", "deps-scanned"),
        ("Do you sell customer data to third parties?", "no-data-sale"),
        ("Are all code changes peer reviewed before merging?", "peer-reviewed"),
        ("Do you store plaintext credentials?", "no-plaintext-credentials"),
        ("Is privileged access logged?", "privileged-logged"),
        ("Do you apply the principle of least privilege to production access?", "least-privilege"),
        ("Is input validation applied at API boundaries?", "input-output"),
        ("Within how many days of account termination is customer data deleted?", "deletion-30-days"),
        ("Are tokens ever logged, or stored in plaintext?", "tokens-never-logged"),
    ],
)
def test_a_question_finds_its_claim(question: str, claim: str) -> None:
    assert claim in matched(question)


@pytest.mark.parametrize(
    "question",
    [
        "Do you have a SOC 2 Type II report?",
        "Is there a fire suppression system in your offices?",
        "Do employees undergo background checks?",
        "What is your company's annual revenue?",
        "Do you carry cyber insurance of at least 5 million dollars?",
        "Is your software available on premises?",
        "Do you support SAML single sign-on?",
        "Quelle est votre politique de sauvegarde ?",
        "",
        "???",
        "Yes/No",
    ],
)
def test_a_question_about_something_else_finds_none(question: str) -> None:
    assert matched(question) == []


def test_every_claim_finds_itself_and_the_order_of_claims_changes_nothing() -> None:
    shuffled = list(CLAIMS)
    random.Random(3).shuffle(shuffled)
    other = Matcher([f"{claim.statement} {claim.section}" for claim in shuffled])
    for claim in CLAIMS:
        found = MATCHER.matches(claim.statement)
        assert claim.id in {CLAIMS[one.claim].id for one in found}, claim.statement
        again = other.matches(claim.statement)
        assert {(CLAIMS[one.claim].id, one.confidence) for one in found} == {
            (shuffled[one.claim].id, one.confidence) for one in again
        }


def test_words_are_compared_by_their_stems() -> None:
    assert terms("Encrypted backups are retained") == terms("encryption of backup, retention")
    assert len(terms("logged logging")) == 1
