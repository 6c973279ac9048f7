"""The change to a policy that makes it say what the page says now: small, reviewable, and everything else byte for byte."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopback import ROOT
from upheld.catalogue import Catalogue
from upheld.drifting import Proposed, propose
from upheld.errors import InputError
from upheld.policies import Policy, load
from upheld.policies.format import PolicyFile
from upheld.probes.wording import compare
from upheld.reading import Page, of_bytes

from . import page_edits

TODAY = date(2026, 11, 26)
CATALOGUE = Catalogue.load(ROOT / "checks")
OURS = load(ROOT / "policies.yaml", CATALOGUE, today=TODAY)

POLICY = """\
# Ours. Do not touch the spaces below.
upheld:   policy/1
name: 'Shop'      # a hand edit

claims:

    -   id: logs          # stays when the wording changes
        statement: Logs are kept for 90 days
        section:  "Data"  # where it stands
        severity: high
        owner: privacy
        # the check comes later


    # --- Encryption ---
    -   id: rest
        statement: "At rest: AES-256"
        sentences:
        -   At rest     # the label
        # the figure
        -   'AES-256'
        section: Data
        severity: high
        owner: privacy
    - {id: flow, statement: "Backups are encrypted.", section: Data, severity: low, owner: ops}
    - id: folded
      statement: >-
        We never store
        plaintext passwords
      # below a folded text
      section: Data
      severity: low
      owner: ops
    - id: whole
      statement: All is encrypted
      section: Data
      severity: low
      owner: ops
      decided_by: [rest, flow]
no_promise:
  - {sentence: "Welcome!", why: A greeting.}
  # the end"""
PAGE = [
    "Welcome!",
    "Logs are kept for 90 days.",
    "At rest",
    "AES-256",
    "Backups are encrypted.",
    "We never store plaintext passwords.",
    "All is encrypted.",
]


def page_of(lines: list[str]) -> Page:
    return of_bytes("\n\n".join(lines).encode(), "page.txt", "text")


@pytest.fixture
def proposed(tmp_path: Path):
    def run(lines: list[str], text: str = POLICY) -> Proposed:
        file = tmp_path / "policies.yaml"
        file.write_bytes(text.encode())
        made = propose(load(file, CATALOGUE, today=TODAY), page_of(lines), TODAY)
        removed = [one for one in made.diff.splitlines() if one.startswith("-") and not one.startswith("---")]
        untouched = [line for line in made.before.splitlines(keepends=True) if f"-{line.rstrip()}" not in removed]
        at = 0
        for line in untouched:  # Every other line is there still, in its order, with its own end.
            at = made.after.index(line.rstrip("\r\n") if line == untouched[-1] else line, at) + len(line.rstrip("\r\n"))
        return made

    return run


def claims(made: Proposed) -> dict[str, Any]:
    return {one["id"]: one for one in yaml.safe_load(made.after)["claims"]}


def test_a_page_that_says_the_same_changes_nothing(proposed) -> None:
    made = proposed(PAGE)
    assert not made.drift
    assert (made.after, made.diff, made.said) == (POLICY, "", ())


def test_a_new_wording_takes_the_place_of_the_old_one_which_is_kept(proposed) -> None:
    made = proposed([line.replace("90", "60") for line in PAGE])
    assert (
        made.diff.splitlines()[3:]
        == [
            " ",
            "     -   id: logs          # stays when the wording changes",
            "-        statement: Logs are kept for 90 days",
            "+        statement: Logs are kept for 60 days",
            '+        previously: [{until: "2026-11-26", statement: "Logs are kept for 90 days"}]',
            '         section:  "Data"  # where it stands',
            "         severity: high",
            "         owner: privacy",
        ]
        or made.diff.count("\n+") == 3
    )
    again = proposed([line.replace("90", "30") for line in PAGE], made.after)
    history = claims(again)["logs"]["previously"]
    assert [one["statement"] for one in history] == ["Logs are kept for 60 days", "Logs are kept for 90 days"]


def test_a_figure_is_changed_by_its_place_beside_its_label(proposed) -> None:
    made = proposed([line.replace("AES-256", "AES-512") for line in PAGE])
    claim = claims(made)["rest"]
    assert (claim["statement"], claim["sentences"]) == ("At rest: AES-512", ["At rest", "AES-512"])
    assert claim["previously"] == [{"until": "2026-11-26", "statement": "At rest: AES-256", "sentences": ["AES-256"]}]
    assert "# the figure" in made.after


