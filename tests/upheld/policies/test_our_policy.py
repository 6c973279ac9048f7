"""policies.yaml carries every sentence of the published page, word for word, and nothing that the page does not say."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from upheld.catalogue import Catalogue
from upheld.planning import plan
from upheld.policies import Policy, load
from upheld.resources import builtin

PAGE = Path(__file__).parents[2] / "data" / "published-security-page.txt"


def sentences_of(page: str) -> list[str]:
    """Each line of the page without its bullet, paragraphs split where a full stop is followed by a capital letter."""
    lines = (line.strip().removeprefix("•").strip() for line in page.splitlines())
    return [one for line in lines for one in re.split(r"(?<=[.!?])\s+(?=[A-Z])", line) if one]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The built-in checks."""
    return Catalogue.load(builtin() / "checks")


@pytest.fixture(scope="module")
def policy(catalogue: Catalogue) -> Policy:
    """The policy of this repository."""
    return load(builtin() / "policies.yaml", catalogue, today=date(2026, 11, 23))


@pytest.fixture(scope="module")
def page() -> list[str]:
    """The sentences of the published page."""
    return sentences_of(PAGE.read_text(encoding="utf-8"))


def carried(policy: Policy) -> set[str]:
    return {sentence for claim in policy.claims for sentence in claim.sentences}


def test_every_sentence_of_the_page_is_carried_or_said_to_promise_nothing(policy: Policy, page: list[str]) -> None:
    known = carried(policy) | {sentence for sentence, _ in policy.no_promise}
    assert [sentence for sentence in page if sentence not in known] == []


def test_the_policy_says_nothing_that_the_page_does_not(policy: Policy, page: list[str]) -> None:
    known = carried(policy) | {sentence for sentence, _ in policy.no_promise}
    assert sorted(known - set(page)) == []


def test_the_claims_stand_in_the_page_s_order(policy: Policy, page: list[str]) -> None:
    first = [min(page.index(sentence) for sentence in claim.sentences) for claim in policy.claims if claim.sentences]
    assert first == sorted(first)


def test_sections_are_the_page_s_headings(policy: Policy, page: list[str]) -> None:
    named = {part for claim in policy.claims if claim.origin == "page" for part in claim.section.split(" / ")}
    assert named <= {sentence for sentence, _ in policy.no_promise}
    assert named <= set(page)


def words(text: str) -> list[str]:
    return re.findall(r"[\w+&'()./-]*\w[\w+&'()/-]*", text)


def test_every_statement_is_made_of_its_sentences_words_in_their_order(policy: Policy) -> None:
    for claim in policy.claims:
        if claim.origin == "page":
            source = iter(words(" ".join(claim.sentences)))
            assert all(word in source for word in words(claim.statement)), claim.id


def test_all_published_claims_and_the_page_itself_are_there(policy: Policy) -> None:
    assert sum(claim.origin == "page" for claim in policy.claims) == 54
    assert [claim.id for claim in policy.claims if claim.origin == "policy"] == ["publication.page-matches-policy"]


def test_a_claim_that_nothing_decides_yet_says_what_will(policy: Policy) -> None:
    undecided = [claim for claim in policy.claims if not claim.uses and not claim.decided_by]
    assert all(claim.note.startswith("No check yet. ") for claim in undecided)
    assert not any(claim.note.startswith("No check yet") for claim in policy.claims if claim not in undecided)


def test_only_claims_that_a_person_must_vouch_for_accept_an_attestation(policy: Policy) -> None:
    accepted = {claim.id for claim in policy.claims if claim.accept_attested}
    assert accepted == {"meta-terms", "meta-bsp", "no-data-sale", "credentials-not-shared"}


def test_every_claim_has_references_and_is_gated(policy: Policy) -> None:
    assert all(claim.references and claim.gated for claim in policy.claims)


def test_nothing_is_waived_or_left_out(policy: Policy, catalogue: Catalogue) -> None:
    assert policy.waivers == ()
    planned = plan(policy, catalogue)
    assert planned
    assert not any(one.not_applicable for one in planned)


def test_a_sentence_changed_on_the_page_is_noticed(policy: Policy, page: list[str]) -> None:
    """The comparison that the other tests rest on can fail."""
    known = carried(policy) | {sentence for sentence, _ in policy.no_promise}
    changed = [sentence.replace("90 days", "60 days") for sentence in page]
    assert {sentence for sentence in changed if sentence not in known} == {
        "60 days",
        "Message logs and automation run data are retained for 60 days by default",
    }
