"""OpenAPI documents in several files: read as one, and nothing that lies elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld.probes import openapi
from upheld.probes.http import Http

from ...loopback import endpoint, web

MAIN = """
openapi: 3.0.3
info: {title: x, version: "1"}
servers: [{url: /v1}]
paths:
  /notes/{note}:
    $ref: "paths/note.yaml"
  /outside: {$ref: "../outside.yaml"}
  /link: {$ref: "link.yaml"}
  /etc: {$ref: "file:///etc/hostname"}
  /web: {$ref: "http://evil.example/x.yaml"}
"""
NOTE = """
put:
  operationId: changeNote
  parameters: [{$ref: "../parameters.json#/note"}]
  requestBody:
    content:
      application/json: {schema: {$ref: "../schemas/note.yaml#/Note"}}
  responses: {"200": {description: ok}}
"""
PARTS = {
    "openapi.yaml": MAIN,
    "paths/note.yaml": NOTE,
    "parameters.json": '{"note": {"name": "note", "in": "path", "required": true, "schema": {"type": "string"}}}',
    "schemas/note.yaml": "Note: {type: object, properties: {text: {$ref: '#/Text'}, above: {$ref: 'note.yaml#/Note'}}}\nText: {type: string}\n",
}


def laid_out(folder: Path) -> Path:
    (folder / "api" / "paths").mkdir(parents=True)
    (folder / "api" / "schemas").mkdir()
    for name, text in PARTS.items():
        (folder / "api" / name).write_text(text, encoding="utf-8")
    return folder


def names(operation: openapi.Operation) -> set[str]:
    return {one.path for one in operation.body}


def test_a_document_of_several_files_is_read_as_one_and_nothing_outside_of_them(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "target")
    outside = "get: {operationId: outside, responses: {}}\n"
    (folder / "outside.yaml").write_text(outside)
    (tmp_path / "elsewhere.yaml").write_text(outside.replace("outside", "elsewhere"))
    (folder / "api" / "link.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    document = openapi.of_file("api/openapi.yaml", folder)
    # What lies in the target's own folder is the target's, as the document is.
    assert {one.id for one in document.operations} == {"changeNote", "outside"}
    (note,) = (one for one in document.operations if one.id == "changeNote")
    assert (note.method, note.path) == ("PUT", "/v1/notes/{note}")
    assert [one.name for one in note.parameters] == ["note"]
    assert "text" in names(note)
    assert {one.id for one in openapi.of_file("openapi.yaml", folder / "api").operations} == {"changeNote"}


def test_a_document_of_several_files_is_fetched_from_its_own_endpoint_only(
    tmp_path: Path, session_of: Callable[..., Any]
) -> None:
    asked: list[str] = []
    parts = dict(PARTS)

    def answer(_method: str, path: str, _headers: Any) -> Any:
        asked.append(path)
        text = parts.get(path.removeprefix("/docs/"))
        return (200, {}, text.encode()) if text else (404, {}, b"")

    with web(answer) as port, web(answer) as other:
        parts["openapi.yaml"] = MAIN.replace("evil.example", f"127.0.0.1:{other}")
        session = session_of(endpoints=[endpoint("www", port, scheme="http"), endpoint("other", other, scheme="http")])
        client = session.probe(Http).client
        document = openapi.load("/docs/openapi.yaml", session.target.endpoints[0], tmp_path, client)
    assert {one.id for one in document.operations} == {"changeNote"}
    assert set(asked) == {f"/docs/{name}" for name in PARTS} | {"/outside.yaml", "/docs/link.yaml"}


@pytest.mark.parametrize("swagger", [False, True])
def test_files_without_end_are_not_read_on(tmp_path: Path, swagger: bool) -> None:
    head = {"swagger": "2.0"} if swagger else {"openapi": "3.1.0"}
    main = {**head, "info": {}, "paths": {"/x": {"$ref": "0.json"}}}
    (tmp_path / "main.json").write_text(json.dumps(main))
    for number in range(150):
        (tmp_path / f"{number}.json").write_text(json.dumps({"x": {"$ref": f"{number + 1}.json"}, "get": {"operationId": "x", "responses": {}}}))  # fmt: skip
    assert len(openapi.of_file("main.json", tmp_path).operations) == (0 if swagger else 1)
