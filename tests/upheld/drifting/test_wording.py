"""Page drift over generated edits: every change of meaning is found, no change of layout is reported."""

from __future__ import annotations

import html
import random
from datetime import date

import pytest

from loopback import ROOT
from upheld.catalogue import Catalogue
from upheld.policies import load
from upheld.probes.html_text import content
from upheld.probes.wording import compare, key

from . import page_edits

POLICY = load(ROOT / "policies.yaml", Catalogue.load(ROOT / "checks"), today=date(2026, 1, 1))
CLAIMS = {claim.id: page_edits.cut(claim.sentences) for claim in POLICY.claims}
NO_PROMISE = page_edits.cut([sentence for sentence, _ in POLICY.no_promise])


def drift(lines):
    return compare(page_edits.cut(lines), CLAIMS, NO_PROMISE)


def test_the_page_as_it_is_does_not_differ() -> None:
    found = drift(page_edits.LINES)
    assert not found, found


def test_every_change_of_meaning_is_found() -> None:
    edits = [
        edit
        for edit in page_edits.meaning()
        # Sentences that promise nothing are no claim's: that they are gone is no drift, that they change is.
        if not (edit.what.startswith("without") and not gone_matters(edit))
    ]
    missed = [edit.what for edit in edits if not drift(edit.lines)]
    assert len(edits) >= 200
    assert missed == []


def gone_matters(edit: page_edits.Edit) -> bool:
    before, after = set(map(key, page_edits.cut(page_edits.LINES))), set(map(key, page_edits.cut(edit.lines)))
    return bool((before - after) - set(map(key, NO_PROMISE)))


def test_no_change_of_dress_is_reported() -> None:
    edits = [edit for seed in range(8) for edit in page_edits.dress(seed)]
    reported = [(edit.what, found.new, found.gone, found.torn) for edit in edits if (found := drift(edit.lines))]
    assert len(edits) >= 200
    assert reported == []


def test_a_change_of_meaning_is_found_under_any_dress() -> None:
    """Both at once: each edit of the words on a page that is laid out in another way."""
    chance = random.Random(8)
    edits = list(page_edits.meaning())
    missed = []
    for edit in chance.sample(edits, 60):
        if edit.what.startswith("without"):
            continue
        dressed = tuple(line.upper().replace(" ", "\u00a0").rstrip(".") for line in edit.lines)
        blocks = list(dressed)
        missed += [] if drift(blocks) else [edit.what]
    assert missed == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It’s “kept” for 1,000 days.", "it's 'kept' for 1000 days"),
        ("• Isolated — per workspace", "Isolated: per workspace"),
        ("AES-256", "aes 256"),
        ("1. Backups & logs", "backups and logs"),
        ("99.9 % uptime", "99.9% Uptime"),
        ("up\u00adtime", "uptime"),
        ("1\u202f000 days", "1000 days"),
    ],
)
def test_texts_that_say_the_same_have_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TLS 1.2+", "TLS 1.2"),
        ("TLS 1.2", "TLS 12"),
        ("90 days", "9.0 days"),
        ("Tokens aren't logged", "Tokens are logged"),
        ("We store it", "We store it?"),
        ("≥ 90 days", "≤ 90 days"),
        ("SSO ✓", "SSO ✗"),
        ("1,5 hours", "15 hours"),
        ("customers' data", "customer's data"),
        ("3-5 days", "35 days"),
        ("$100", "€100"),
    ],
)
def test_texts_that_say_something_else_have_two(one: str, other: str) -> None:
    assert key(one) != key(other)


CARDS = {"rest": ["At rest", "AES-256"], "transit": ["In transit", "TLS 1.2+"]}


@pytest.mark.parametrize(
    ("page", "torn"),
    [
        (["At rest", "AES-256", "In transit", "TLS 1.2+"], False),
        (["In transit", "TLS 1.2+", "At rest", "AES-256"], False),
        (["At rest", "In transit", "AES-256", "TLS 1.2+"], False),
        (["At rest: AES-256", "In transit: TLS 1.2+"], False),
        (["At rest", "TLS 1.2+", "In transit", "AES-256"], True),
        (["At rest", "In transit", "TLS 1.2+", "AES-256"], True),
        (["At rest: TLS 1.2+", "In transit: AES-256"], True),
    ],
)
def test_figures_stand_with_their_labels(page: list[str], torn: bool) -> None:
    found = compare(page, CARDS, [])
    assert bool(found) is torn, found


def html_of(lines: tuple[str, ...], chance: random.Random) -> str:
    """A page of these lines, each in an element that is drawn, with some words in elements of their own."""
    parts = []
    for line in lines:
        words = [html.escape(word) for word in line.split()]
        at = chance.randrange(len(words))
        words[at] = chance.choice(["<b>{}</b>", "<a href='/x'>{}</a>", "<span>{}</span>", "{}"]).format(words[at])
        outer = chance.choice(
            [
                "<p>{}</p>",
                "<ul><li>{}</li></ul>",
                "<table><tr><td>{}</td></tr></table>",
                "<div><div>{}</div></div>",
                "<h3>{}</h3>",
            ]
        )
        parts.append(outer.format(chance.choice([" ", "\n ", "&nbsp;"]).join(words)))
    return f"<main>{''.join(parts)}</main>"


@pytest.mark.parametrize("seed", range(4))
def test_in_html_of_any_layout_the_same_is_found(seed: int) -> None:
    chance = random.Random(seed)
    same = content(html_of(page_edits.LINES, chance), "main", "https://x/").sentences
    assert not compare(same, CLAIMS, NO_PROMISE)
    for edit in chance.sample([one for one in page_edits.meaning() if not one.what.startswith("without")], 10):
        changed = content(html_of(edit.lines, chance), "main", "https://x/").sentences
        assert compare(changed, CLAIMS, NO_PROMISE), edit.what
