"""Documents against the official schemas of their formats, which lie in tests/data/schemas."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
from lxml import etree

SCHEMAS = Path(__file__).parents[2] / "data" / "schemas"
FILES = {
    "sarif": "sarif-2.1.0-rtm.5.json",
}


def check(name: str, data: bytes) -> None:
    """Raises when `data` is no valid document of that format."""
    if name == "junit":
        for schema in _xml_schemas():
            schema.assertValid(etree.fromstring(data))
        return
    _validator(name).validate(json.loads(data))


@cache
def _xml_schemas() -> tuple[etree.XMLSchema, ...]:
    return tuple(etree.XMLSchema(file=str(SCHEMAS / name)) for name in ("junit-10.xsd", "junit-ant.xsd"))


@cache
def _validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / FILES[name]).read_text(encoding="utf-8"))
    if name == "sarif":  # One of its patterns has a bracket that is never opened, which only Python forgives.
        return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)
    return jsonschema_rs.validator_for(schema, validate_formats=True)
