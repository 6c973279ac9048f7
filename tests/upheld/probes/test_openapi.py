"""Reading OpenAPI documents: what is found in them, and what of a hostile one is refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upheld.errors import Unobservable
from upheld.probes.openapi import Document, Operation, load, names_identifier, parse
from upheld.target.endpoints import Endpoint


def document(paths: dict[str, Any], **parts: Any) -> str:
    return json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, **parts})


def only(paths: dict[str, Any], **parts: Any) -> Operation:
    (one,) = parse(document(paths, **parts)).operations
    return one


def test_parameters_of_path_and_operation_are_merged_in_the_order_of_the_path() -> None:
    one = only(
        {
            "/orgs/{org_id}/things/{thing_id}": {
                "parameters": [
                    {"$ref": "#/components/parameters/Thing"},
                    {"name": "page", "in": "query", "schema": {"type": "integer"}},
                ],
                "get": {
                    "operationId": "getThing",
                    "parameters": [
                        {"name": "page", "in": "query", "required": True, "schema": {"type": "string"}},
                        {
                            "name": "X-Org-Id",
                            "in": "header",
                            "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                        },
                    ],
                },
            }
        },
        components={
            "parameters": {"Thing": {"name": "thing_id", "in": "path", "required": True, "schema": {"format": "uuid"}}}
        },
    )
    assert [(p.name, p.format) for p in one.path_parameters] == [("org_id", ""), ("thing_id", "uuid")]
    assert [(p.name, p.type, p.required) for p in one.query_parameters] == [("page", "string", True)]
    assert [(p.name, p.type) for p in one.header_parameters] == [("X-Org-Id", "string")]
    assert one.identifiers == ("path org_id", "path thing_id", "header X-Org-Id")


def test_identifiers_in_bodies_are_found_at_any_depth_and_through_references() -> None:
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Base"}],
        "properties": {
            "steps": {"type": "array", "items": {"oneOf": [{"properties": {"templateId": {"type": "string"}}}]}},
            "tag_ids": {"type": "array", "items": {"type": "string", "format": "uuid"}},
            "paid": {"type": "boolean"},
        },
    }
    one = only(
        {"/a": {"post": {"operationId": "a", "requestBody": {"content": {"application/json": {"schema": schema}}}}}},
        components={
            "schemas": {"Base": {"type": "object", "properties": {"owner": {"type": "string", "format": "uuid"}}}}
        },
    )
    assert one.identifiers == ("body owner", "body steps[].templateId", "body tag_ids[]")
    assert one.has_body


def test_a_schema_that_refers_to_itself_is_noted_as_unread() -> None:
    schemas = {"Node": {"properties": {"id": {"type": "string"}, "next": {"$ref": "#/components/schemas/Node"}}}}
    content = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
    one = only({"/a": {"post": {"operationId": "a", "requestBody": content}}}, components={"schemas": schemas})
    assert one.identifiers == ("body id",)
    assert any("refers to itself" in reason for reason in one.unread)


@pytest.mark.parametrize(
    ("reference", "words"),
    [("other.yaml#/X", "out of the document"), ("#/components/none", "nowhere"), ("#/components/schemas/A", "circle")],
)
def test_references_that_cannot_be_followed_are_noted(reference: str, words: str) -> None:
    content = {"content": {"application/json": {"schema": {"properties": {"x": {"$ref": reference}}}}}}
    one = only(
        {"/a": {"post": {"operationId": "a", "requestBody": content}}},
        components={"schemas": {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}},
    )
    assert any(words in reason for reason in one.unread)


@pytest.mark.parametrize(
    ("everywhere", "own", "public"),
    [
        (None, None, True),
        ([{"k": []}], None, False),
        ([{"k": []}], [], True),
        ([{"k": []}], [{}, {"k": []}], True),
        (None, [{"k": []}], False),
    ],
)
def test_public_is_what_asks_for_no_credential(everywhere: Any, own: Any, public: bool) -> None:
    operation = {"operationId": "a"} | ({} if own is None else {"security": own})
    parts = {} if everywhere is None else {"security": everywhere}
    assert only({"/a": {"get": operation}}, **parts).public is public


def test_the_path_of_the_first_server_stands_before_every_path() -> None:
    servers = [{"url": "https://elsewhere.example/{v}/", "variables": {"v": {"default": "v3"}}}]
    one = only({"/a": {"get": {}}}, servers=servers)
    assert (one.path, one.id) == ("/v3/a", "get /a".replace("/a", "/v3/a"))


def test_yaml_is_read_as_json_would_be() -> None:
    text = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get:\n      operationId: a\n      responses: {200: {description: ok}}\n"
    assert [one.id for one in parse(text).operations] == ["a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no object"),
        ("[1]", "no object"),
        ("{", "neither JSON nor YAML"),
        ("a: &x [1]\nb: *x\n", "no version"),
        ("a: &x [*x]\n", "something that it is a part of"),
        ("a: !!python/object:os.system {}\n", "no YAML that can be read"),
        ('{"swagger": "1.2"}', "Swagger 1.2"),
        ('{"openapi": "4.0.0"}', "OpenAPI 4.0.0"),
        ('{"x":' + "[" * 100_000, "nested too deeply"),
        ('{"openapi": "3.1.0", "paths": []}', "paths are no object"),
        (
            document({"/a": {"get": {"operationId": "x"}}, "/b": {"get": {"operationId": "x"}}}),
            "two operations called x",
        ),
    ],
)
def test_what_is_no_document_is_unobservable(text: str, words: str) -> None:
    with pytest.raises(Unobservable, match=words):
        tuple(parse(text).operations)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=8), lambda s: st.lists(s, max_size=3) | st.dictionaries(st.sampled_from(["parameters", "requestBody", "content", "schema", "properties", "items", "allOf", "$ref", "security", "in", "name", "x"]), s, max_size=4), max_leaves=20))  # fmt: skip
def test_an_operation_of_any_shape_is_read_or_unobservable(node: Any) -> None:
    with contextlib.suppress(Unobservable):
        parse(document({"/a/{b}": {"post": node if isinstance(node, dict) else {}, "parameters": node}}))


@pytest.mark.parametrize("name", ["id", "contact_id", "contactIds", "X-Org-Id", "user.id", "uuid", "orgID"])
def test_names_of_identifiers(name: str) -> None:
    assert names_identifier(name)


@pytest.mark.parametrize("name", ["paid", "valid", "idle", "grid", "width", "page", "identity"])
def test_names_that_only_look_alike(name: str) -> None:
    assert not names_identifier(name)


def test_a_file_is_read_relative_to_the_target(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(document({"/a": {"get": {"operationId": "a"}}}))
    endpoint = Endpoint(name="api", url="https://api.example.com")
    assert len(load("api.json", endpoint, tmp_path, None).operations) == 1  # type: ignore[arg-type]
    with pytest.raises(Unobservable, match="cannot be read"):
        load("none.json", endpoint, tmp_path, None)  # type: ignore[arg-type]


def test_documents_that_differ_are_put_together() -> None:
    def document(*ids: str) -> Document:
        return Document(tuple(Operation(one, "GET", f"/{one}", public=False) for one in ids), {"of": ids})

    def ids(found: Document) -> list[str]:
        return [one.id for one in found.operations]

    assert document("a").with_more(document("b", "a")).data == {"of": ("b", "a")}
    assert ids(document("a", "b").with_more(document("b", "c"))) == ["a", "b", "c"]
    assert ids(document("a", "b").with_more(document("b"))) == ["a", "b"]


SWAGGER = """
swagger: "2.0"
basePath: /api
securityDefinitions: {key: {type: apiKey, in: header, name: X-Key}}
security: [{key: []}]
parameters: {page: {name: page, in: query, type: integer}}
paths:
  /notes/{note_id}:
    parameters: [{name: note_id, in: path, required: true, type: string, format: uuid}]
    put:
      operationId: changeNote
      parameters:
        - {$ref: "#/parameters/page"}
        - {name: note, in: body, required: true, schema: {$ref: "#/definitions/Note"}}
      responses: {"200": {schema: {$ref: "#/definitions/Note"}}}
  /login:
    post:
      operationId: login
      security: []
      parameters: [{name: user, in: formData, required: true, type: string}]
      responses: {"200": {description: in}}
definitions: {Note: {type: object, required: [title], properties: {title: {type: string}, owner_id: {type: string}}}}
"""


def test_swagger_2_says_the_same_as_openapi_3() -> None:
    found = parse(SWAGGER)
    change, login = found.operation("changeNote"), found.operation("login")
    assert (change.method, change.path, change.public) == ("PUT", "/api/notes/{note_id}", False)
    assert change.identifiers == ("path note_id", "body owner_id")
    assert [one.name for one in change.query_parameters] == ["page"]
    assert change.media_types == ("application/json",)
    assert (login.public, login.media_types) == (True, ("application/x-www-form-urlencoded",))
    assert [(one.path, one.required) for one in login.body] == [("user", False)]
