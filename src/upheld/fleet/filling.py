"""One target's description as it is put together from a file, an overlay and parameters, with the place where each part stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from upheld.documents import Document, Location, nearest, shorten
from upheld.errors import Mistake
from upheld.target.model import Target
from upheld.yaml_core import scalar

PARAMETER = r"[A-Za-z_][A-Za-z0-9_-]*"

_FILLED = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[^{}]*)\}|(?P<open>\{))")
_TYPES = {
    "int_type": int,
    "int_from_float": int,
    "float_type": (int, float),
    "bool_type": bool,
}
"""The errors of the model that say that a field wants no text, and what it wants instead."""


@dataclass(frozen=True, slots=True)
class Within:
    """A part of a document: what is at `at`."""

    document: Document
    at: tuple[str | int, ...] = ()

    @property
    def data(self) -> Any:
        """The part's value."""
        node = self.document.data
        for part in self.at:
            node = node[part]
        return node

    @property
    def where(self) -> str:
        """Its place, as `file:line:column`."""
        return self.below(())

    def below(self, location: Location) -> str:
        """The place of what is further down, as `file:line:column`."""
        file, line, column = self.document.where((*self.at, *location))
        return f"{file}:{line}:{column}"

    def mistake(self, location: Location, message: str, **details: Any) -> Mistake:
        """A mistake at something further down."""
        return self.document.mistake((*self.at, *location), message, **details)


@dataclass(frozen=True, slots=True)
class Row:
    """The parameters of one target; those from a table have no types, for all that stands in one is text."""

    part: Within
    values: Mapping[str, Any]
    untyped: bool = False


def merge(under: Any, over: Any) -> Any:
    """The JSON merge patch `over` applied to `under` (RFC 7396)."""
    if not isinstance(over, dict):
        return over
    merged = dict(under) if isinstance(under, dict) else {}
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


