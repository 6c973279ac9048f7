"""The checks that claims name: found in the catalogue, their parameters checked strictly, overrides applied."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from upheld.catalogue import Catalogue, Check
from upheld.documents import Document, Location, Suggestions, mistakes_in, nearest, shorten
from upheld.errors import Mistake
from upheld.model import Override
from upheld.policies.model import CheckUse


@dataclass(slots=True)
class Use:
    """A use of a check while the policy is being loaded; an override may still change it."""

    check: str
    given: Mapping[str, Any]
    arguments_json: str
    not_applicable: str
    document: Document
    location: Location
    overridden: dict[str, tuple[Document, Location]] = field(default_factory=dict)
    """Where an override set a parameter, by its name."""

    def place(self, parameter: str = "") -> tuple[Document, Location]:
        """Where that parameter was set; where the check is named, for one that was not."""
        if parameter in self.overridden:
            return self.overridden[parameter]
        return self.document, (*self.location, parameter) if parameter in self.given else self.location

    def finished(self) -> CheckUse:
        """The use as it is planned."""
        line, _ = self.document.place(self.location, key=True)
        return CheckUse(self.check, self.given, self.arguments_json, self.not_applicable, line)


def named(items: object) -> set[str]:
    """The names of checks that a claim's `checks` hold, whether or not they are used rightly."""
    names: set[str] = set()
    for item in items if isinstance(items, list) else []:
        if isinstance(item, str):
            names.add(item)
        elif isinstance(item, dict):
            names.update(key for key in item if key != "not_applicable")
    return names


