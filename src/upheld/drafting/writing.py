"""A draft as the text of a policy: claims with their checks, what is to be asked as comments, and what promises nothing with the reason.

What a page said stands in quotes, or in a comment of one line in which no character can end it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upheld.drafting.proposing import Drafted, Proposal
from upheld.drafting.telling import Kind
from upheld.reading import ENGLISH, Page, Sentence
from upheld.reading.language import NAMES
from upheld.reporting.text import safe

PAGE_CHECK = "publication.page_matches_policy"
"""What binds a page that is live to its policy."""
_WHY = {
    Kind.HEADING: "A heading.",
    Kind.REQUEST: "Asks something of the reader.",
    Kind.FUTURE: "Speaks of what is to come",
    Kind.INTENTION: "Says what is tried or wished, and nobody can be held to it",
    Kind.OFFER: "Offers something to those who ask for it or switch it on",
    Kind.NEGATION: "Says what is not done, or may be: no protection is promised",
    Kind.OTHER: "No promise was recognised in it: move it to the claims if it is one.",
}
_HELD = "held back, as the claim would be upheld too easily without an answer to its note:"
_MORE = "more, once its note is answered:"
_BULLETS = "•·▪‣◦* "


@dataclass(frozen=True, slots=True)
class Summary:
    """What a draft came to: claims, those with checks, those whose checks wait for answers, those without; sentences without promise."""

    claims: int
    covered: int
    held: int
    uncovered: int
    quiet: int

    def __str__(self) -> str:
        return (
            f"{self.claims} claims: {self.covered} with checks, {self.held} with checks that wait for answers, "
            f"{self.uncovered} that nothing decides yet; {self.quiet} sentences that promise nothing"
        )


def summary_of(drafted: Sequence[Drafted]) -> Summary:
    """The counts of a draft."""
    claims = [one for one in drafted if one.promise]
    covered = sum(one.covered for one in claims)
    held = sum(bool(one.held) and not one.covered for one in claims)
    quiet = sum(len(one.sentences) for one in drafted if not one.promise)
    return Summary(len(claims), covered, held, len(claims) - covered - held, quiet)


def quoted(value: object) -> str:
    """A value as YAML that is read back as it is: JSON, which quotes every text."""
    return json.dumps(value, ensure_ascii=False)


def comment(text: str, indent: str = "") -> str:
    """A comment of one line."""
    return f"{indent}# {safe(text, 400)}"


def page_lines(page: Page, drafted: Sequence[Drafted], *, name: str, live: bool) -> Iterator[str]:
    """The lines of a policy for a page, after whatever says who wrote it; `live`: the page stands at an address."""
    language = NAMES.get(page.language, page.language)
    yield comment(f"{page.source}, read as {page.kind}{f' in {language}' if language else ''}: {summary_of(drafted)}.")
    if page.language not in {"", ENGLISH}:
        yield comment(
            f"It is in {language}. Only English is read: whether a sentence promises something, and what decides it, is for you."
        )
    yield "# Every sentence of the page stands here in its own words. Checks are proposed, with the words that speak for them; no threshold is set that"
    yield "# the page does not state. Look at each, above all where the confidence is not high, and set the severity and who answers for it."
    yield "upheld: policy/1"
    yield f"name: {quoted(name)}"
    yield f"publication: {{source: {quoted(page.source)}}}"
    if page.left_out:
        yield comment(f"not found out: {page.left_out} sentences, which are too long or hold control characters")
    yield "claims:"
    for one in drafted:
        if one.promise:
            yield from claim_lines(one)
    if live:
        yield from _bound_to_page({one.id for one in drafted})
    quiet = [(sentence, one) for one in drafted if not one.promise for sentence in one.sentences]
    if quiet:
        yield "no_promise:"
    for sentence, one in quiet:
        yield no_promise_line(sentence, one)


def words(sentence: Sentence) -> str:
    """A sentence in its own words, without bullet and final period."""
    own = (sentence.verbatim or sentence.text).lstrip(_BULLETS)
    return own.removesuffix(".") if own.endswith(".") and not own.endswith("..") else own


def no_promise_line(sentence: Sentence, one: Drafted) -> str:
    """The line of a sentence that promises nothing, as an entry of `no_promise`."""
    return f"  - {{sentence: {quoted(words(sentence))}, why: {quoted(_why(one))}}}"


def _why(one: Drafted) -> str:
    why = _WHY[one.told.kind]
    said = one.told.words.strip()
    return f"{why} (“{safe(said, 60)}”)." if said and not why.endswith(".") else f"{why.removesuffix('.')}."


def claim_lines(one: Drafted) -> Iterator[str]:
    """The lines of a claim, as an entry of `claims`."""
    first = one.sentences[0]
    alone = len(one.sentences) == 1 and one.statement == first.text
    yield f"  - id: {one.id}"
    yield comment(_told(one), "    ")
    if one.because:
        yield comment(f"because {one.because}", "    ")
    statement = words(first) if alone else one.statement
    yield f"    statement: {quoted(statement)}"
    if not alone:
        yield f"    sentences: {quoted([words(sentence) for sentence in one.sentences])}"
    yield f"    section: {quoted(first.section or 'Security')}"
    yield "    severity: medium  # not found out: how much it hurts when it does not hold"
    yield "    owner: somebody  # not found out: the team that answers for it"
    if note := _note(one):
        yield f"    note: {quoted(note)}"
    parts = dict.fromkeys(part for check in (*one.checks, *one.held) for part in check.needs)
    if parts:
        yield comment(f"the target must describe: {', '.join(parts)}", "    ")
    ready = [check for check in one.checks if not check.asks]
    if ready:
        yield "    checks:"
    for check in ready:
        yield f"      - {_use(check)}"
        for name in check.any_value:
            yield comment(f"the page says nothing of {name}: with this value any will do", "        ")
    waiting = [*(check for check in one.checks if check.asks), *one.held]
    if waiting:
        yield comment(_HELD if one.held else _MORE, "    ")
    for check in waiting:
        yield comment(f"- {_use(check)}", "    ")


def _told(one: Drafted) -> str:
    kind = {Kind.FOREIGN: "not read"}.get(one.told.kind, one.told.kind.value)
    reach = f"; says {', '.join(dict.fromkeys(one.quantifiers))}" if one.quantifiers else ""
    confidence = f", confidence {one.confidence}" if one.checks else ""
    return f"{one.sentences[0].place}: {kind}{confidence}{reach}"


def _note(one: Drafted) -> str:
    if one.told.kind is Kind.FOREIGN and not one.note:
        language = NAMES.get(one.language, one.language)
        return f"not found out: it is in {language}, which is not read: what decides it, or why it promises nothing"
    return f"not found out: {one.note}" if one.note else ""


def _use(check: Proposal) -> str:
    given = [f"{name}: {quoted(value)}" for name, value in check.given.items()]
    given += [f"{name}: ?" for name, _ in check.asks]
    return f"{check.check}: {{{', '.join(given)}}}" if given else check.check


def _bound_to_page(taken: set[str]) -> Iterator[str]:
    name = "page-matches-policy"
    while name in taken:
        name += "-2"
    yield f"  - id: {name}"
    yield '    statement: "The published page says what this policy says, sentence by sentence"'
    yield '    section: "The page itself"'
    yield "    severity: medium  # not found out: how much it hurts when it does not hold"
    yield "    owner: somebody  # not found out: the team that answers for it"
    yield "    origin: policy"
    yield "    checks:"
    yield f"      - {PAGE_CHECK}"


def parameters_text(given: Mapping[str, Any]) -> str:
    """The parameters of a check as they stand behind its name; empty for none."""
    return ": {" + ", ".join(f"{name}: {quoted(value)}" for name, value in given.items()) + "}" if given else ""


def short_name(source: str) -> str:
    """What a page is called by its source: the host of an address, the name of a file."""
    return re.sub(r"^https?://([^/]+).*$", r"\1", source) if "://" in source else source.rpartition("/")[2]
