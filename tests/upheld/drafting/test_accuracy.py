"""What issue 8 promises of a draft, on labelled pages: those that the phrasings were written with, and those held back."""

from __future__ import annotations

import re

import pytest

from draft_accuracy import catalogue, pages, published, score
from upheld.catalogue import Catalogue


@pytest.fixture(scope="module")
def checks() -> Catalogue:
    return catalogue()


@pytest.mark.parametrize("folder", ["tuned", "held-back", "met"])
def test_labelled_pages_are_read_as_well_as_is_promised(checks: Catalogue, folder: str) -> None:
    found = score(folder, checks)
    report = f"{found}\n" + "\n".join(found.wrong)
    assert found.precision >= 0.9, report
    assert found.recall >= 0.9, report
    assert found.family >= 0.9, report
    assert found.right >= 0.97, report
    assert found.invented == 0, report
    assert found.right_foreign == found.foreign, report


def test_on_a_page_that_it_has_not_met_it_may_miss_but_makes_nothing_up(checks: Catalogue) -> None:
    found = score("unseen", checks)
    assert found.sentences > 30
    assert found.precision >= 0.9, found
    assert found.invented == 0, found


def test_every_claim_of_the_published_page_is_found_with_what_decides_it(checks: Catalogue) -> None:
    found = published(checks)
    report = "\n".join(found.wrong)
    assert found.claims == 55  # 54, and the one that binds the page to the policy
    assert found.found == found.claims, report
    assert found.missed_promises == found.false_promises == 0, report
    assert found.right_parameters == found.parameters > 20, report
    assert found.invented == 0, report


def test_the_labels_are_as_many_and_as_various_as_is_promised() -> None:
    labelled = [(path, labels) for folder in ("tuned", "held-back", "met", "unseen") for path, labels in pages(folder)]
    sentences = [(path.name, one) for path, labels in labelled for one in labels["sentences"]]
    assert len(labelled) >= 15
    assert len(sentences) >= 250
    assert {one["kind"] for _, one in sentences} >= {
        "promise",
        "scope",
        "negation",
        "intention",
        "future",
        "request",
        "offer",
        "heading",
    }
    assert {path.suffix for path, _ in labelled} >= {".html", ".md", ".mdx", ".txt", ".yml"}
    for name, one in sentences:
        assert one["sentence"], name
        stated = one.get("parameters", {})
        if (
            isinstance(stated.get("days"), int)
            and re.search(r"\d", one["sentence"])
            and not re.search(r"month|quarter|year|week|hours", one["sentence"])
        ):
            assert str(stated["days"]) in one["sentence"], (name, one)
