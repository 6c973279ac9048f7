"""The secrets that a target refers to, found by what its description's fields are, and not by how their values look."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from upheld.errors import Unobservable
from upheld.target.model import Target
from upheld.target.parts import SecretRef
from upheld.target.secrets import resolve

_MARKS = get_args(SecretRef)[1:]


def unresolved(target: Target, folder: Path) -> Iterator[tuple[str, str]]:
    """Each reference that leads to no secret, as the part of the description that it stands in and the reason."""
    for part, reference in references(target):
        try:
            resolve(reference, folder)
        except Unobservable as error:
            yield part, error.reason


def references(target: Target) -> Iterator[tuple[str, str]]:
    """Every reference to a secret, once for each part of the description that it stands in, with that part's name."""
    for part, field in type(target).model_fields.items():
        for reference in sorted(set(_references(getattr(target, part), field.annotation, field.metadata))):
            yield part, reference


def _references(value: Any, annotation: Any, marks: Sequence[Any] = ()) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _references(getattr(value, name), field.annotation, field.metadata)
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(value, str):
        if any(mark in _MARKS for mark in marks):
            yield value
        elif origin is Annotated:
            yield from _references(value, arguments[0], arguments[1:])
        elif origin in {Union, types.UnionType}:
            for one in arguments:
                yield from _references(value, one)
    elif isinstance(value, dict):
        kind = arguments[1] if origin is dict else Any
        for one in value.values():
            yield from _references(one, kind)
    elif isinstance(value, tuple):
        kind = arguments[0] if origin is tuple else Any
        for one in value:
            yield from _references(one, kind)
