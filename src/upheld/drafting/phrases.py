"""The phrasings of claims: data files, validated, from the built-in folder and from folders of checks beside a policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from upheld import documents
from upheld.catalogue import Catalogue
from upheld.drafting import patterns
from upheld.drafting.parameters import READERS
from upheld.drafting.patterns import compiled
from upheld.errors import InputError, Mistake

FOLDER = Path(__file__).parent / "phrases"
FILE = "phrases.yaml"
"""What a folder of checks calls its own phrasings."""


def _pattern(value: str) -> str:
    try:
        compiled(value)
    except ValueError as error:
        raise PydanticCustomError("pattern", "{why}", {"why": str(error)}) from None
    return value


def _reader(value: str) -> str:
    if value not in READERS:
        known = ", ".join(sorted(READERS))
        raise PydanticCustomError(
            "reader", "nothing reads {value}; known are {known}", {"value": value, "known": known}
        )
    return value


Text = Annotated[str, Field(pattern=r"\S")]
Pattern = Annotated[str, AfterValidator(_pattern)]
Reader = Annotated[str, AfterValidator(_reader), Field(json_schema_extra={"enum": sorted(READERS)})]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckPhrase(_Part):
    """A check that decides a claim, and where its parameters are read from."""

    check: Text = Field(description="The check's id.")
    essential: bool = Field(
        default=False, description="Whether the claim has no checks at all when a parameter of this one is not stated."
    )
    parameters: Mapping[str, Reader] = Field(default={}, description="Parameter, and what of the sentence it is.")
    weakest: Mapping[str, Any] = Field(
        default={}, description="Parameter, and the value that any deployment that does it at all passes."
    )
    when: tuple[Pattern, ...] = Field(default=(), description="Patterns of which one must be there for this check.")


class ClaimPhrase(_Part):
    """A kind of claim: the words that make it, and the checks that decide it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = Field(description="Its name.")
    means: Text = Field(description="What is claimed, as a sentence.")
    promise: Literal["yes", "channel", "denial"] = Field(
        default="yes",
        description="`channel`: it asks for reports and promises a channel; `denial`: it says what is not offered.",
    )
    examples: tuple[Text, ...] = Field(
        min_length=1, description="Phrasings that must be recognised; a test tries them."
    )
    any: tuple[Pattern, ...] = Field(min_length=1, description="Patterns of which one must be there.")
    needs: tuple[Pattern, ...] = Field(default=(), description="Patterns of which one must be there as well.")
    none: tuple[Pattern, ...] = Field(default=(), description="Patterns of which none may be there.")
    states: Reader | None = Field(default=None, description="What the sentence must state.")
    lacks: Reader | None = Field(default=None, description="What the sentence must not state.")
    context: bool = Field(default=False, description="Whether the heading may say a part of it.")
    checks: tuple[CheckPhrase, ...] = Field(default=(), description="The checks that decide it.")
    uncovered: str = Field(default="", description="Without checks: why there is none, and what to do.")


class PhraseFile(_Part):
    """Phrasings of claims and the checks that decide them."""

    upheld: Literal["phrases/1"] = Field(description="The format of this file.")
    claims: tuple[ClaimPhrase, ...] = ()
    measures: Mapping[str, tuple[str, ...]] = Field(
        default={},
        description="Check, and its parameters that say how it looks: no page states them, and their defaults are used.",
    )


@dataclass(frozen=True)
class Phrase:
    """A kind of claim with its patterns compiled."""

    entry: ClaimPhrase
    any: tuple[patterns.Pattern, ...]
    needs: tuple[patterns.Pattern, ...]
    none: tuple[patterns.Pattern, ...]
    when: tuple[tuple[patterns.Pattern, ...], ...]


@dataclass(frozen=True)
class Phrases:
    """All kinds of claims, in the order of their files, and which parameters of checks are no business of a page."""

    phrases: tuple[Phrase, ...]
    measures: Mapping[str, frozenset[str]]

    @property
    def checks(self) -> frozenset[str]:
        """The ids of all checks that some phrasing names."""
        return frozenset(use.check for one in self.phrases for use in one.entry.checks)


def load_phrases(catalogue: Catalogue, *folders: Path) -> Phrases:
    """The built-in phrasings, and those in `phrases.yaml` of these folders of checks or of a folder inside of them.

    A use of a check that the catalogue does not have is left out. Raises InputError with the mistakes of all files, a
    parameter that its check does not have among them.
    """
    own = [file for folder in dict.fromkeys(one.resolve() for one in folders) for file in sorted(folder.rglob(FILE))]
    files = [*sorted(FOLDER.glob("*.yaml")), *own]
    mistakes: list[Mistake] = []
    entries: list[ClaimPhrase] = []
    measures: dict[str, frozenset[str]] = {}
    for file in files:
        try:
            data = _read(file)
        except InputError as error:
            mistakes.extend(error.mistakes)
            continue
        entries.extend(data.claims)
        for check, names in data.measures.items():
            measures[check] = measures.get(check, frozenset()) | frozenset(names)
        mistakes.extend(_strange(file, data, catalogue))
    if mistakes:
        raise InputError(mistakes)
    return Phrases(tuple(_compiled(one, catalogue) for one in entries), measures)


@cache
def _read(file: Path) -> PhraseFile:
    return documents.validate(documents.load(file), PhraseFile)


def _strange(file: Path, data: PhraseFile, catalogue: Catalogue) -> Iterable[Mistake]:
    """Names of parameters that the checks do not have."""
    for entry in data.claims:
        for use in entry.checks:
            if use.check in catalogue:
                known = catalogue[use.check].parameters.model_fields
                for name in {**use.parameters, **use.weakest}:
                    if name not in known:
                        message = f"claim {entry.id}: {use.check} has no parameter {name!r}"
                        yield Mistake(str(file), 0, 0, message, expected=", ".join(known) or "no parameter")
    for check, names in data.measures.items():
        for name in names:
            if check in catalogue and name not in catalogue[check].parameters.model_fields:
                yield Mistake(str(file), 0, 0, f"measures: {check} has no parameter {name!r}")


def _compiled(entry: ClaimPhrase, catalogue: Catalogue) -> Phrase:
    kept = tuple(use for use in entry.checks if use.check in catalogue)
    return Phrase(
        entry.model_copy(update={"checks": kept}),
        tuple(map(compiled, entry.any)),
        tuple(map(compiled, entry.needs)),
        tuple(map(compiled, entry.none)),
        tuple(tuple(map(compiled, use.when)) for use in kept),
    )
