"""What `parameters.yaml` says: how the parameters of each built-in check are compared with words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from upheld.documents import load, validate
from upheld.errors import InputError, Mistake

FILE = Path(__file__).with_name("parameters.yaml")

Direction = Literal["lower", "higher"]
Unit = Literal[
    "seconds", "minutes", "hours", "days", "business days", "bits", "TLS", "requests", "attempts", "approvals"
]
Word = Annotated[str, Field(pattern=r"\S")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Part):
    """A number that a page states."""

    measures: Unit = Field(description="What the parameter's number counts.")
    stricter: Direction = Field(description="Which way the check shows more; `lower` means that it shows `at most`.")
    interval: bool = Field(default=False, description="Whether it is how often something is done.")
    of: str = Field(default="", description="The cipher of which it is the size.")
    slack: float = Field(default=0, description="How far it may go beyond the words and still tell kept from broken.")
    about: tuple[Word, ...] = Field(default=(), description="Beginnings of words near which the number stands.")
    vague: dict[str, float] = Field(
        default={},
        description="Beginnings of words that state it without a number, and the number that they stand for.",
    )


class Bounded(_Part):
    """What no page states, and what may be at the check's own default at the loosest."""

    bounded: Direction = Field(description="Which way is stricter.")
    order: tuple[str | bool, ...] = Field(default=(), description="Values that are no numbers, the loosest first.")


class Covering(_Part):
    """A list that may leave out nothing of the check's own default."""

    must_cover: Literal["default"]


class Names(_Part):
    """A list in which everything must be that the words name."""

    names: dict[str, tuple[Word, ...]] = Field(description="An item, and beginnings of words that name it.")


class Narrowing(_Part):
    """A list of the things that are looked at; empty means all."""

    narrows: Word = Field(description="What it is a list of.")


class Country(_Part):
    """A country by its ISO 3166-1 code, which the words may name."""

    place: Literal["country"]


class Setting(_Part):
    """How a check looks, or what it is about."""

    setting: Word = Field(description="What it sets.")


Comparison = Threshold | Bounded | Covering | Names | Narrowing | Country | Setting


class Table(_Part):
    """How parameters are compared with words."""

    upheld: Literal["strength/1"] = Field(description="The format of this file.")
    checks: dict[str, dict[str, Comparison]] = Field(description="Check, parameter, and how it is compared.")
    configuration: tuple[str, ...] = Field(description="Checks that read how something is set, and not what it does.")
    by_itself: dict[str, tuple[Unit, ...]] = Field(description="What checks measure without a parameter for it.")
    endpoints: tuple[str, ...] = Field(description="Checks whose subjects are the target's endpoints.")

    def of(self, check: str) -> Mapping[str, Comparison]:
        """The parameters of a check; none for one that is not built in, or has none."""
        return self.checks.get(check, {})


@cache
def table() -> Table:
    """The built-in table; raises InputError when the file is damaged."""
    document = load(FILE)
    if not isinstance(document.data, dict):
        raise InputError([Mistake(str(FILE), 1, 1, "is no table", expected="a mapping")])
    return validate(document, Table)
