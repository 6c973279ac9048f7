"""The operations of an API: their parameters and bodies, and where identifiers stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from upheld.target.api import Api

FORM = "application/x-www-form-urlencoded"
_CAMEL = re.compile(r"[a-z0-9](?:Id|ID|Ids|IDs|Uuid|UUID|Guid)$")
_SNAKE = re.compile(r"(?:^|[_\-.])(?:id|ids|uuid|uuids|guid)$", re.IGNORECASE)


def names_identifier(name: str) -> bool:
    """Whether a parameter or property of this name usually holds an identifier: `id`, `contact_id`, `contactIds`, `X-Org-Id`."""
    return bool(_SNAKE.search(name) or _CAMEL.search(name))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation: in its path, query or header."""

    name: str
    where: str
    required: bool
    type: str
    format: str

    @property
    def identifier(self) -> bool:
        """Whether it holds an identifier: every parameter of a path does, others by name or by the format `uuid`."""
        return self.where == "path" or self.format == "uuid" or names_identifier(self.name)


@dataclass(frozen=True, slots=True)
class Property:
    """One scalar property of a request body. `path` has dots, and `[]` for the items of an array: `steps[].template_id`."""

    path: str
    type: str
    format: str
    required: bool
    choices: tuple[str, ...] = ()
    """The texts that it may have, where they are listed."""

    @property
    def name(self) -> str:
        """Its own name, without those that lead to it."""
        return self.path.removesuffix("[]").rpartition(".")[2].removesuffix("[]")

    @property
    def identifier(self) -> bool:
        """Whether it holds an identifier, by its name or by the format `uuid`."""
        return self.format == "uuid" or names_identifier(self.name)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document. `public` means that the document asks for no credential.

    `unread` says what of it could not be followed (a reference out of the document, a body that is too deep).
    """

    id: str
    method: str
    path: str
    public: bool
    parameters: tuple[Parameter, ...] = ()
    body: tuple[Property, ...] = ()
    has_body: bool = False
    media_types: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def path_parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the path, in its order."""
        return tuple(one for one in self.parameters if one.where == "path")

    @property
    def query_parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the query."""
        return tuple(one for one in self.parameters if one.where == "query")

    @property
    def header_parameters(self) -> tuple[Parameter, ...]:
        """The parameters in headers."""
        return tuple(one for one in self.parameters if one.where == "header")

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Where identifiers stand: `path contact_id`, `query contact_id`, `header X-Org-Id`, `body steps[].template_id`."""
        parameters = (f"{one.where} {one.name}" for one in self.parameters if one.identifier)
        return (*parameters, *(f"body {one.path}" for one in self.body if one.identifier))

    def __str__(self) -> str:
        """`id (METHOD /path)`, as findings show it."""
        return f"{self.id} ({self.method} {self.path})"


@dataclass(frozen=True)
class Document:
    """A document that was read, with its operations in order and the raw data for what they leave out."""

    operations: tuple[Operation, ...]
    data: Mapping[str, Any]

    @cached_property
    def _by_id(self) -> Mapping[str, Operation]:
        return {one.id: one for one in reversed(self.operations)}  # Of two by one name the first counts.

    def operation(self, identity: str) -> Operation:
        """The operation of that id; raises Unobservable when the document has none."""
        if (one := self._by_id.get(identity)) is not None:
            return one
        raise Unobservable(
            f"the OpenAPI document has no operation {identity}, and the target declares none (api.declared)"
        )

    def with_more(self, other: Document) -> Document:
        """This document with the operations that only the other one has; the other one itself when that has them all."""
        mine = {one.id for one in self.operations}
        more = tuple(one for one in other.operations if one.id not in mine)
        if len(more) + len(mine) == len({one.id for one in other.operations}):
            return other
        return Document((*self.operations, *more), {**other.data, **self.data}) if more else self

    def with_declared(self, api: Api) -> Document:
        """This document with the operations that the target declares; raises Unobservable for one that it has already."""
        known = {one.id for one in self.operations}
        if twice := sorted(known & set(api.declared)):
            raise Unobservable(f"the target declares the operation {twice[0]}, which the OpenAPI document has")
        return Document((*self.operations, *declared(api)), self.data)


def declared(api: Api) -> Iterator[Operation]:
    """The operations that the target declares itself, with the bodies that its recipes give."""
    for name, one in api.declared.items():
        method, _, path = one.call.partition(" ")
        recipes = [each for each in (api.operations.get(name), *api.objects.values()) if each is not None]
        own = [each for each in recipes if each is api.operations.get(name) or getattr(each, "create", "") == name]
        body: tuple[Property, ...] = ()
        media: tuple[str, ...] = ()
        for recipe in own:
            if recipe.json_body is not None or recipe.form is not None:
                template = recipe.json_body if recipe.json_body is not None else recipe.form
                media = ("application/json" if recipe.json_body is not None else FORM,)
                names = template if isinstance(template, Mapping) else {}
                body = tuple(Property(str(each), "", "", required=False) for each in names)
            elif recipe.text is not None:
                media = (recipe.media_type,)
        parameters = [
            Parameter(each, "path", required=True, type="string", format="")
            for each in re.findall(r"\{([^{}]+)\}", path)
        ]
        parameters += [Parameter(each, "query", required=False, type="string", format="") for each in one.query]
        yield Operation(name, method, path, one.public, tuple(parameters), body, bool(media), media)
