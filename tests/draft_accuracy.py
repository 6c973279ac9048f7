"""How well `upheld draft` reads the labelled pages of tests/data/pages, and the published page that policies.yaml is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from upheld.catalogue import Catalogue
from upheld.drafting.phrases import Phrases, load_phrases
from upheld.drafting.proposing import Drafted, draft
from upheld.policies import Policy, load
from upheld.probes.html_text import sentences
from upheld.reading import of_file

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "tests" / "data" / "pages"
PUBLISHED = ROOT / "tests" / "data" / "published-security-page.txt"


@dataclass
class Score:
    """Counts over pages, and every mistake in words."""

    sentences: int = 0
    right_promises: int = 0
    false_promises: int = 0
    missed_promises: int = 0
    kinds: int = 0
    right_kinds: int = 0
    decidable: int = 0
    right_family: int = 0
    parameters: int = 0
    right_parameters: int = 0
    invented: int = 0
    foreign: int = 0
    right_foreign: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Of the sentences that are said to promise something, the share that does."""
        return self.right_promises / max(1, self.right_promises + self.false_promises)

    @property
    def recall(self) -> float:
        """Of the sentences that promise something, the share that is said to."""
        return self.right_promises / max(1, self.right_promises + self.missed_promises)

    @property
    def family(self) -> float:
        """Of the promises that the catalogue can decide, the share with a check of the right family."""
        return self.right_family / max(1, self.decidable)

    @property
    def right(self) -> float:
        """Of the parameters that sentences state, the share that is read right."""
        return self.right_parameters / max(1, self.parameters)

    @property
    def kind(self) -> float:
        """Of all sentences in English, the share whose kind is right."""
        return self.right_kinds / max(1, self.kinds)

    def __str__(self) -> str:
        return (
            f"{self.sentences} sentences: promise or not: precision {self.precision:.3f}, recall {self.recall:.3f}; kind {self.kind:.3f}; "
            f"family {self.right_family}/{self.decidable} = {self.family:.3f}; parameters {self.right_parameters}/{self.parameters} = "
            f"{self.right:.3f}; invented thresholds {self.invented}; in another language {self.right_foreign}/{self.foreign}"
        )


def catalogue() -> Catalogue:
    """The built-in checks."""
    return Catalogue.load(ROOT / "checks")


