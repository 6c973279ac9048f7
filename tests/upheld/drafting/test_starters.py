"""The starters of docs/starters: valid, wholly decided, and of the same words as the pages beside them."""

from __future__ import annotations

from datetime import date

import pytest

from draft_accuracy import ROOT, catalogue
from upheld.policies import load
from upheld.probes.html_text import sentences
from upheld.reading import of_file

FOLDER = ROOT / "docs" / "starters"
CATALOGUE = catalogue()


@pytest.mark.parametrize("name", ["api-company", "open-source", "small-saas"])
def test_a_starter_is_valid_and_says_what_its_page_says(name: str) -> None:
    policy = load(FOLDER / f"{name}.yaml", CATALOGUE, today=date(2026, 1, 1))
    on_page = {one.text for one in of_file(FOLDER / f"{name}.md").sentences}
    carried = {one for claim in policy.claims for text in claim.sentences for one in sentences(text)}
    quiet = {one for text, _ in policy.no_promise for one in sentences(text)}
    assert carried | quiet == on_page
    assert all(claim.uses for claim in policy.claims)
    assert not any(claim.note for claim in policy.claims)


def test_every_starter_is_tested_and_named() -> None:
    assert sorted(one.stem for one in FOLDER.glob("*.yaml")) == ["api-company", "open-source", "small-saas"]
    assert "(starters)" in (ROOT / "docs" / "draft.md").read_text(encoding="utf-8")