class Description(Document):
    """A description as data, whose parts stand in a file, in an overlay over it, or among the parameters that fill them."""

    __slots__ = ("_bare", "_base", "_keys_of", "_overlay", "_row", "unfilled", "wrong")

    def __init__(self, base: Document, overlay: Within | None = None, row: Row | None = None) -> None:
        """Merge and fill in; what cannot be is among the mistakes in `wrong`."""
        self.file = base.file
        self.digest = base.digest
        self._base = base
        self._overlay = overlay
        self._row = row
        self._bare: dict[Location, str] = {}
        self._keys_of: dict[Location, str] = {}
        self.wrong: list[Mistake] = []
        self.unfilled: set[tuple[str, int, int]] = set()
        """The places of what could not be filled in, so that what is said of it besides says nothing."""
        merged = base.data if overlay is None else merge(base.data, overlay.data)
        self.data = merged if row is None else self._filled(merged, ())
        if row is not None and row.untyped:
            self._give_types(row)

    def where(self, location: Location = (), *, key: bool = False) -> tuple[str, int, int]:
        """The file that the value (or its key) at that location stands in, and its place there."""
        if self._row is not None and self._bare and not (key and tuple(location) in self._bare):
            for length in range(len(location), 0, -1):
                if (name := self._bare.get(tuple(location[:length]))) is not None:
                    return self._row.part.document.where((*self._row.part.at, name, *location[length:]), key=key)
        return self._raw_where(self._raw(location), key=key)

    def _raw_where(self, raw: Location, *, key: bool) -> tuple[str, int, int]:
        """The same for what has not been filled in."""
        if self._overlay is not None and _is_over(self._base.data, self._overlay.data, raw):
            return self._overlay.document.where((*self._overlay.at, *raw), key=key)
        return self._base.where(raw, key=key)

    def place(self, location: Location = (), *, key: bool = False) -> tuple[int, int]:
        """Line and column in the file that `where` names."""
        _, line, column = self.where(location, key=key)
        return line, column

    def spot(self, location: Location) -> str:
        """The place with its file, which need not be that of another part."""
        file, line, column = self.where(location)
        return f"{file}:{line}:{column}"

    def lacking(self, location: Location, name: str) -> Mistake:
        """The mistake that something is missing; where the overlay took it away, told there."""
        node = self._overlay.data if self._overlay is not None else None
        for part in (raw := (*self._raw(location), name)):
            node = node.get(part, "") if isinstance(node, dict) else ""
        if self._overlay is not None and node is None:
            return self._overlay.mistake(
                raw, f"{name!r} is missing, for it is removed here", key=True, expected=f"a value for {name!r}"
            )
        return super().lacking(location, name)

    # --- parameters ------------------------------------------------------------------------------------------------

    def _filled(self, node: Any, at: tuple[str | int, ...]) -> Any:
        if isinstance(node, dict):
            made: dict[str, Any] = {}
            for key, value in node.items():
                name = self._key(key, at) if "$" in key else key
                if name in made:
                    where = self._raw_where((*self._raw(at), key), key=True)
                    message = f"a second key is {shorten(name)} once parameters are filled in"
                    self.wrong.append(Mistake(*where, message, expected="a key of its own"))
                if name != key:
                    self._keys_of[(*at, name)] = key
                made[name] = self._filled(value, (*at, name))
            return made
        if isinstance(node, list):
            return [self._filled(item, (*at, index)) for index, item in enumerate(node)]
        if isinstance(node, str) and "$" in node:
            return self._value(node, at)
        return node

    def _key(self, key: str, at: tuple[str | int, ...]) -> str:
        self._keys_of[(*at, key)] = key
        return "".join(self._pieces(key, (*at, key), key=True))

    def _value(self, text: str, at: tuple[str | int, ...]) -> Any:
        alone = _FILLED.fullmatch(text)
        name = alone["name"] if alone is not None else None
        if name is not None and self._row is not None and name in self._row.values:
            self._bare[at] = name
            return self._row.values[name]
        return "".join(self._pieces(text, at))

    def _pieces(self, text: str, at: tuple[str | int, ...], *, key: bool = False) -> Iterator[str]:
        end = 0
        for found in _FILLED.finditer(text):
            yield text[end : found.start()]
            end = found.end()
            if found["dollar"] is not None:
                yield "$"
            elif found["open"] is not None:
                message = "${ begins a parameter that is not closed"
                self.wrong.append(self.mistake(at, message, key=key, expected="${parameter}, or $${ for the text ${"))
                self.unfilled.add(self.where(at, key=key))
            else:
                yield self._text(found["name"], at, key=key)
        yield text[end:]

    def _text(self, name: str, at: tuple[str | int, ...], *, key: bool) -> str:
        """A parameter as a part of a text; an empty one where it cannot be that."""
        assert self._row is not None  # noqa: S101  (without one nothing is filled in)
        row, where = self._row, self.where(at, key=key)
        place = "{}:{}:{}".format(*where)
        value = row.values.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str | int):
            return str(value)
        if not re.fullmatch(PARAMETER, name):
            message = f"{shorten(name)} cannot be the name of a parameter"
            wrong = self.mistake(at, message, key=key, expected="letters, digits, _ and -, as in ${host}")
        elif name not in row.values:
            close = nearest(name, row.values)
            message = f"the parameter {name!r} is missing, which {place} asks for"
            wrong = row.part.mistake((), message, expected="" if close else f"a value for {name!r}", nearest=close)
        else:
            # Of 1.10 only 1.1 is left once it is a number, and nothing has no text: what it would say is not what is meant.
            message = f"the parameter {name!r} stands among other text at {place}, and is no text"
            expected = "a text" if row.untyped else "a text (in quotes)"
            wrong = row.part.mistake((name,), message, got=shorten(value), expected=expected)
        self.wrong.append(wrong)
        self.unfilled.add(where)
        return ""

    def _give_types(self, row: Row) -> None:
        """Read texts of a table as numbers, true or false where the model wants these; nowhere else are they anything but text."""
        if not self._bare:
            return
        for location, wanted in _not_texts(self.data):
            name = self._bare.get(location)
            text = row.values[name] if name is not None else None
            if isinstance(text, str):
                try:
                    value = scalar(text)
                except ValueError:
                    continue
                if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)):
                    _put(self.data, location, value)

    # --- places ----------------------------------------------------------------------------------------------------

    def _raw(self, location: Location) -> tuple[str | int, ...]:
        """The location in what was not filled in yet."""
        if not self._keys_of:
            return tuple(location)
        return tuple(self._keys_of.get(tuple(location[: index + 1]), part) for index, part in enumerate(location))


def _is_over(under: Any, over: Any, location: Location) -> bool:
    """Whether what is at that location of the two merged comes from the upper one."""
    for part in location:
        if not (isinstance(over, dict) and isinstance(under, dict)):
            return True
        if part not in over:
            return False
        over, under = over[part], under.get(part)
    return not (isinstance(over, dict) and isinstance(under, dict))


def _not_texts(data: Any) -> Iterator[tuple[Location, Any]]:
    """Where the model refuses a text because it wants another type, and which."""
    try:
        Target.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            if one["type"] in _TYPES:
                yield one["loc"], _TYPES[one["type"]]


def _put(data: Any, location: Location, value: Any) -> None:
    for part in location[:-1]:
        data = data[part]
    data[location[-1]] = value
