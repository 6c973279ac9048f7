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
    "oscal": "oscal-assessment-results-1.2.3.json",
    "cyclonedx": "cyclonedx-1.6.json",
    "hdf": "hdf-exec-json-inspecjs-2.12.6.json",
    "ocsf": "ocsf-1.5.0-compliance-finding.json",
}
BESIDE = {
    "http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json": "cyclonedx-spdx.json",
    "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json": "cyclonedx-jsf-0.82.json",
}
"""Schemas that another one refers to, by the address that it gives."""


def check(name: str, data: bytes) -> None:
    """Raises when `data` is no valid document of that format."""
    if name == "junit":
        for schema in _xml_schemas():
            schema.assertValid(etree.fromstring(data))
    elif name == "in-toto":
        _check_statement(data)
    elif name == "ocsf":
        for line in data.splitlines():
            _validator(name).validate(json.loads(line))
    else:
        _validator(name).validate(json.loads(data))


def _check_statement(data: bytes) -> None:
    """By in-toto's own protocol buffers, which refuse a field that they do not have, and its validation."""
    from google.protobuf import json_format
    from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    document = json.loads(data)
    Statement.copy_from_pb(json_format.ParseDict(document, Message())).validate()
    json_format.ParseDict(document["predicate"], TestResult())


@cache
def _xml_schemas() -> tuple[etree.XMLSchema, ...]:
    return tuple(etree.XMLSchema(file=str(SCHEMAS / name)) for name in ("junit-10.xsd", "junit-ant.xsd"))


@cache
def _validator(name: str) -> Any:
    schema = _read(FILES[name])
    if name == "sarif":  # One of its patterns has a bracket that is never opened, which only Python forgives.
        return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)
    return jsonschema_rs.validator_for(schema, validate_formats=True, retriever=lambda uri: _read(BESIDE[uri]))


def _read(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
