"""The published page is itself a claim: it and the policy must say the same."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from upheld import OBSERVED, Finding, check
from upheld.probes.publication import Publication

_ALIKE = 0.6


@check(basis=OBSERVED)
def page_matches_policy(publication: Publication) -> Iterator[Finding]:
    """The published page and the policy say the same, sentence by sentence.

    Decides: whether each sentence that a customer reads is carried by a claim of the policy or listed there as promising
    nothing, and whether each claim is still on the page.
    How: the live page's main content is cut in lines (headings, paragraphs, list items, table cells, figures) and
    sentences. White space, kinds of quotes and the final period do not count; words, numbers and negations do, exactly.
    Refuted by: a sentence on the page that the policy does not carry; a sentence of a claim that the page no longer makes;
    a changed word or number, which is both, and named as a change.
    Cannot see: promises in pictures, in text outside the main content, or hidden by a style sheet; what a script adds.
    References: none; the page is its own.
    """
    page = publication.page()
    claims = publication.policy_sentences()
    no_promise = frozenset(publication.no_promise_sentences())
    carried = {sentence for sentences in claims.values() for sentence in sentences}
    on_page = frozenset(page.sentences)
    new = [
        sentence for sentence in dict.fromkeys(page.sentences) if sentence not in carried and sentence not in no_promise
    ]
    gone = {sentence for sentence in carried if sentence not in on_page}
    for sentence in dict.fromkeys(page.sentences):
        observed = "carried by the policy" if sentence not in new else _change(sentence, gone, from_page=True)
        expected = "a claim carries it, or it is listed as promising nothing"
        yield Finding(f"page: {sentence}", passed=sentence not in new, expected=expected, observed=observed)
    for claim, sentences in claims.items():
        for sentence in dict.fromkeys(sentences):
            observed = "on the page" if sentence in on_page else _change(sentence, new, from_page=False)
            subject = f"{claim}: {sentence}"
            yield Finding(subject, passed=sentence in on_page, expected="the page still says it", observed=observed)


def _change(sentence: str, others: Collection[str], *, from_page: bool) -> str:
    """What became of a sentence that stands on one side only: the nearest one on the other side, and what differs."""
    nearest, best = "", _ALIKE
    words = sentence.split()
    for other in sorted(others):
        ratio = difflib.SequenceMatcher(None, words, other.split(), autojunk=False).ratio()
        if ratio > best:
            nearest, best = other, ratio
    if not nearest:
        return "uncovered: no claim carries this sentence" if from_page else "stale: the page no longer says it"
    before, after = (nearest, sentence) if from_page else (sentence, nearest)
    return f"changed: {before!r} -> {after!r} ({_difference(before.split(), after.split())})"


def _difference(before: list[str], after: list[str]) -> str:
    changes = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            changes.append(f"{' '.join(before[i1:i2]) or 'nothing'} -> {' '.join(after[j1:j2]) or 'nothing'}")
    return ", ".join(changes)
