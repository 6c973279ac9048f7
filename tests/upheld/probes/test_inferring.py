"""`objects: inferred`: recipes that follow from the document make real objects, and the target's own words win."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld.catalogue import Catalogue
from upheld.errors import InputError, Unobservable
from upheld.model import Finding
from upheld.probes.api import Api
from upheld.probes.inferring import Completed, complete
from upheld.probes.openapi import parse
from upheld.target.api import Api as Description
from upheld.target.load import load_target

from ...loopback import ROOT
from ...two_tenants import TwoTenants, secret_values

TEXT = {"type": "string"}


def collection(path: str, parameter: str, *needs: str, delete: bool = True, answer: bool = True) -> dict[str, Any]:
    """The paths of a collection whose things are made with a text and these identifiers."""
    name = path.rpartition("/")[2]
    schema = {"type": "object", "required": ["text", *needs], "properties": dict.fromkeys(("text", *needs), TEXT)}
    post: dict[str, Any] = {
        "operationId": f"make_{name}",
        "requestBody": {"content": {"application/json": {"schema": schema}}},
    }
    if answer:
        shown = {"type": "object", "properties": {"id": TEXT}}
        post["responses"] = {"201": {"content": {"application/json": {"schema": shown}}}}
    item = {"get": {"operationId": f"show_{name}"}}
    if delete:
        item["delete"] = {"operationId": f"drop_{name}"}
    return {path: {"post": post}, f"{path}/{{{parameter}}}": item}


def completed(paths: dict[str, Any], **api: Any) -> Completed:
    description = {"endpoint": "api", "openapi": "/openapi.json", "objects": {}, "infer_objects": True, **api}
    return complete(Description.model_validate(description), parse(json.dumps({"openapi": "3.1.0", "paths": paths})))


PATHS = {
    **collection("/t/{tenant_id}/notes", "note_id"),
    **collection("/t/{tenant_id}/notes/{note_id}/remarks", "remark_id", "note_id"),
}


def test_kinds_that_need_one_another_are_all_made() -> None:
    found = completed(PATHS)
    assert list(found.api.objects) == ["note", "remark"]
    assert found.api.objects["remark"].json_body == {"text": "{canary} {search}", "note_id": "{note}"}
    assert found.api.parameters == {"note_id": "note", "remark_id": "remark"}
    assert found.left == ()
    assert next(str(one).partition(",")[0] for one in found.inferred) == (
        "note: make_notes (POST /t/{tenant_id}/notes) makes what show_notes (GET /t/{tenant_id}/notes/{note_id}) shows"
    )


def test_what_the_target_says_itself_wins() -> None:
    own = {"memo": {"create": "make_notes", "json": {"text": "mine {canary}"}, "read": "show_notes"}}
    found = completed(PATHS, objects=own, infer_objects=True, parameters={"note_id": "memo"})
    assert found.api.objects["memo"].json_body == {"text": "mine {canary}"}
    assert found.api.objects["remark"].json_body == {"text": "{canary} {search}", "note_id": "{memo}"}
    assert set(found.api.objects) == {"memo", "remark"}
    assert found.api.parameters == {"note_id": "memo", "remark_id": "remark"}
    named = completed(PATHS, parameters={"note_id": "memo"})
    assert set(named.api.objects) == {"memo", "remark"}
    without = completed(PATHS, objects=own, infer_objects=False)
    assert without.api.objects["memo"].json_body == {"text": "mine {canary}"}


@pytest.mark.parametrize(
    ("paths", "api", "words"),
    [
        (collection("/tenants", "tenant_id"), {}, "tenant (make_tenants (POST /tenants)): what it makes is a tenant"),
        (collection("/notes", "note_id", delete=False), {}, "how it is taken away again (delete)"),
        (collection("/notes", "note_id", answer=False), {}, "where the answer of make_notes has the identifier"),
        (collection("/notes", "note_id", "owner_id"), {}, "what owner_id is to hold"),
        (collection("/notes", "note_id"), {"excluded": {"make_notes": "it costs"}}, "make_notes is excluded: it costs"),
        (collection("/notes", "note_id"), {"excluded": {"drop_notes": "never"}}, "what takes it away again is excluded"),
        (collection("/notes", "note_id"), {"values": {"note_id": "7"}}, "that it is nobody's object"),
        (collection("/a/{strange}/notes", "note_id"), {}, "what strange in the path of make_notes names"),
        (collection("/notes", "note_id"), {"logins": {"l": {"path": "/notes", "json": {}}}}, "an identity logs in by it"),
        ({"/things": {"post": {"operationId": "make"}}}, {}, "make (POST /things): no GET shows one of what it makes"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_what_cannot_be_inferred_whole_is_not_used_and_said(
    paths: dict[str, Any], api: dict[str, Any], words: str
) -> None:
    found = completed(paths, **api)
    assert found.inferred == ()
    assert found.api.objects == {}
    assert any(words in one for one in found.left), found.left


def test_what_needs_a_kind_that_is_not_made_is_not_made_either() -> None:
    paths = {
        **collection("/teams", "team_id", delete=False),
        **collection("/teams/{team_id}/notes", "note_id"),
        **collection("/tags", "tag_id", "note_id"),
    }
    found = completed(paths)
    assert found.api.objects == {}
    assert any(
        "note (make_notes): not found out: what team_id in the path of make_notes names" in one for one in found.left
    )
    assert any(
        "tag (make_tags): its body names a note, and how one is made was not inferred" in one for one in found.left
    )


def test_a_check_works_with_what_was_inferred(session_of: Callable[..., Any], tmp_path: Path) -> None:
    check = Catalogue.load(ROOT / "checks")["tenancy.foreign_identifiers_are_refused"]
    for switches in ((), ("foreign GET",)):
        with TwoTenants(tmp_path / "log", "answers described", *switches).serving() as server:
            target = server.target(objects={}, infer_objects=True, parameters={}, operations={})
            session = session_of(secret_values=secret_values(), **target)
            with session.recording("t") as recorder:
                found = list(check.function(*(session.probe(kind) for kind in check.probes.values())))
            session.close()
            assert server.notes == {}
        by_subject = {str(one.subject): one for one in found if isinstance(one, Finding)}
        failed = [one for one in by_subject.values() if not one.passed]
        assert bool(failed) == bool(switches), found
        said = [one.value for one in recorder.observations if one.look == "plant"]
        assert all("note: addNote (POST" in one["inferred"][0] for one in said)
        assert any("link" in why for one in said for why in one["not_inferred"])


def test_without_the_document_nothing_is_inferred_and_that_is_said(
    session_of: Callable[..., Any], tmp_path: Path
) -> None:
    with TwoTenants(tmp_path / "log").serving() as server:
        target = server.target(objects={}, infer_objects=True, openapi="/none.json")
        session = session_of(secret_values=secret_values(), **target)
        api = session.probe(Api)
        assert api.login("ada").accepted
        with pytest.raises(Unobservable, match=r"none\.json answered 404"):
            api.plant("red")


def test_there_must_be_something_to_infer_from(tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    api = {"endpoint": "a", "objects": "inferred", "declared": {"me": {"call": "GET /me"}}}
    given = {
        "upheld": "target/1",
        "name": "x",
        "environment": "staging",
        "endpoints": [{"name": "a", "url": "http://a"}],
    }
    file.write_text(json.dumps({**given, "api": api}))
    with pytest.raises(InputError, match="objects are inferred from an OpenAPI document"):
        load_target(file)
    file.write_text(json.dumps({**given, "api": {**api, "openapi": "/openapi.json"}}))
    target, _ = load_target(file)
    assert target.api is not None
    assert (target.api.objects, target.api.infer_objects) == ({}, True)
    file.write_text(json.dumps({**given, "api": {**api, "openapi": "/o", "objects": "guessed"}}))
    with pytest.raises(InputError, match="objects"):
        load_target(file)