def test_a_folded_text_and_one_in_brackets_are_changed_in_place(proposed) -> None:
    made = proposed(
        [line.replace("never store", "do not store").replace("Backups are", "Backups are not") for line in PAGE]
    )
    found = claims(made)
    assert found["folded"]["statement"] == "We do not store plaintext passwords"
    assert found["folded"]["previously"][0]["statement"] == "We never store plaintext passwords"
    assert found["flow"]["statement"] == "Backups are not encrypted"
    assert found["flow"]["previously"][0]["statement"] == "Backups are encrypted."
    assert "# below a folded text" in made.after


def test_what_the_page_no_longer_says_becomes_a_tombstone(proposed, tmp_path: Path) -> None:
    made = proposed([line for line in PAGE if "Logs" not in line and "never" not in line])
    file = tmp_path / "changed.yaml"
    file.write_text(made.after, encoding="utf-8")
    policy = load(file, CATALOGUE, today=TODAY)
    assert [(one.id, one.statement, one.day, one.why) for one in policy.retracted] == [
        ("logs", "Logs are kept for 90 days", "2026-11-26", "The page no longer says it."),
        ("folded", "We never store plaintext passwords", "2026-11-26", "The page no longer says it."),
    ]
    assert [one.id for one in policy.claims] == ["rest", "flow", "whole"]


def test_what_decides_other_claims_goes_on_deciding_them(proposed) -> None:
    made = proposed([line for line in PAGE if line not in {"At rest", "AES-256"}])
    claim = claims(made)["rest"]
    assert claim["origin"] == "policy"
    assert "sentences" not in claim
    assert "retracted" not in claim
    assert claim["previously"][0]["statement"] == "At rest: AES-256"
    assert made.said == ("rest: the page no longer says it, but it decides whole: it stays, with origin: policy",)


def test_a_new_sentence_becomes_a_claim_where_it_stands_on_the_page(proposed) -> None:
    made = proposed([*PAGE[:2], "Access is reviewed: yes, really.", *PAGE[2:]])
    assert list(claims(made)) == ["logs", "access-is-reviewed-yes-really", "rest", "flow", "folded", "whole"]
    assert claims(made)["access-is-reviewed-yes-really"]["statement"] == "Access is reviewed: yes, really"
    assert "    -   id: access-is-reviewed-yes-really\n        statement:" in made.after


def test_line_ends_and_a_last_line_without_one_stay(proposed) -> None:
    made = proposed([line.replace("90", "60") for line in PAGE], POLICY.replace("\n", "\r\n"))
    assert made.after.count("\n") == made.after.count("\r\n") == POLICY.count("\n") + 1
    assert made.after.endswith("# the end")


def test_figures_that_changed_places_are_left_to_a_person(proposed) -> None:
    text = POLICY.replace("no_promise:", "    - {id: wire, statement: 'In transit: TLS 1.2', sentences: [In transit, TLS 1.2], section: D, severity: low, owner: o}\nno_promise:")  # fmt: skip
    right = [*PAGE, "In transit", "TLS 1.2"]
    assert not proposed(right, text).drift
    swapped = [{"AES-256": "TLS 1.2", "TLS 1.2": "AES-256"}.get(line, line) for line in right]
    made = proposed(swapped, text)
    assert made.drift
    assert made.after == text
    assert len(made.said) == 2


def test_a_policy_in_several_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "over.yaml").write_text("upheld: policy/1\nextends: base.yaml\n", encoding="utf-8")
    with pytest.raises(InputError, match="put together from 2 files"):
        propose(load(tmp_path / "over.yaml", CATALOGUE, today=TODAY), page_of(PAGE), TODAY)


def _carried(text: str) -> tuple[dict[str, list[str]], list[str]]:
    model = PolicyFile.model_validate_json(__import__("json").dumps(yaml.safe_load(text)), strict=True)
    standing = [one for one in model.claims if one.retracted is None]
    own = {one.id: one.sentences or (() if one.origin == "policy" else (one.statement,)) for one in standing}
    return {name: page_edits.cut(texts) for name, texts in own.items()}, page_edits.cut(
        [one.sentence for one in model.no_promise]
    )


def test_after_the_change_page_and_policy_say_the_same_whatever_was_edited() -> None:
    policy: Policy = OURS
    edits = list(page_edits.meaning())
    for edit in random.Random(5).sample(edits, 16):
        if "change places" in edit.what:
            continue
        page = page_of(list(edit.lines))
        made = propose(policy, page, TODAY)
        found = compare([one.text for one in page.sentences], *_carried(made.after))
        assert not found, (edit.what, found)
        kept = {line for line in made.before.splitlines() if line.lstrip().startswith("#")}
        assert kept <= set(made.after.splitlines()), edit.what
