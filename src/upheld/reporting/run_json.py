"""`run.json`: the run itself as one JSON document, of which every other output is a view.

The same run gives the same bytes: keys stand in the order of the model's fields, mappings in their own. The document is
strict JSON (RFC 8259) in UTF-8 that any reader accepts (RFC 7493): numbers that JSON lacks become "NaN", "Infinity" or
"-Infinity", half a surrogate pair becomes its spelling as text.

    python -m upheld.reporting.run_json > schema/run.schema.json
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from upheld.errors import InputError, Mistake
from upheld.model import Run
from upheld.reporting.files import write_atomically

FORMAT = "upheld-run/1"
"""What `Run.format` says in documents that this version writes and reads."""

DEEPEST = 100
"""Levels of nesting that are kept of a value that is nested too deeply for JSON readers."""

_MISTAKES_SHOWN = 20
_SURROGATE = re.compile("[\ud800-\udfff]")


def write(run: Run, path: Path) -> None:
    """Write `run` to `path`, whole or not at all; raises OSError as the file system does."""
    write_atomically(path, dumps(run))


def read(path: Path) -> Run:
    """The run at `path`; raises InputError when it is missing, no JSON, of another format or not shaped like a run."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError([Mistake(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    return loads(data, path)


def loads(data: bytes, path: Path) -> Run:
    """The run in the bytes of its document; raises InputError, for what lies at `path`, as `read` does."""
    try:
        run = _adapter().validate_json(data, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InputError(_mistake(path, one["loc"], one["msg"]) for one in found[:_MISTAKES_SHOWN]) from error
    if run.format != FORMAT:
        raise InputError(
            [Mistake(str(path), 0, 0, "is of another format", got=repr(run.format), expected=repr(FORMAT))]
        )
    return run


def dumps(run: Run) -> bytes:
    """`run` as the bytes of its document, which end with a line feed."""
    try:
        text = to_json(run, indent=1, inf_nan_mode="strings")
    except (PydanticSerializationError, ValueError):
        # Something that a target sent does not fit into JSON; only then is the whole run walked in Python.
        text = to_json(_fitting(run, 0), indent=1, inf_nan_mode="strings")
    return text + b"\n"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document; every field is always written, and no other."""
    made = _adapter().json_schema(mode="serialization")
    for part in (made, *made["$defs"].values()):
        if "properties" in part:
            part["required"] = list(part["properties"])
            part["additionalProperties"] = False
            for each in part["properties"].values():
                each.pop("title", None)
                each.pop("default", None)
    made["properties"]["format"] = {"const": FORMAT}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "upheld run"}


def schema_text() -> str:
    """The published text of the schema."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


@cache
def _adapter() -> TypeAdapter[Run]:
    # The model's `Plain` is a recursive alias that pydantic cannot follow; its name resolves to pydantic's own here.
    Plain = JsonValue  # noqa: F841, N806  (pydantic reads the names of the caller)
    return TypeAdapter(Run)


def _mistake(path: Path, place: tuple[int | str, ...], message: str) -> Mistake:
    where = ".".join(str(part) for part in place)
    return Mistake(str(path), 0, 0, f"{where}: {message}" if where else message)


def _fitting(value: object, depth: int) -> object:
    """`value` as plain data that always fits into JSON."""
    if isinstance(value, str):
        return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", value)
    if depth > DEEPEST:
        return f"[cut: nested deeper than {DEEPEST} levels]"
    if isinstance(value, Mapping):
        return {str(_fitting(str(key), depth)): _fitting(item, depth + 1) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_fitting(item, depth + 1) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _fitting(getattr(value, field.name), depth + 1) for field in dataclasses.fields(value)}
    return value


if __name__ == "__main__":
    sys.stdout.write(schema_text())
