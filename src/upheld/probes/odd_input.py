"""Requests beside a valid one: each differs from it in one place, where it is not as the document says, or only just.

Which faults there are follows from the schema of each place: another type, nothing, a bound overstepped by one, a pattern
that does not match. The odd texts come from a file that says where they are from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from upheld.inputs import FOLDER
from upheld.probes.api_requests import Request, json_of

if TYPE_CHECKING:
    from upheld.probes.openapi import Operation
    from upheld.probes.schemas import Schema, Schemas

_FILE = FOLDER / "odd-texts.json"
_WORD = "upheld"
_ADDRESS_CHARACTERS = 4_000
"""Characters of a text that goes into a path, a query or a header: more is refused before anybody reads it."""
_LARGEST_BOUND = 20_000
_MOST_ITEMS = 1_000
_DEPTH = 4
# What no lenient reader takes for something else.
_OTHER_TYPE: Mapping[str, Any] = {
    "string": {_WORD: 1},
    "integer": _WORD,
    "number": _WORD,
    "boolean": _WORD,
    "array": _WORD,
    "object": _WORD,
}


@dataclass(frozen=True, slots=True)
class OddText:
    """A text that programs are known to stumble over; a `hard` one goes into every place."""

    name: str
    text: str
    hard: bool


@dataclass(frozen=True, slots=True)
class Odd:
    """One request that differs from a valid one at `place`; `allowed` when the document allows it all the same."""

    place: str
    what: str
    allowed: bool
    request: Request


@cache
def odd_texts() -> tuple[OddText, ...]:
    """Every text of the data file."""
    data = json.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        OddText(one["name"], one["text"] * one.get("repeat", 1), bool(one.get("hard"))) for one in data["texts"]
    )


def odd_requests(operation: Operation, valid: Request, schemas: Schemas) -> tuple[Odd, ...]:
    """Everything that is tried beside the `valid` request, the places in turn, so that a part of it is a part of each."""
    by_place: dict[str, list[Odd]] = {}
    for one in (*_in_parameters(operation, valid, schemas), *_in_body(operation, valid, schemas)):
        by_place.setdefault(one.place, []).append(one)
    longest = max((len(found) for found in by_place.values()), default=0)
    return tuple(found[turn] for turn in range(longest) for found in by_place.values() if turn < len(found))


def with_parameter(operation: Operation, request: Request, where: str, name: str, value: str | None) -> Request | None:
    """`request` with another value for one parameter (None: without it); None where such a request cannot be written."""
    if where == "path":
        return None if value is None else _with_path(operation, request, name, value)
    if where == "query":
        address, _, query = request.url.partition("?")
        pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != name]
        pairs += [(name, value)] if value is not None else []
        text = "&".join(f"{_quoted(key)}={_quoted(item)}" for key, item in pairs)
        return _changed(request, url=f"{address}?{text}" if text else address)
    headers = tuple(one for one in request.headers if one[0].lower() != name.lower())
    if value is not None:
        if not (value.isascii() and value.isprintable()):
            return None  # No client can send it.
        headers = (*headers, (name, value))
    return _changed(request, headers=headers)


def with_body(request: Request, body: Any) -> Request:
    """`request` with another JSON body."""
    return _changed(request, content=json.dumps(body).encode())


def _changed(request: Request, **parts: Any) -> Request:
    whole = {"url": request.url, "headers": request.headers, "content": request.content, **parts}
    return Request(request.method, whole["url"], whole["headers"], whole["content"], request.sent, request.verify)


def _with_path(operation: Operation, request: Request, name: str, value: str) -> Request | None:
    parts = urlsplit(request.url)
    sent, template = parts.path.split("/"), operation.path.split("/")
    # What the endpoint's own URL puts before the path stands before the template too.
    offset = len(sent) - len(template)
    if offset < 0 or f"{{{name}}}" not in template:
        return None
    sent[template.index(f"{{{name}}}") + offset] = _quoted(value)
    query = f"?{parts.query}" if parts.query else ""
    return _changed(request, url=f"{parts.scheme}://{parts.netloc}{'/'.join(sent)}{query}")


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


# --- parameters ----------------------------------------------------------------------------------------------------


def _in_parameters(operation: Operation, valid: Request, schemas: Schemas) -> Iterator[Odd]:
    for one in operation.parameters:
        if one.where not in {"path", "query", "header"}:
            continue
        schema = schemas.parameter(operation, one.where, one.name)
        leaf = schemas.leaf(schema)
        if leaf.get("type") in {"array", "object"}:
            continue  # How these are written is a matter of style that servers read in many ways.
        values = [*_texts(leaf, schemas), *_bounds(leaf)]
        seen: set[str] = set()
        for what, value in values:
            text = value if isinstance(value, str) else json.dumps(value)
            text = text[:_ADDRESS_CHARACTERS]
            # An empty parameter is taken for none by many, and a path without a part is another path.
            if not text or text in seen or isinstance(value, dict | list):
                continue
            seen.add(text)
            request = with_parameter(operation, valid, one.where, one.name, text)
            if request is not None:
                yield Odd(f"{one.where} {one.name}", what, schemas.allows_text(schema, text), request)
        if one.required and one.where != "path":
            without = with_parameter(operation, valid, one.where, one.name, None)
            if without is not None:
                yield Odd(f"{one.where} {one.name}", "missing", False, without)


# --- bodies --------------------------------------------------------------------------------------------------------


def _in_body(operation: Operation, valid: Request, schemas: Schemas) -> Iterator[Odd]:
    schema = schemas.body(operation)
    if not operation.has_body or valid.content is None or not schema:
        return
    body = json_of(valid)
    yield Odd("body", "no JSON", False, _changed(valid, content=valid.content[:-1]))
    seen = {json.dumps(body)}
    whole: tuple[tuple[str, Any], ...] = (
        ("an empty array", []),
        ("null", None),
        ("a number", 7),
        ("an empty object", {}),
    )
    for place, what, changed in (
        *_unknown_property(schemas.leaf(schema), body, ""),
        *(("", what, value) for what, value in whole),
        *_changes(schema, body, "", schemas, 0),
    ):
        text = json.dumps(changed)
        if text not in seen:
            seen.add(text)
            yield Odd(f"body {place}".strip(), what, schemas.allows(schema, changed), with_body(valid, changed))


def _changes(schema: Any, value: Any, place: str, schemas: Schemas, depth: int) -> Iterator[tuple[str, str, Any]]:
    """Every value beside `value`, with the place where it differs and how."""
    leaf = schemas.leaf(schema)
    if depth:
        kind = str(leaf.get("type", ""))
        if kind in _OTHER_TYPE:
            yield place, f"no {kind}", _OTHER_TYPE[kind]
        for what, other in (*_texts(leaf, schemas), *_bounds(leaf), ("null", None)):
            yield place, what, other
    if depth <= _DEPTH and isinstance(value, Mapping):
        yield from _object_changes(leaf, value, place, schemas, depth)
    elif depth <= _DEPTH and isinstance(value, list) and value:
        yield from _array_changes(leaf, value, place, schemas, depth)


def _object_changes(
    leaf: Schema, value: Mapping[str, Any], place: str, schemas: Schemas, depth: int
) -> Iterator[tuple[str, str, Any]]:
    properties, required = leaf.get("properties"), leaf.get("required") or ()
    for name, part in properties.items() if isinstance(properties, Mapping) else ():
        inner = f"{place}.{name}".lstrip(".")
        if name in required and name in value:
            yield inner, "missing", {key: item for key, item in value.items() if key != name}
        for where, what, changed in _changes(part, value.get(name), inner, schemas, depth + 1):
            yield where, what, {**value, name: changed}
    yield from _unknown_property(leaf, value, place)


def _unknown_property(leaf: Schema, value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    if leaf.get("additionalProperties") is False and isinstance(value, Mapping):
        yield place, "a property that nobody knows", {**value, _WORD: True}


def _array_changes(
    leaf: Schema, value: list[Any], place: str, schemas: Schemas, depth: int
) -> Iterator[tuple[str, str, Any]]:
    if leaf.get("items"):
        for where, what, changed in _changes(leaf["items"], value[0], f"{place}[]", schemas, depth + 1):
            yield where, what, [changed, *value[1:]]
    most = leaf.get("maxItems")
    if isinstance(most, int) and most < _MOST_ITEMS:
        yield place, f"{most + 1} items", [value[0]] * (most + 1)
    if leaf.get("minItems"):
        yield place, "no item", []


def _bounds(leaf: Schema) -> Iterator[tuple[str, Any]]:
    """Values just outside of what a schema bounds, and others that it does not mean."""
    kind = leaf.get("type")
    if kind in {"integer", "number"}:
        for bound, step in (("minimum", -1), ("maximum", 1), ("exclusiveMinimum", 0), ("exclusiveMaximum", 0)):
            if isinstance(leaf.get(bound), int | float):
                yield f"beyond the {bound}", leaf[bound] + step
        yield "no number", _WORD
        if kind == "integer":
            yield "a fraction", 1.5
        yield "a very large number", 2**63
    elif kind == "boolean":
        yield "no boolean", _WORD
    elif kind == "string":
        if leaf.get("minLength"):
            yield "too short", "x" * (int(leaf["minLength"]) - 1)
        if isinstance(leaf.get("maxLength"), int) and leaf["maxLength"] < _LARGEST_BOUND:
            yield "too long", "x" * (leaf["maxLength"] + 1)
        if leaf.get("enum") or leaf.get("format") or leaf.get("pattern"):
            yield "another text", _WORD


def _texts(leaf: Schema, schemas: Schemas) -> Iterator[tuple[str, Any]]:
    """The odd texts that fit a place, the hard ones first: every one where any text may stand, the hard ones elsewhere."""
    if leaf.get("type") not in {"string", None}:
        return
    free = takes_text(leaf, schemas)
    for one in sorted(odd_texts(), key=lambda each: not each.hard):
        if one.hard or free:
            yield one.name, one.text


def takes_text(leaf: Schema, schemas: Schemas) -> bool:
    """Whether a place takes any text: no list, format or pattern forbids a plain word there."""
    if leaf.get("type") != "string" or leaf.get("enum") or leaf.get("const") or leaf.get("format"):
        return False
    return schemas.allows({"pattern": leaf["pattern"]}, f"{_WORD} {_WORD}") if leaf.get("pattern") else True
