"""Answers from what a customer may be told of a run (`upheld.sharing`), and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from upheld.answering.matching import THRESHOLD, Matcher
from upheld.model import Status
from upheld.reading.quantities import quantities
from upheld.reporting.headline import MEANINGS
from upheld.reporting.text import safe
from upheld.sharing import document
from upheld.sharing.disclosing import Told
from upheld.sharing.view import LONGEST, day, notices

UNMATCHED = "unmatched"
"""The status of a question that no published claim answers."""
_NO_CLAIM = "No published claim answers this question."


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told about one question; every field is text for a cell, and empty where there is nothing to say."""

    status: str
    sentence: str = ""
    basis: str = ""
    explained: str = ""
    evidence: str = ""
    audited: str = ""
    confidence: str = ""
    caveats: str = ""

    def cells(self) -> Mapping[str, str]:
        """The fields by name, in their order."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


COLUMNS = tuple(one.name for one in fields(Answer))
"""The names of an answer's fields."""


class Answers:
    """Answers questions from one run."""

    def __init__(self, told: Told, threshold: float = THRESHOLD, *, signed: bool = False) -> None:
        """`told` is what the customer may know; `signed` whether a key stands for the numbers of its leaves."""
        self._told = told
        self._threshold = threshold
        opened = zip(told.opened, document.leaves(told.opened), strict=True)
        self._heads: list[tuple[int, Mapping[str, Any]]] = [
            (one.index, head) for one, head in opened if head["leaf"] == "claim"
        ]
        self._matcher = Matcher([f"{head['statement']} {head['section']}" for _, head in self._heads])
        # Whether a questionnaire is signed is for whoever sends it; the rest a reader must know of every answer.
        self._caveats = " ".join(notices(told.predicate, signed=True))
        self._signed = signed

    def answer(self, question: str) -> Answer:
        """The answer to a question; never better than the worst of the claims that it is given from."""
        found = self._matcher.matches(question, self._threshold)
        if not found:
            return Answer(UNMATCHED, explained=_NO_CLAIM, caveats=self._caveats)
        heads = [self._heads[one.claim] for one in found]
        worst = max((Status(head["status"]) for _, head in heads), key=lambda status: status.rank)
        several = len(heads) > 1
        run = self._told.predicate["run"]
        said = [] if worst is Status.UPHELD else [MEANINGS[worst]]
        said += self._unstated(question, [head["statement"] for _, head in heads])
        return Answer(
            status=worst.value,
            sentence=" / ".join(
                _text(f"{head['statement']} ({head['status']})" if several else head["statement"]) for _, head in heads
            ),
            basis=" / ".join(_text(head["basis"] or "none") for _, head in heads),
            explained=" ".join(said),
            evidence="; ".join(
                f"run {run['id']}, claim {_text(head['claim'])}, leaf {index}"
                + (f" of the tree {self._told.root}" if self._signed else "")
                for index, head in heads
            ),
            audited=day(run["finished"]),
            confidence=f"{found[0].confidence:.2f}",
            caveats=self._caveats,
        )

    @staticmethod
    def _unstated(question: str, sentences: Sequence[str]) -> list[str]:
        """What the question asks for in numbers that no sentence has."""
        stated = {(one.number, one.unit) for sentence in sentences for one in quantities(sentence)}
        asked = [one.words for one in quantities(question) if (one.number, one.unit) not in stated]
        return [f"The question says “{safe(words, 60)}”; what was published does not." for words in asked]


def _text(value: object) -> str:
    return safe(value, LONGEST)
