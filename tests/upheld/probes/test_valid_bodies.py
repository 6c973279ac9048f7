"""Bodies that are made of what a schema says: each is one that the schema allows, and what cannot be known is said."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from upheld.probes.openapi import parse
from upheld.probes.valid_bodies import Body, body_of

KINDS = {"note_id": "note", "tenant_id": "tenant"}


def made(schema: Any, version: str = "3.1.0", media: str = "application/json", **more: Any) -> Body:
    """The body of an operation that takes what `schema` says."""
    content = {media: {"schema": schema, **more}}
    document = parse(
        json.dumps(
            {
                "openapi": version,
                "paths": {"/a": {"post": {"operationId": "make", "requestBody": {"content": content}}}},
                "components": {"schemas": {"Word": {"type": "string", "example": "de"}}},
            }
        )
    )
    return body_of(document, document.operation("make"), KINDS)


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


@pytest.mark.parametrize(
    ("schema", "template"),
    [
        (of(a={"const": 7}), {"a": 7}),
        (of(a=text(enum=["x", "y"], default="y")), {"a": "y"}),
        (of(a=text(enum=["x", "y"])), {"a": "x"}),
        (of(a={"type": ["integer", "null"], "minimum": 5}), {"a": 5}),
        (of(a={"type": "integer", "maximum": -3}), {"a": -3}),
        (of(a={"type": "integer", "exclusiveMinimum": 10, "multipleOf": 4}), {"a": 12}),
        (of(a={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}), {"a": 0.5}),
        (of(a={"type": "integer", "examples": [42]}), {"a": 42}),
        (of(a={"type": "integer", "examples": ["no number"], "default": 3}), {"a": 3}),
        (of(a={"type": "boolean", "default": True}), {"a": True}),
        (of(a=text(format="email", example="jane@example.org")), {"a": "{random}@example.com"}),
        (of(a=text(format="date", example="2031-02-03")), {"a": "2031-02-03"}),
        (of(a={"$ref": "#/components/schemas/Word"}, text=text()), {"a": "de", "text": "{canary} {search}"}),
        (of(note_id=text(), text=text(maxLength=20)), {"note_id": "{note}", "text": "{canary}"}),
        (of(note_ids={"type": "array", "items": text(format="uuid"), "minItems": 1}), {"note_ids": ["{note}"]}),
        (of(other_ids={"type": "array", "items": text(format="uuid")}), {"other_ids": []}),
        (of(slug=text(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", example="fixed"), text=text()), {"slug": "x{random}", "text": "{canary} {search}"}),
        (of(phone=text(pattern=r"^\+[0-9]{6,15}$", example="+49301234567")), {"phone": "+49301234567"}),
        (of(phone=text(pattern=r"^\+[0-9]{6,15}$")), {"phone": "+49{digits}"}),
        (of(code=text(maxLength=3)), {"code": "xxx"}),
        (of(when={"anyOf": [{"type": "null"}, text(format="date-time")]}), {"when": "2026-01-01T00:00:00Z"}),
        (of(inner=of(text=text())), {"inner": {"text": "{canary} {search}"}}),
        (of(tags={"type": "array", "items": text(), "example": ["red"]}, text=text()), {"tags": ["red"], "text": "{canary} {search}"}),
        (of(free={"type": "object"}), {"free": {}}),
        ({"allOf": [of(a={"const": 1}), of(b={"const": 2})]}, {"a": 1, "b": 2}),
        ({"type": "object", "properties": {"text": text(), "left": text()}}, {"text": "{canary} {search}"}),
        ({"type": "object", "properties": {"inner": of(text=text())}}, {"inner": {"text": "{canary} {search}"}}),
    ],
    ids=lambda one: json.dumps(one)[:60],
)  # fmt: skip
def test_a_body_is_one_that_the_schema_allows(schema: Any, template: Any) -> None:
    body = made(schema)
    assert body.template == template
    assert body.whole
    assert [one for one in body.unknown if "canary" not in one] == []
    assert bool(body.unknown) != ("{canary}" in str(template))


def test_examples_of_whole_bodies_are_used_and_old_documents_read() -> None:
    schema = of(size={"type": "integer", "minimum": 1, "exclusiveMinimum": True, "nullable": True}, word=text())
    assert made(schema, version="3.0.3", example={"size": 5, "word": "a"}).template == {
        "size": 5,
        "word": "{canary} {search}",
    }
    assert made(of(a=text(), b={"type": "integer"}), examples={"one": {"value": {"b": 9}}}).template["b"] == 9
    form = made(of(text=text(), kind=text(enum=["x"])), media="application/x-www-form-urlencoded")
    assert form.template == {"text": "{canary} {search}", "kind": "x"}


@pytest.mark.parametrize(
    ("schema", "unknown"),
    [
        (of(other_id=text()), "what other_id is to hold"),
        (of(id=text()), "what id is to hold"),
        (of(file=text(format="binary")), "what file is to hold"),
        (of(odd=text(pattern="^Ä{40}$")), "what odd is to hold"),
        (of(a={"type": "integer", "minimum": 5, "maximum": 3}), "a body that its schema allows"),
        (of(a={"not": {}}), "what a is to hold"),
        (of(other_ids={"type": "array", "items": text(format="uuid"), "minItems": 1}), "what other_ids[] is to hold"),
    ],
    ids=lambda one: json.dumps(one)[:60],
)
def test_what_cannot_be_known_is_said(schema: Any, unknown: str) -> None:
    body = made(schema)
    assert not body.whole
    assert any(one.startswith(unknown) for one in body.unknown), body.unknown


def test_what_looks_like_a_placeholder_is_no_example() -> None:
    assert made(of(a=text(example="{secret}"))).template == {"a": "{canary} {search}"}
    assert made(of(a={"type": "array", "items": text(), "example": ["{uuid}"]}, b=text())).template["a"] == [
        "x{random}"
    ]


def test_a_pattern_that_would_take_for_ever_is_given_up() -> None:
    began = time.process_time()
    body = made(of(a=text(pattern="^(([a-z0-9])+.)+[A-Z]([a-z])+$"), b=text(pattern="(x+x+)+y"), c={"const": 1}))
    assert time.process_time() - began < 10
    assert not body.whole


def test_a_schema_that_refers_to_itself_ends() -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}
    tree = {"type": "object", "required": ["child"], "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}
    document = parse(
        json.dumps(
            {
                "openapi": "3.1.0",
                "paths": {"/a": {"post": {"operationId": "make", "requestBody": {"content": content}}}},
                "components": {"schemas": {"Tree": tree}},
            }
        )
    )
    body = body_of(document, document.operation("make"), {})
    assert not body.whole
    assert "nested too deeply" in str(body.unknown)