def pages(folder: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The pages of a folder with their labels."""
    for labels in sorted((PAGES / folder).glob("*.labels.yaml")):
        yield (
            labels.with_name(labels.name.removesuffix(".labels.yaml")),
            yaml.safe_load(labels.read_text(encoding="utf-8")),
        )


def score(folder: str, checks: Catalogue, phrases: Phrases | None = None) -> Score:
    """How well the pages of a folder are read."""
    phrases = phrases or load_phrases(checks)
    total = Score()
    for path, labels in pages(folder):
        made = {one.text: drafted for drafted in draft(of_file(path), checks, phrases) for one in drafted.sentences}
        for label in labels["sentences"]:
            _judge(path.name, label, made[label["sentence"]], total)
    return total


def _judge(page: str, label: dict[str, Any], made: Drafted, total: Score) -> None:
    total.sentences += 1
    text = label["sentence"]

    def wrong(what: str) -> None:
        total.wrong.append(f"{page}: {what}: {text!r} [{made.told.kind.value}: {made.told.words}] {made.matched}")

    if label.get("language"):
        total.foreign += 1
        total.right_foreign += made.language == label["language"] and not made.checks and not made.held
        return
    total.right_promises += made.promise and label["promise"]
    if made.promise and not label["promise"]:
        total.false_promises += 1
        wrong(f"no promise ({label['kind']}), said to be one")
    if label["promise"] and not made.promise:
        total.missed_promises += 1
        wrong("a promise, missed")
    if not label.get("carried_by"):
        total.kinds += 1
        quiet = {"heading", "other"}
        same = label["kind"] == made.told.kind.value or {label["kind"], made.told.kind.value} <= quiet
        total.right_kinds += same
        if not same and label["promise"] == made.promise:
            wrong(f"kind {label['kind']} (only the kind)")
    _parameters(label, made, total, wrong)


def _parameters(label: dict[str, Any], made: Drafted, total: Score, wrong: Any) -> None:
    proposed = [*made.checks, *made.held]
    families = {one.check.partition(".")[0] for one in proposed}
    wanted = set(label.get("family", ()))
    if wanted and "none" not in wanted:
        total.decidable += 1
        total.right_family += bool(wanted & families)
        if not wanted & families:
            wrong(f"family {sorted(wanted)}, not {sorted(families)}")
    stated = label.get("parameters", {})
    of_family = [one for one in proposed if one.check.partition(".")[0] in wanted]
    for name, value in stated.items():
        total.parameters += 1
        read = [one.given[name] for one in of_family if name in one.given]
        right = bool(read) and all(one == value for one in read)
        total.right_parameters += right
        if not right:
            wrong(f"parameter {name}: {value!r}, not {read}")
    if label.get("carried_by"):
        return
    for one in proposed:
        for name, value in one.given.items():
            threshold = isinstance(value, int | float) or (
                isinstance(value, str) and any(c.isdigit() for c in value) and name == "minimum"
            )
            if (
                threshold
                and name not in one.any_value
                and stated.get(name, value if _same_number(stated, value) else None) != value
            ):
                total.invented += 1
                wrong(f"invented {one.check} {name}: {value!r}")


def _same_number(stated: dict[str, Any], value: object) -> bool:
    """Whether that number is stated for the claim under another name (a sentence that states two things, say)."""
    return value in stated.values()


@dataclass
class Published:
    """How the published page is read: its claims, those found with a check of theirs, the same with parameters that differ, mistakes."""

    claims: int = 0
    found: int = 0
    parameters: int = 0
    right_parameters: int = 0
    invented: int = 0
    right_promises: int = 0
    false_promises: int = 0
    missed_promises: int = 0
    covered: int = 0
    wrong: list[str] = field(default_factory=list)


def published(checks: Catalogue, phrases: Phrases | None = None) -> Published:
    """How the page of policies.yaml is read, without the help of policies.yaml."""
    policy = load(ROOT / "policies.yaml", checks, today=date(2026, 1, 1))
    made = draft(of_file(PUBLISHED), checks, phrases or load_phrases(checks))
    by_text = {one.text: drafted for drafted in made for one in drafted.sentences}
    quiet = {one for text, _ in policy.no_promise for one in sentences(text)}
    total = Published()
    for text, one in by_text.items():
        total.right_promises += one.promise and text not in quiet
        if one.promise and text in quiet:
            total.false_promises += 1
            total.wrong.append(f"no promise, said to be one: {text!r} {one.matched}")
        if not one.promise and text not in quiet:
            total.missed_promises += 1
            total.wrong.append(f"a promise, missed: {text!r} [{one.told.kind.value}: {one.told.words}] {one.matched}")
    families = _families(policy)
    for claim in policy.claims:
        total.claims += 1
        if claim.origin != "page":
            total.found += 1  # What compares the page with the policy is added to every draft of a page that is live.
            continue
        carried = [one for text in claim.sentences for line in text.splitlines() for one in sentences(line)]
        drafted = [by_text[one] for one in carried if one in by_text and by_text[one].promise]
        proposed = [use for one in drafted for use in (*one.checks, *one.held)]
        same = {use.check.partition(".")[0] for use in proposed} & families[claim.id]
        total.found += bool(same)
        total.covered += any(one.checks for one in drafted)
        if not same:
            total.wrong.append(f"{claim.id}: {sorted(families[claim.id])}, not {[use.check for use in proposed]}")
        own = {use.check: use.given for use in claim.uses}
        words = " ".join(carried)
        for use in proposed:
            for name, value in use.given.items():
                if isinstance(value, int | float) and name not in use.any_value:
                    total.parameters += 1
                    right = own.get(use.check, {}).get(name, value) == value
                    total.right_parameters += right
                    total.invented += not _stated(value, words)
                    if not right or not _stated(value, words):
                        total.wrong.append(f"{claim.id}: {use.check} {name}: {value}")
    return total


def _stated(value: float, words: str) -> bool:
    spelled = {24: "daily"}
    return f"{value:g}" in words or spelled.get(int(value), "\0") in words


def _families(policy: Policy) -> dict[str, set[str]]:
    """The families of the checks that decide each claim, by way of the claims that decide it too."""
    by_id = {one.id: one for one in policy.claims}

    def of(name: str) -> set[str]:
        claim = by_id[name]
        return {use.check.partition(".")[0] for use in claim.uses} | {
            one for other in claim.decided_by for one in of(other)
        }

    return {name: of(name) for name in by_id}
