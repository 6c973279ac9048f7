"""How objects are made, inferred from an OpenAPI document: where one operation makes what another one, below the same path, shows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from upheld.probes.api_requests import put
from upheld.probes.openapi import FORM, Document, Operation, Property, answered, asked

MOST = 200
"""Kinds of object that are written down, and properties of one body."""
_TAKEN = frozenset({"tenant", "canary", "search", "uuid", "random", "digits"})
"""What placeholders mean already."""
_TEXTS = ("text", "content", "body", "description", "message", "title", "subject", "name", "label", "summary")
"""Properties that usually hold what somebody wrote, those that a listing or a search would show first."""
_VALUES = {
    "email": "{random}@example.com",
    "uuid": "{uuid}",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "uri": "https://example.com/{random}",
    "url": "https://example.com/{random}",
    "password": "{random}-A1",
}
_CANARY = "{canary} {search}"


@dataclass(frozen=True, slots=True)
class Inferred:
    """One kind of object: its recipe, the parameters that name it, why it is taken to be one, and what was not found out.

    `body` says of each property of the body why it holds what it does.
    """

    kind: str
    recipe: Mapping[str, Any]
    parameters: tuple[str, ...]
    because: str
    unknown: tuple[str, ...] = ()
    body: tuple[str, ...] = ()


def inferred(document: Document) -> tuple[Inferred, ...]:
    """Every kind of object that a POST makes at a path below which a GET shows one by its identifier."""
    pairs = _pairs(document)[:MOST]
    kinds = _kinds([made.path for made, _, _ in pairs])
    named = {read.path_parameters[-1].name: kind for (_, read, _), kind in zip(pairs, kinds, strict=True)}
    shared = Counter(read.path_parameters[-1].name for _, read, _ in pairs)
    found = []
    for (made, read, item), kind in zip(pairs, kinds, strict=True):
        parameter = read.path_parameters[-1].name
        below = [one for one in document.operations if f"{one.path.rstrip('/')}/".startswith(f"{item}/")]
        # A name that several kinds share, such as id, means another one in each operation.
        own = (parameter,) if shared[parameter] == 1 else tuple(f"{one.id}.{parameter}" for one in below)
        found.append(_inferred(document, made, read, item, kind, own, named))
    return tuple(found)


def _pairs(document: Document) -> list[tuple[Operation, Operation, str]]:
    """Each POST with the GET of one thing below its path, and that one's path."""
    items: dict[str, Operation] = {}
    for one in document.operations:
        above, _, last = one.path.rstrip("/").rpartition("/")
        if one.method == "GET" and re.fullmatch(r"\{[^{}]+\}", last):
            items.setdefault(above, one)
    return [
        (made, items[path], items[path].path.rstrip("/"))
        for made in document.operations
        if made.method == "POST" and (path := made.path.rstrip("/")) in items
    ]


def _inferred(
    document: Document,
    made: Operation,
    read: Operation,
    item: str,
    kind: str,
    parameters: tuple[str, ...],
    named: Mapping[str, str],
) -> Inferred:
    recipe: dict[str, Any] = {"create": made.id}
    unknown: list[str] = []
    reasons: list[str] = []
    if made.has_body:
        form = FORM in made.media_types and not any(one.endswith("json") for one in made.media_types)
        if form or any(one.endswith("json") for one in made.media_types):
            recipe["form" if form else "json"] = _body(asked(document, made), named, unknown, reasons)
        else:
            unknown.append(f"the body of {made.id}, which is {', '.join(made.media_types)}")
    pointer = _pointer(answered(document, made), read.path_parameters[-1].name, kind)
    if pointer is None:
        unknown.append(f"where the answer of {made.id} has the identifier (id: a JSON pointer)")
    else:
        recipe["id"] = pointer
    recipe["read"] = read.id
    delete = next(
        (one.id for one in document.operations if one.method == "DELETE" and one.path.rstrip("/") == item), None
    )
    if delete is not None:
        recipe["delete"] = delete
    else:
        unknown.append("how it is taken away again (delete)")
    return Inferred(kind, recipe, parameters, f"{made} makes what {read} shows", tuple(unknown), tuple(reasons))


def _body(properties: tuple[Property, ...], named: Mapping[str, str], unknown: list[str], reasons: list[str]) -> Any:
    """A body with what must be in it, and a canary in what somebody would write."""
    free = [one for one in properties if one.type == "string" and not (one.format or one.choices or one.identifier)]
    free.sort(key=lambda one: (not one.required, _TEXTS.index(one.name) if one.name in _TEXTS else len(_TEXTS)))
    marked = free[0] if free and (free[0].required or free[0].name in _TEXTS) else None
    needed = [one for one in properties if one.required or one is marked]
    if len(needed) > MOST:
        unknown.append(f"the body, which must have {len(needed)} properties")
        return {}
    body: Any = {}
    for one in needed:
        if one is marked:
            body = put(body, one.path, _CANARY)
            reasons.append(f"{one.path}: a text{' that it must have' if one.required else ''}, for the canary")
        elif (value := _value(one, named)) is None:
            unknown.append(f"what {one.path} is to hold")
        else:
            body = put(body, one.path, value)
            reasons.append(f"{one.path}: must be there; {_why(one)}")
    if marked is None:
        unknown.append("which property of the body a canary can stand in")
    return body


def _value(one: Property, named: Mapping[str, str]) -> Any:
    if one.choices:
        return one.choices[0]
    if one.identifier:
        return f"{{{named[one.name]}}}" if one.name in named and one.name != "id" else None
    by_type = {"integer": 1, "number": 1, "boolean": False, "string": _VALUES.get(one.format, "x{random}")}
    return by_type.get(one.type)


def _why(one: Property) -> str:
    if one.choices:
        return "the first of the values that it may have"
    if one.identifier:
        return "the identifier of an object of that kind"
    return f"made up for its format {one.format}" if one.format in _VALUES else f"made up for its type {one.type}"


def _pointer(properties: tuple[Property, ...], parameter: str, kind: str) -> str | None:
    """Where an answer has the identifier: under the parameter's name or another usual one, as near to its root as there is."""
    usual = (parameter, "id", "uuid", f"{kind}_id", f"{kind}Id")
    near = [one for one in properties if "[]" not in one.path and one.name in usual]
    near.sort(key=lambda one: (one.path.count("."), usual.index(one.name)))
    return f"/{near[0].path.replace('.', '/')}" if near else None


def _kinds(paths: list[str]) -> list[str]:
    """What the objects at these paths are called, each otherwise."""
    found: list[str] = []
    for path in paths:
        words = [
            re.sub(r"[^a-z0-9]+", "_", one.lower()).strip("_") for one in path.split("/") if one and "{" not in one
        ]
        words = [_singular(one)[:40] for one in words if one][-4:] or ["object"]
        if not words[-1][0].isalpha():
            words.append("object")
        # /teams/{id}/notes may be called team_note where there is a note already.
        names = ("_".join(words[-length:]) for length in range(1, len(words) + 1))
        numbered = (f"{words[-1]}_{number}" for number in count(2))
        found.append(next(one for one in chain(names, numbered) if one[0].isalpha() and one not in {*found, *_TAKEN}))
    return found


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word
