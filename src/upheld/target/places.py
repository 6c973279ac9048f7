"""The paths in a target's description, found by what its fields are, and not by how their values look."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from upheld.target.model import Target
from upheld.target.parts import Lies

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A path, or what may be one: where the description's data has it, as it is written, and what it leads to."""

    location: Location
    value: str
    lies: Lies


def named_paths(target: Target) -> Iterator[Named]:
    """Every path of a description, and every reference to a secret, in the order of its fields."""
    yield from _in(target, Target, (), ())


def _in(value: Any, annotation: Any, marks: Sequence[Any], at: Location) -> Iterator[Named]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _in(getattr(value, name), field.annotation, field.metadata, (*at, field.alias or name))
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(value, str):
        lies = next((mark for mark in marks if isinstance(mark, Lies)), None)
        if lies is not None:
            yield Named(at, value, lies)
        elif origin is Annotated:
            yield from _in(value, arguments[0], arguments[1:], at)
        elif origin in {Union, types.UnionType}:
            for one in arguments:
                yield from _in(value, one, (), at)
    elif isinstance(value, dict):
        kind = arguments[1] if origin is dict else Any
        for key, one in value.items():
            yield from _in(one, kind, (), (*at, key))
    elif isinstance(value, tuple):
        kind = arguments[0] if origin is tuple else Any
        for number, one in enumerate(value):
            yield from _in(one, kind, (), (*at, number))
