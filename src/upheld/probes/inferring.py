"""How objects are made, inferred from an OpenAPI document: where one operation makes what another one, below the same path, shows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from upheld.probes.api_requests import TENANT, kind_of, makers
from upheld.probes.openapi import FORM, Document, Operation, Property, answered
from upheld.probes.valid_bodies import MOST, body_of
from upheld.target.api import Api, ObjectRecipe

__all__ = ["MOST", "Completed", "Inferred", "complete", "inferred"]

_TAKEN = frozenset({"tenant", "canary", "search", "uuid", "random", "digits"})
"""What placeholders mean already."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """One kind of object: its recipe, the parameters that name it, why it is taken to be one, and what was not found out.

    `body` says of each property of the body why it holds what it does; `whole` that nothing is missing without which it could
    not be made, found and taken away again.
    """

    kind: str
    recipe: Mapping[str, Any]
    parameters: tuple[str, ...]
    because: str
    unknown: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    whole: bool = True

    def __str__(self) -> str:
        """`note: addNote (POST /notes) makes what getNote (GET /notes/{id}) shows`, with what stands in its body."""
        body = f", with {'; '.join(self.body)}" if self.body else ""
        return f"{self.kind}: {self.because}{body}"


@dataclass(frozen=True, slots=True)
class Completed:
    """A target's API with the recipes that its document lets one infer: `inferred` are those, `left` what was not inferred and why."""

    api: Api
    inferred: tuple[Inferred, ...]
    left: tuple[str, ...]


def inferred(document: Document, api: Api | None = None) -> tuple[Inferred, ...]:
    """Every kind of object that a POST makes at a path below which a GET shows one by its identifier.

    Where `api` says what a parameter or an object is called, it is called so here too.
    """
    pairs = _pairs(document)[:MOST]
    kinds = _kinds([made.path for made, _, _ in pairs], [_called(api, made, read) for made, read, _ in pairs], api)
    named = {read.path_parameters[-1].name: kind for (_, read, _), kind in zip(pairs, kinds, strict=True)}
    if api is not None:
        named |= {name: kind for name, kind in api.parameters.items() if "." not in name}
        named[api.tenant_parameter] = TENANT
    shared = Counter(read.path_parameters[-1].name for _, read, _ in pairs)
    found = []
    for (made, read, item), kind in zip(pairs, kinds, strict=True):
        parameter = read.path_parameters[-1].name
        below = [one for one in document.operations if f"{one.path.rstrip('/')}/".startswith(f"{item}/")]
        # A name that several kinds share, such as id, means another one in each operation.
        own = (parameter,) if shared[parameter] == 1 else tuple(f"{one.id}.{parameter}" for one in below)
        found.append(_inferred(document, made, read, item, kind, own, named))
    return tuple(found)


def complete(api: Api, document: Document) -> Completed:
    """The target's API with a recipe for every kind that can be inferred whole; what the target says itself wins.

    One that could not be taken away again is not used, nor one whose path or body needs what nothing tells.
    """
    left: list[str] = []
    usable: list[Inferred] = []
    logins = {(one.method, one.path) for login in api.logins.values() for one in login.requests()}
    made_by = {recipe.create for recipe in api.objects.values()}
    for one in inferred(document, api):
        made, read = (document.operation(str(one.recipe[name])) for name in ("create", "read"))
        reason = _reason_against(one, made, read, api)
        if made.id in made_by:
            continue
        if (made.method, made.path) in logins:
            reason = "an identity logs in by it"
        if reason:
            left.append(f"{one.kind} ({made}): {reason}")
        else:
            usable.append(one)
    while lost := [(one, why) for one in usable if (why := _unexplained(one, document, api, usable))]:
        left += [f"{one.kind} ({one.recipe['create']}): {why}" for one, why in lost]
        usable = [one for one in usable if one not in [each for each, _ in lost]]
    paired = {one.id for pair in _pairs(document) for one in pair[:2]} | made_by
    left += [
        f"{one}: no GET shows one of what it makes by its identifier"
        for one in document.operations
        if one.method == "POST" and one.id not in paired and (one.method, one.path) not in logins
    ]
    recipes = {one.kind: ObjectRecipe.model_validate(dict(one.recipe)) for one in usable}
    parameters = {name: one.kind for one in usable for name in one.parameters}
    whole = api.model_copy(
        update={"objects": {**recipes, **api.objects}, "parameters": {**parameters, **api.parameters}}
    )
    return Completed(whole, tuple(usable), tuple(left))


