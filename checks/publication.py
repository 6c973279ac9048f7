"""The published page is itself a claim: it and the policy must say the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from upheld import OBSERVED, Finding, check
from upheld.probes.publication import Publication
from upheld.probes.wording import compare


@check(basis=OBSERVED)
def page_matches_policy(publication: Publication) -> Iterator[Finding]:
    """The published page and the policy say the same, sentence by sentence.

    Decides: whether each sentence that a customer reads is carried by a claim of the policy or listed there as promising
    nothing, whether each claim is still on the page, and whether labels stand with their figures.
    How: the live page's main content is cut in lines (headings, paragraphs, list items, table cells, figures) and
    sentences. White space, case, punctuation, kinds of quotes and dashes, bullets and numbering do not count, nor the order of
    sentences, nor lines that are put together or taken apart; words, numbers, signs and negations do, exactly.
    Refuted by: a sentence on the page that the policy does not carry; a sentence of a claim that the page no longer makes;
    a changed word or number, which is both, and named as a change; two figures that changed places.
    Cannot see: promises in pictures, in text outside the main content, or hidden by a style sheet; what a script adds; that a
    sentence moved under another heading, or that only its capitals or commas make a difference.
    References: none; the page is its own.
    """
    page = publication.page()
    claims = publication.policy_sentences()
    drift = compare(page.sentences, claims, publication.no_promise_sentences())
    became = {(one.claim, one.before): one for one in drift.changed}
    came_from = {one.after: one for one in drift.changed}
    new, gone = frozenset(drift.new), frozenset(drift.gone)
    for sentence in dict.fromkeys(page.sentences):
        observed = "carried by the policy"
        if sentence in new:
            change = came_from.get(sentence)
            observed = (
                f"changed: {change.before!r} -> {change.after!r} ({change.difference})"
                if change
                else "uncovered: no claim carries this sentence"
            )
        expected = "a claim carries it, or it is listed as promising nothing"
        yield Finding(f"page: {sentence}", passed=sentence not in new, expected=expected, observed=observed)
    for claim, sentences in claims.items():
        for sentence in dict.fromkeys(sentences):
            observed = "on the page"
            if (claim, sentence) in gone:
                change = became.get((claim, sentence))
                observed = (
                    f"changed: {change.before!r} -> {change.after!r} ({change.difference})"
                    if change
                    else "stale: the page no longer says it"
                )
            subject = f"{claim}: {sentence}"
            passed = (claim, sentence) not in gone
            yield Finding(subject, passed=passed, expected="the page still says it", observed=observed)
    torn = {(one.claim, one.second): one for one in drift.torn}
    for claim, lines in drift.bound:
        for first, second in pairwise(lines):
            apart = torn.get((claim, second))
            observed = f"{apart.now!r} follows {first!r}" if apart else "they stand together"
            expected = f"{second!r} stands with {first!r}"
            yield Finding(f"{claim}: {first} / {second}", passed=apart is None, expected=expected, observed=observed)
