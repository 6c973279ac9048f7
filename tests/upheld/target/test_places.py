"""Which fields of a description are paths: none is forgotten, for one that is would mean another file on another machine."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

import upheld.target
from upheld.target.load import load_target
from upheld.target.model import Target
from upheld.target.parts import Lies
from upheld.target.places import named_paths

SOUNDS_LIKE_ONE = re.compile(
    r"path|file|folder|^ca$|certificate|record|anchors|mail|openapi|store$|write_ahead_log|key$|command"
)
NO_PATHS_HERE = {
    **dict.fromkeys(
        ("Login.path", "LoginRequest.path", "InternalService.path", "ResetRequest.path", "Ready.path"), "of a URL"
    ),
    **dict.fromkeys(
        ("Repository.owners_file", "Repository.lock_files", "Repository.update_bot_file"), "in the repository"
    ),
    **dict.fromkeys(("Register.file", "Attestation.file"), "below the folder of these"),
}
"""Fields that sound like it."""


def models(kind: Any = Target, seen: set[type] | None = None) -> Iterator[type[BaseModel]]:
    """Every model that a description is made of."""
    seen = set() if seen is None else seen
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in seen:
            seen.add(kind)
            yield kind
            for field in kind.model_fields.values():
                yield from models(field.annotation, seen)
    else:
        for one in get_args(kind):
            yield from models(one, seen)


def texts(annotation: Any, marks: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The marks of each text that a field may hold, at whatever depth."""
    origin = get_origin(annotation)
    if annotation is str:
        yield marks
    elif origin is Annotated:
        yield from texts(get_args(annotation)[0], get_args(annotation)[1:])
    elif origin in {Union, types.UnionType, tuple}:
        for one in get_args(annotation):
            yield from texts(one, marks if origin is not tuple else ())


def test_whatever_sounds_like_a_path_says_what_it_leads_to() -> None:
    found, unmarked = 0, set()
    for model in models():
        for name, field in model.model_fields.items():
            for marks in texts(field.annotation, tuple(field.metadata)):
                if any(isinstance(mark, Lies) for mark in marks):
                    found += 1
                elif SOUNDS_LIKE_ONE.search(name):
                    unmarked.add(f"{model.__name__}.{name}")
    assert found >= 40
    assert unmarked == set(NO_PATHS_HERE)


def test_paths_are_found_where_they_stand() -> None:
    target, _ = load_target(Path(upheld.target.__file__).parent / "sample.yaml")
    found = {one.location: (one.value, one.lies) for one in named_paths(target)}
    assert found["internal", "services", 0, "client", "certificate"] == ("internal/api.crt", Lies.DOCUMENT)
    assert found["encryption", "keys", "current"] == ("file:secrets/sealing.key", Lies.SECRET)
    assert found["stores_searched", "files", 0, "path"] == ("exports/**/*", Lies.PATTERN)
    assert found["registers", "folder"] == ("registers", Lies.RECORDS)