class Uses:
    """Validates uses of checks; the same check with the same parameters is validated once."""

    def __init__(self, catalogue: Catalogue, mistakes: list[Mistake], suggestions: Suggestions) -> None:
        self._catalogue = catalogue
        self._suggestions = suggestions
        self._nearest_check = functools.cache(catalogue.nearest)
        self._mistakes = mistakes
        self._known: dict[tuple[str, str], str | ValidationError | None] = {}

    def read(self, document: Document, at: Location, items: object) -> list[Use]:
        """The uses that a claim's `checks` name; what is wrong with them goes to the mistakes."""
        uses: list[Use] = []
        if not isinstance(items, list):
            return uses  # The file's model has said so.
        for index, item in enumerate(items):
            use = self._read_one(document, (*at, index), item)
            if use is not None:
                uses.append(use)
        self.refuse_twins(uses)
        return uses

    def refuse_twins(self, uses: Iterable[Use]) -> None:
        """Two uses of one check with the same parameters are a mistake, at the second."""
        seen: dict[tuple[str, str], Use] = {}
        for use in uses:
            first = seen.setdefault((use.check, use.arguments_json), use)
            if first is not use:
                line, column = first.document.place(first.location, key=True)
                message = f"the check {use.check} occurs twice with the same parameters: first at {line}:{column}"
                self._mistakes.append(use.document.mistake(use.location, message, key=True, expected="each use once"))

    def _read_one(self, document: Document, at: Location, item: object) -> Use | None:
        given: object = {}
        reason: object = ""
        location: Location = at
        if isinstance(item, str):
            name = item
        else:
            names = [key for key in item if key != "not_applicable"] if isinstance(item, dict) else []
            if len(names) != 1 or not isinstance(item, dict):
                expected = "the name of a check, or a mapping of one name to its parameters"
                got = f"the names {', '.join(names)}" if len(names) > 1 else shorten(item)
                self._mistakes.append(document.mistake(at, "is no use of one check", got=got, expected=expected))
                return None
            name = names[0]
            given = {} if item[name] is None else item[name]
            reason = item.get("not_applicable", "")
            location = (*at, name)
            if "not_applicable" in item and (not isinstance(reason, str) or not reason.strip()):
                where = (*at, "not_applicable")
                mistake = document.mistake(
                    where, "not_applicable gives no reason", got=shorten(reason), expected="a text that says why"
                )
                self._mistakes.append(mistake)
        if name not in self._catalogue:
            close = self._nearest_check(name)
            expected = "" if close else "one of those that `upheld list checks` shows"
            message = f"no check is called {shorten(name)}"
            mistake = document.mistake(location, message, key=True, expected=expected, nearest=close)
            self._mistakes.append(mistake)
            return None
        if not isinstance(given, dict):
            message = f"the parameters of {name} are not valid"
            mistake = document.mistake(
                location, message, got=shorten(given), expected="a mapping of parameters to values"
            )
            self._mistakes.append(mistake)
            return None
        outcome = self._validate(name, given)
        if isinstance(outcome, ValidationError):
            self._mistakes.extend(mistakes_in(outcome, document, self._catalogue[name].parameters, location))
        if not isinstance(outcome, str):
            return None
        return Use(name, given, outcome, reason if isinstance(reason, str) else "", document, location)

    def _validate(self, name: str, given: Mapping[str, Any]) -> str | ValidationError | None:
        """The canonical JSON of the arguments, or what is wrong with them; None when the check itself is at fault."""
        key = (name, json.dumps(given) if given else "")
        if key not in self._known:
            try:
                self._known[key] = self._catalogue[name].arguments(given)[1]
            except ValidationError as error:
                self._known[key] = error
            except Exception as error:  # A stranger's types may raise anything; it is a mistake in the check's file.
                check = self._catalogue[name]
                message = f"check {name}: its parameters have types that cannot be validated: {error}"
                self._mistakes.append(Mistake(check.file, check.line, 1, message, expected="types that pydantic knows"))
                self._known[key] = None
        return self._known[key]

    # --- overrides -------------------------------------------------------------------------------------------------

    def override(
        self, document: Document, uses_of: Mapping[str, list[Use]], names_of: Mapping[str, Collection[str]] | None
    ) -> Iterator[Override]:
        """Apply the overrides of one file; gives those that changed something.

        `names_of` has the names of each claim's checks; None when not every claim could be read, so that none is judged.
        """
        claims = document.data.get("override")
        for claim, checks in claims.items() if isinstance(claims, dict) else ():
            if names_of is not None and claim not in names_of:
                close = self._suggestions.nearest(claim, names_of)
                message = f"the override is for a claim that is not there: {shorten(claim)}"
                expected = "" if close else "the id of a claim"
                self._mistakes.append(
                    document.mistake(("override", claim), message, key=True, expected=expected, nearest=close)
                )
            for check, parameters in checks.items() if isinstance(checks, dict) and claim in uses_of else ():
                if names_of is not None and check not in names_of[claim]:
                    close = nearest(check, names_of[claim])
                    message = f"the override is for a check that {claim} does not use: {shorten(check)}"
                    where = ("override", claim, check)
                    expected = "" if close else "a check of that claim"
                    mistake = document.mistake(where, message, key=True, expected=expected, nearest=close)
                    self._mistakes.append(mistake)
                if isinstance(parameters, dict):
                    chosen = [use for use in uses_of[claim] if use.check == check]
                    yield from self._override_uses(document, claim, parameters, chosen)

    def _override_uses(
        self, document: Document, claim: str, parameters: Mapping[str, Any], chosen: list[Use]
    ) -> Iterator[Override]:
        for use in chosen:
            merged = {**use.given, **parameters}
            outcome = self._validate(use.check, merged)
            if isinstance(outcome, ValidationError):
                model = self._catalogue[use.check].parameters
                self._mistakes.extend(mistakes_in(outcome, document, model, ("override", claim, use.check)))
            if not isinstance(outcome, str):
                continue
            before, after = json.loads(use.arguments_json), json.loads(outcome)
            for parameter in parameters:
                if before.get(parameter) != after.get(parameter):
                    yield Override(
                        document.file, claim, use.check, parameter, before.get(parameter), after.get(parameter)
                    )
                    use.overridden[parameter] = document, ("override", claim, use.check, parameter)
            use.given, use.arguments_json = merged, outcome


def compulsory(check: Check) -> bool:
    """Whether the check has a parameter that a policy must set."""
    return any(field.is_required() for field in check.parameters.model_fields.values())
