"""What a justification for reading a message must say: rules as data, which the database applies."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rules:
    """The rules; `staff.justification_problem` judges by the row that they become."""

    minimum_words: int = 4
    """How many different words must say why, besides the ticket and boilerplate."""
    minimum_word_letters: int = 2
    """How many letters a word must have to count."""
    ticket_pattern: str = r"\mSUP-[0-9]{1,7}\M"
    """The regular expression (PostgreSQL's) of the ticket that must be named."""
    boilerplate: tuple[str, ...] = (
        *("asdf", "qwerty", "foo", "bar", "baz", "lorem", "ipsum", "dolor", "na", "none", "nothing", "xxx", "abc"),
        *("test", "testing", "tests", "check", "checking", "debug", "debugging", "look", "looking", "just", "because"),
        *("support", "customer", "request", "requested", "ticket", "issue", "reason", "access", "read", "reading"),
        *(
            "message",
            "needed",
            "need",
            "work",
            "please",
            "the",
            "an",
            "and",
            "of",
            "to",
            "for",
            "in",
            "is",
            "it",
            "this",
        ),
    )
    """Words that could stand in any justification, and so do not count."""

    def row(self) -> dict[str, Any]:
        """The rules by column."""
        return {**dataclasses.asdict(self), "boilerplate": list(self.boilerplate)}


RULES = Rules()
"""The rules of the staff console."""
EXAMPLE = "SUP-4711: customer says the delivery notice arrived twice; comparing both texts with their automation"
"""A justification that satisfies them."""
