"""What a page says now, as a change to its policy: new wordings with the old ones kept, tombstones, and new sentences."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from upheld.drifting.splicing import Text, quoted
from upheld.errors import InputError, Mistake
from upheld.policies.model import Claim, Policy
from upheld.probes.html_text import sentences
from upheld.probes.wording import Change, Drift, compare, key
from upheld.reading import Page, Sentence

Entry = Callable[[Sentence, set[str]], tuple[list[str], bool]]
"""The lines of an entry for a new sentence, with ids that are taken already, and whether it is a claim (else it promises nothing)."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """How page and policy differ, the policy's text before and after the change, and what the change leaves to a person."""

    drift: Drift
    file: str
    before: str
    after: str
    said: tuple[str, ...]

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), self.file, self.file
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def propose(policy: Policy, page: Page, today: date, entry: Entry | None = None) -> Proposed:
    """What `page` says otherwise than `policy`, and the change to the policy's file that says the same.

    Raises InputError where the policy is spread over several files, for a change must be in one.
    """
    if len(policy.files) > 1:
        expected = "the file that has the claims itself"
        message = f"is put together from {len(policy.files)} files, and a change is proposed to one"
        raise InputError([Mistake(policy.file, 0, 0, message, expected=expected)])
    # As the policy was loaded from it, it is UTF-8; a mark at its start is part of the text.
    before = Path(policy.file).read_bytes().decode("utf-8")
    carried = {claim.id: _cut(claim.sentences) for claim in policy.claims if claim.sentences}
    drift = compare([one.text for one in page.sentences], carried, _cut([text for text, _ in policy.no_promise]))
    writing = _Writing(policy, page, drift, Text(before), today, entry or plain_entry)
    said = writing.write() if drift else ()
    return Proposed(drift, policy.file, before, writing.text.changed(), tuple(said))


def plain_entry(sentence: Sentence, taken: set[str]) -> tuple[list[str], bool]:
    """A claim that nothing decides yet, in the sentence's own words."""
    words = [word for word in key(sentence.text) if word.isascii() and word.isalnum()][:6]
    base = "-".join(words)[:60].strip("-") or "claim"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return [
        f"  - id: {name}",
        f"    statement: {quoted(_own(sentence))}",
        f"    section: {quoted(sentence.section or 'Security')}",
        "    severity: medium  # not found out: how much it hurts when it does not hold",
        "    owner: somebody  # not found out: the team that answers for it",
        '    note: "not found out: which check decides it, or why it promises nothing (then it belongs under no_promise)"',
    ], True


class _Writing:
    def __init__(self, policy: Policy, page: Page, drift: Drift, text: Text, today: date, entry: Entry) -> None:
        self._policy = policy
        self._page = page
        self._drift = drift
        self.text = text
        self._today = today
        self._entry = entry
        self._own = {one.text: _own(one) for one in page.sentences}
        self._said: list[str] = []

    def write(self) -> list[str]:
        nodes = self.text.claims()
        gone: dict[str, list[str]] = {}
        for of, sentence in self._drift.gone:
            gone.setdefault(of, []).append(sentence)
        changed: dict[str, list[Change]] = {}
        for change in self._drift.changed:
            changed.setdefault(change.claim, []).append(change)
        for claim in self._policy.claims:
            if claim.id in gone:
                self._reword(claim, nodes[claim.id], gone[claim.id], changed.get(claim.id, []))
        self._add_new()
        for torn in self._drift.torn:
            self._said.append(
                f"{torn.claim}: “{torn.second}” no longer stands with “{torn.first}”, which “{torn.now}” follows now: for you to change"
            )
        return self._said

    def _reword(self, claim: Claim, node: object, gone: Sequence[str], changed: Sequence[Change]) -> None:
        became = {one.before: one.after for one in changed}
        carried = [(index, one) for index, text in enumerate(claim.sentences) for one in _cut([text])]
        lost = {one for one in gone if one not in became}
        if len(lost) == len({one for _, one in carried}):
            self._retract(claim, node)
            return
        listed = self.text.sentences(node)
        statement = claim.statement
        drop: set[int] = set()
        before: list[str] = []
        for index, text in enumerate(claim.sentences):
            parts = _cut([text])
            if not any(one in gone for one in parts):
                continue
            before.append(text)
            kept = [
                self._own.get(became[one], became[one]) if one in became else one for one in parts if one not in lost
            ]
            after = ". ".join(kept)
            if not kept:
                drop.add(index)
            elif listed:
                self.text.set_scalar(listed[index], after)
            statement = _in_statement(statement, text, after, parts, became)
        if drop:
            self.text.drop_sentences(node, drop)
        if statement != claim.statement:
            self.text.set_value(node, "statement", statement)
        elif listed:
            self._said.append(f"{claim.id}: its statement is in your own words; look whether it is still true")
        item: dict[str, object] = {"until": self._today.isoformat(), "statement": claim.statement}
        if [key(one) for one in before] != [key(claim.statement)]:
            item["sentences"] = before
        self.text.prepend(node, "previously", item)

    def _retract(self, claim: Claim, node: object) -> None:
        deciding = [one.id for one in self._policy.claims if claim.id in one.decided_by]
        if not deciding:
            why = {"day": self._today.isoformat(), "why": "The page no longer says it."}
            self.text.add(node, "retracted", why)
            return
        # Without it the others would be upheld too easily: it goes on deciding them, as a claim of the policy's own.
        self.text.drop_sentences(node, set(range(len(self.text.sentences(node)))))
        self.text.set_value(node, "origin", "policy")
        item: dict[str, object] = {
            "until": self._today.isoformat(),
            "statement": claim.statement,
            "why": "The page no longer says it.",
        }
        self.text.prepend(node, "previously", item)
        self._said.append(
            f"{claim.id}: the page no longer says it, but it decides {', '.join(deciding)}: it stays, with origin: policy"
        )

    def _add_new(self) -> None:
        reworded = {one.after for one in self._drift.changed}
        new = {one for one in self._drift.new if one not in reworded}
        taken = {claim.id for claim in self._policy.claims} | {one.id for one in self._policy.retracted}
        carrying = {key(one): claim.id for claim in self._policy.claims for one in _cut(claim.sentences)}
        carrying |= {key(one.after): one.claim for one in self._drift.changed}
        behind = ""
        waiting: dict[str, list[str]] = {}
        quiet: list[str] = []
        for sentence in self._page.sentences:
            behind = carrying.get(key(sentence.text), behind)
            if sentence.text not in new:
                continue
            lines, is_claim = self._entry(sentence, taken)
            if is_claim:
                taken.add(lines[0].partition("id: ")[2])
                waiting.setdefault(behind, []).extend(lines)
            else:
                quiet.extend(lines)
        for place, lines in waiting.items():
            self.text.insert_claim(place, lines)
        if quiet:
            self.text.insert_no_promise(quiet)


def _in_statement(statement: str, before: str, after: str, parts: Sequence[str], became: dict[str, str]) -> str:
    """The statement with the new words in the place of the old ones, where it has these."""
    if not after:
        return statement
    if key(statement) == key(before):
        return after
    for part in (before, *parts):
        if part in statement:
            return statement.replace(part, after if part == before else became.get(part, part))
    return statement


def _own(sentence: Sentence) -> str:
    """A sentence in its own words, without bullet and final period."""
    own = (sentence.verbatim or sentence.text).lstrip("•·▪‣◦* ")
    return own.removesuffix(".") if not own.endswith("..") else own


def _cut(texts: Sequence[str]) -> list[str]:
    return [sentence for text in texts for line in text.splitlines() for sentence in sentences(line)]