def _reason_against(one: Inferred, made: Operation, read: Operation, api: Api) -> str:
    parameter = read.path_parameters[-1].name
    for operation in (made, read):
        if operation.id in api.excluded:
            return f"{operation.id} is excluded: {api.excluded[operation.id]}"
    if kind_of(read.id, parameter, api) == TENANT:
        return "what it makes is a tenant"
    if parameter in api.values:
        return f"the target says what {parameter} is (api.values), and that it is nobody's object"
    if one.kind in api.objects:
        return f"the target has a recipe for a {one.kind} by another operation"
    if str(one.recipe.get("delete", "")) in api.excluded:
        return "what takes it away again is excluded"
    return "" if one.whole else f"not found out: {'; '.join(one.unknown)}"


def _unexplained(one: Inferred, document: Document, api: Api, usable: list[Inferred]) -> str:
    """What the path of its operations, or its body, names and nothing explains."""
    known = {*api.values, *(name for each in usable for name in each.parameters)}
    kinds = {TENANT, *api.objects, *(each.kind for each in usable)}
    for name in ("create", "read", "delete"):
        operation = document.operation(str(one.recipe[name]))
        for parameter in operation.path_parameters:
            kind = kind_of(operation.id, parameter.name, api)
            if kind not in kinds and not {parameter.name, f"{operation.id}.{parameter.name}"} & known:
                return (
                    f"not found out: what {parameter.name} in the path of {operation.id} names (parameters or values)"
                )
    text = str(one.recipe.get("json", one.recipe.get("form", "")))
    for kind in re.findall(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", text):
        if kind not in kinds | _TAKEN:
            return f"its body names a {kind}, and how one is made was not inferred"
    return ""


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
    whole = True
    if made.has_body:
        form = FORM in made.media_types and not any(one.endswith("json") for one in made.media_types)
        if form or any(one.endswith("json") for one in made.media_types):
            body = body_of(document, made, named)
            recipe["form" if form else "json"] = body.template
            unknown, reasons, whole = body.unknown, body.reasons, body.whole
        else:
            unknown.append(f"the body of {made.id}, which is {', '.join(made.media_types)}")
            whole = False
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
    whole = whole and pointer is not None and delete is not None
    return Inferred(kind, recipe, parameters, f"{made} makes what {read} shows", tuple(unknown), tuple(reasons), whole)


def _pointer(properties: tuple[Property, ...], parameter: str, kind: str) -> str | None:
    """Where an answer has the identifier: under the parameter's name or another usual one, as near to its root as there is."""
    usual = (parameter, "id", "uuid", f"{kind}_id", f"{kind}Id")
    near = [one for one in properties if "[]" not in one.path and one.name in usual]
    near.sort(key=lambda one: (one.path.count("."), usual.index(one.name)))
    return f"/{near[0].path.replace('.', '/')}" if near else None


def _called(api: Api | None, made: Operation, read: Operation) -> str:
    """What the target calls the objects that `made` makes; empty where it says nothing."""
    if api is None:
        return ""
    hand = next((kind for kind, _ in makers(api, made.id)), "")
    return hand or kind_of(read.id, read.path_parameters[-1].name, api)


def _kinds(paths: list[str], called: list[str], api: Api | None) -> list[str]:
    """What the objects at these paths are called, each otherwise."""
    found: list[str] = []
    taken = {*_TAKEN, *(api.objects if api is not None else ()), *(one for one in called if one)}
    for path, known in zip(paths, called, strict=True):
        if known:
            found.append(known)
            continue
        words = [
            re.sub(r"[^a-z0-9]+", "_", one.lower()).strip("_") for one in path.split("/") if one and "{" not in one
        ]
        words = [_singular(one)[:40] for one in words if one][-4:] or ["object"]
        if not words[-1][0].isalpha():
            words.append("object")
        # /teams/{id}/notes may be called team_note where there is a note already.
        names = ("_".join(words[-length:]) for length in range(1, len(words) + 1))
        numbered = (f"{words[-1]}_{number}" for number in count(2))
        found.append(next(one for one in chain(names, numbered) if one[0].isalpha() and one not in {*found, *taken}))
    return found


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word
