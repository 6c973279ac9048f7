"""What is tried beside a valid request follows from the document's schemas, of every version and however odd they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from upheld.errors import Unobservable
from upheld.inputs import FOLDER
from upheld.probes.api_requests import Request
from upheld.probes.injections import injections
from upheld.probes.odd_input import Odd, odd_requests, with_parameter
from upheld.probes.openapi import Document, parse
from upheld.probes.schemas import Schemas

THING = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "kind": {"$ref": "#/components/schemas/Kind"},
        "parts": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"$ref": "#/components/schemas/Part"}},
    },
}


def document(schema: Any = THING, version: str = "3.1.0", **schemas: Any) -> Document:
    def parameter(name: str, where: str, **of: Any) -> dict[str, Any]:
        return {"name": name, "in": where, "required": where != "query", "schema": of}

    operation = {
        "operationId": "make",
        "parameters": [
            parameter("id", "path", type="string", format="uuid"),
            parameter("limit", "query", type="integer", maximum=5),
            parameter("X-Of", "header", type="string", format="uuid"),
        ],
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"content": {"application/json; charset=utf-8": {}}}, "4XX": {"content": {}}},
    }
    components = {
        "Kind": {"type": "string", "enum": ["a", "b"]},
        "Part": {"type": "object", "properties": {"size": {"type": "number"}}},
        **schemas,
    }
    whole = {
        "openapi": version,
        "servers": [{"url": "/v1"}],
        "paths": {"/things/{id}": {"post": operation}},
        "components": {"schemas": components},
    }
    return parse(json.dumps(whole))


def tried(body: Any, made: Document) -> dict[tuple[str, str], Odd]:
    request = Request(
        "POST", "https://h/prefix/v1/things/4?limit=2", (("X-Of", "y"),), json.dumps(body).encode(), ("4",)
    )
    return {(one.place, one.what): one for one in odd_requests(made.operations[0], request, Schemas(made))}


def test_every_keyword_of_a_schema_is_overstepped() -> None:
    found = tried({"name": "n", "count": 2, "parts": [{"size": 1}]}, document())
    forbidden = {key for key, one in found.items() if not one.allowed}
    assert {
        ("path id", "another text"),
        ("query limit", "beyond the maximum"),
        ("query limit", "no number"),
        ("header X-Of", "missing"),
        ("body", "no JSON"),
        ("body", "a property that nobody knows"),
        ("body name", "missing"),
        ("body name", "no string"),
        ("body name", "too long"),
        ("body name", "too short"),
        ("body count", "beyond the minimum"),
        ("body count", "a fraction"),
        ("body kind", "another text"),
        ("body parts", "no item"),
        ("body parts", "3 items"),
        ("body parts[].size", "no number"),
    } <= forbidden
    # A NUL is allowed where no pattern forbids it, and must break nothing.
    assert found["body name", "a NUL"].allowed
    assert found["body parts[].size", "a very large number"].allowed
    assert found["path id", "a NUL"].request.url == "https://h/prefix/v1/things/a%00b?limit=2"
    assert found["query limit", "beyond the maximum"].request.url == "https://h/prefix/v1/things/4?limit=6"
    assert json.loads(found["body parts[].size", "null"].request.content or b"") == {
        "name": "n",
        "count": 2,
        "parts": [{"size": None}],
    }


def test_the_first_requests_are_of_every_place() -> None:
    found = list(tried({"name": "n", "count": 2, "parts": [{"size": 1}]}, document()).values())
    places = {one.place for one in found}
    assert {one.place for one in found[: len(places)]} == places


@pytest.mark.parametrize(
    ("version", "schema"),
    [
        ("3.0.3", {"type": "string", "nullable": True}),
        ("3.0.3", {"allOf": [{"$ref": "#/components/schemas/Kind"}], "nullable": True}),
        ("3.1.0", {"type": ["string", "null"]}),
        ("3.1.0", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ],
)
def test_null_is_allowed_where_the_document_allows_it(version: str, schema: Any) -> None:
    found = tried({"name": "a"}, document({"type": "object", "properties": {"name": schema}}, version))
    assert found["body name", "null"].allowed
    assert not found["body name", "no string"].allowed


def test_bounds_of_the_older_version_are_understood() -> None:
    schema = {"type": "integer", "minimum": 3, "exclusiveMinimum": True}
    found = tried({"n": 4}, document({"type": "object", "properties": {"n": schema}}, "3.0.3"))
    assert not found["body n", "beyond the exclusiveMinimum"].allowed


def test_a_schema_that_cannot_be_read_says_nothing() -> None:
    with pytest.raises(Unobservable, match="cannot be read"):
        tried({"n": "a"}, document({"type": "object", "properties": {"n": {"type": "string", "pattern": "(["}}}))
    with pytest.raises(Unobservable, match="cannot be read"):
        tried({"n": "a"}, document({"type": "object", "properties": {"n": {"$ref": "#/components/schemas/Nowhere"}}}))


def test_schemas_that_refer_to_themselves_come_to_an_end() -> None:
    tree = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "child": {"$ref": "#/components/schemas/Tree"}},
    }
    found = tried({"name": "a", "child": {"name": "b"}}, document({"$ref": "#/components/schemas/Tree"}, Tree=tree))
    assert ("body child.name", "no string") in found


def test_what_the_document_says_of_answers_and_of_choices() -> None:
    schemas = Schemas(document())
    operation = document().operations[0]
    assert schemas.answers(operation, 200) == ("application/json",)
    assert schemas.answers(operation, 404) == ()
    assert schemas.answers(operation, 500) is None
    assert schemas.choices("kind") == ()
    assert Schemas(document(Other={"properties": {"kind": {"enum": ["x", "y"]}}})).choices("kind") == ("x", "y")


def test_no_client_sends_a_line_end_in_a_header() -> None:
    operation = document().operations[0]
    request = Request("POST", "https://h/v1/things/4", (), b"{}")
    assert with_parameter(operation, request, "header", "X-Of", "a\r\nb") is None


@pytest.mark.parametrize("name", ["odd-texts.json", "injections.json", "markup.json"])
def test_data_files_say_where_they_are_from(name: str) -> None:
    data = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert data["source"]
    entries = [one for key in ("texts", "pairs", "bodies") for one in data.get(key, [])]
    assert entries
    assert all(one["reference"] for one in entries)


def test_injections_hold_nothing_that_would_be_shown_by_an_echo() -> None:
    for one in injections():
        assert not one.shows or one.shows not in one.text
        assert one.kind != "pair" or (len(one.text) == len(one.other) and one.text != one.other)
