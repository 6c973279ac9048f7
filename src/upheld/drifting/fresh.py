"""New sentences of a page as entries of its policy, as `upheld draft` proposes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from upheld.catalogue import Catalogue
from upheld.drafting.drafting import claims_of
from upheld.drafting.proposing import Drafted, Proposal
from upheld.drafting.writing import claim_lines, no_promise_line
from upheld.drifting.proposing import Entry
from upheld.reading import Page, Sentence
from upheld.reporting.text import unused


def entries(page: Page, catalogue: Catalogue, folders: tuple[Path, ...]) -> Entry:
    """What makes the entry of a new sentence; the page is judged when the first one is asked for."""
    drafted: dict[str, Drafted] = {}

    def entry(sentence: Sentence, taken: set[str]) -> tuple[list[str], bool]:
        if not drafted:
            drafted.update({each.text: one for one in claims_of(page, catalogue, folders) for each in one.sentences})
        one = drafted[sentence.text]
        if not one.promise:
            return [no_promise_line(sentence, one)], False
        # Of a row only what is new: the rest is carried already.
        alone = (
            dataclasses.replace(one, sentences=(sentence,), statement=sentence.text) if len(one.sentences) > 1 else one
        )
        return list(claim_lines(_named(alone, unused(one.id, set(taken))))), True

    return entry


def _named(one: Drafted, name: str) -> Drafted:
    """The claim with another name, also where its checks name it."""

    def renamed(proposal: Proposal) -> Proposal:
        given = {key: name if value == one.id else value for key, value in proposal.given.items()}
        return dataclasses.replace(proposal, given=given)

    return dataclasses.replace(one, id=name, checks=tuple(map(renamed, one.checks)), held=tuple(map(renamed, one.held)))
