"""Recipes that are inferred from an OpenAPI document: from real ones they make real objects, and what they cannot know they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld.probes.api import Api
from upheld.probes.inferring import MOST, Inferred, inferred
from upheld.probes.openapi import parse

from ...two_tenants import TwoTenants, openapi, secret_values


def schema(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def kinds(paths: dict[str, Any]) -> list[Inferred]:
    return list(inferred(parse(json.dumps({"openapi": "3.1.0", "paths": paths}))))


def collection(
    path: str, body: dict[str, Any], answer: dict[str, Any] | None = None, parameter: str = "id", **more: Any
) -> dict[str, Any]:
    """The paths of a collection whose items are made with this body."""
    answers = {"201": {"content": {"application/json": {"schema": answer}}}} if answer is not None else {}
    post = {"operationId": f"make {path}", "requestBody": {"content": {"application/json": {"schema": body}}}}
    item = {"get": {"operationId": f"show {path}"}, **more}
    return {path: {"post": {**post, "responses": answers}}, f"{path}/{{{parameter}}}": item}


def test_what_is_inferred_makes_and_takes_away_real_objects(session_of: Callable[..., Any], tmp_path: Path) -> None:
    (note,) = [one for one in inferred(parse(json.dumps(openapi()))) if one.kind == "note"]
    assert (
        note.because
        == "addNote (POST /t/{tenant_id}/notes) makes what getNote (GET /t/{tenant_id}/notes/{note_id}) shows"
    )
    with TwoTenants(tmp_path / "log").serving() as server:
        described = {"objects": {"note": dict(note.recipe)}, "parameters": dict.fromkeys(note.parameters, "note")}
        session = session_of(secret_values=secret_values(), **server.target(**described))
        api = session.probe(Api)
        planted = api.plant("red")
        assert list(server.notes) == [planted.ids()["note"]]
        assert planted.objects[0].canary in api.call("getNote", "ada", planted.ids()).shows
        api.remove_planted()
        assert server.notes == {}


def test_each_required_property_gets_a_value_of_its_kind() -> None:
    text = {"type": "string"}
    parts = {
        "title": text,
        "note": text,
        "mail": {"type": "string", "format": "email"},
        "kind": {"enum": ["a", "b"], "type": "string"},
        "count": {"type": "integer"},
        "on": {"type": "boolean"},
        "steps": {"type": "array", "items": schema("at", at={"type": "string", "format": "date-time"})},
        "left": text,
    }
    (one,) = kinds(collection("/tasks", schema(*[name for name in parts if name != "left"], **parts), schema(id=text)))
    assert one.recipe == {
        "create": "make /tasks",
        "json": {
            "title": "{canary} {search}",
            "note": "x{random}",
            "mail": "{random}@example.com",
            "kind": "a",
            "count": 1,
            "on": False,
            "steps": [{"at": "2026-01-01T00:00:00Z"}],
        },
        "id": "/id",
        "read": "show /tasks",
    }
    assert one.unknown == ("how it is taken away again (delete)",)


def test_identifiers_of_other_kinds_are_filled_in_and_unknown_ones_are_said() -> None:
    text = {"type": "string"}
    paths = {
        **collection("/teams", schema("name", name=text), schema(data=schema(team_id=text)), "team_id"),
        **collection("/notes", schema("team_id", "owner_id", team_id=text, owner_id=text), {}, "note_id", delete={}),
    }
    team, note = kinds(paths)
    assert team.recipe["id"] == "/data/team_id"
    assert note.recipe["json"] == {"team_id": "{team}"}
    assert note.recipe["delete"] == "delete /notes/{note_id}"
    assert note.unknown == (
        "what owner_id is to hold",
        "which property of the body a canary can stand in",
        "where the answer of make /notes has the identifier (id: a JSON pointer)",
    )


def test_one_name_for_many_kinds_is_told_apart_by_operation() -> None:
    text = schema("name", name={"type": "string"})
    paths = {**collection("/notes", text), **collection("/teams/{team}/notes", text), **collection("/tenants", text)}
    found = {one.kind: one.parameters for one in kinds(paths)}
    assert found == {
        "note": ("show /notes.id",),
        "team_note": ("show /teams/{team}/notes.id",),
        "tenant_2": ("show /tenants.id",),
    }


@pytest.mark.parametrize(
    "paths",
    [
        {},
        {"/notes": {"get": {}}, "/notes/{id}": {"get": {}}},
        {"/notes": {"post": {}}},
        {"/notes": {"post": {}}, "/notes/{id}": {"delete": {}}},
        {"/notes": {"post": {}}, "/notes/all": {"get": {}}},
    ],
)
def test_nothing_is_inferred_where_nothing_shows_what_is_made(paths: dict[str, Any]) -> None:
    assert kinds(paths) == []


def test_a_body_without_end_is_said() -> None:
    many = {f"p{number}": {"type": "integer"} for number in range(MOST + 1)}
    (one,) = kinds(collection("/notes", schema(*many, **many)))
    assert one.recipe["json"] == {}
    assert f"the body, which must have {MOST + 1} properties" in one.unknown
