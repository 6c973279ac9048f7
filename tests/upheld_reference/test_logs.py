"""No token is in any log, whatever happens to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest


def leaks(rivet: Any) -> set[str]:
    """The logs in which a token is found after good, refused, failed and crashed sign-ups; named by what they hold."""
    canary = f"CANARY{uuid4().hex}"
    path = rivet.path("acme", "/whatsapp/signup")
    numbers = {"AQ": "+27829999003", "AQfail": "+27829999003", "AQgarbage": "+27829999003"}
    statuses = [
        rivet.call("POST", path, "acme-owner", json={"code": f"{prefix}{canary}", "phone_number": number}).status_code
        for prefix, number in numbers.items()
    ]
    assert statuses == [201, 502, 502]
    body = {"code": f"AQ{canary}", "phone_number": "none"}
    assert rivet.call("POST", path, "acme-owner", json=body).status_code == 422
    assert rivet.call("GET", f"/v1/me?access_token=EAAG{canary}", "acme-owner").status_code == 200
    bearer = rivet.login("acme-owner")["Authorization"].split()[1]
    wanted = {"canary": canary, "bearer": bearer, "hex": canary.encode().hex()}
    return {
        f"{what} in {log.name}"
        for log in Path(rivet.facts["logs"]).iterdir()
        for what, text in wanted.items()
        if text in log.read_text(encoding="utf-8", errors="replace")
    }


def test_no_token_is_in_any_log(rivet: Any) -> None:
    assert leaks(rivet) == set()


def test_no_token_is_in_any_file_of_the_deployment(rivet: Any) -> None:
    canary = f"CANARY{uuid4().hex}"
    body = {"code": f"AQ{canary}", "phone_number": "+27829999004"}
    assert rivet.call("POST", rivet.path("acme", "/whatsapp/signup"), "acme-owner", json=body).status_code == 201
    folders = {Path(rivet.facts["folder"]), Path(rivet.facts["postgres"]["data"])}
    holding = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and canary.encode() in path.read_bytes()
    ]
    assert holding == []


def test_what_happened_is_logged_all_the_same(rivet: Any) -> None:
    leaks(rivet)
    assert "exchanged a sign-up code" in rivet.log("debug")
    assert "GraphAnswerError: Graph answered without waba_id" in rivet.log("error")
    assert re.search(r"Graph answered 500: .*verifying \[redacted\]", rivet.log("app"))
    assert re.search(r"api POST /v1/workspaces/\S+/whatsapp/signup 201", rivet.log("access"))


def test_refusals_are_in_the_security_log(rivet: Any) -> None:
    contact = rivet.workspace("acme")["objects"]["contacts"][0]
    assert rivet.call("DELETE", rivet.path("acme", f"/contacts/{contact}"), "acme-viewer").status_code == 403
    assert rivet.call("GET", rivet.path("globex"), "acme-viewer").status_code == 404
    log = rivet.log("security")
    assert f"deleteContact refused to member {rivet.identity('acme-viewer')['id']}" in log
    assert f"asked for the workspace {rivet.workspace('globex')['id']}" in log


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("authorization_in_access_log", {"bearer in access.log"}),
        ("token_in_exception_trace", {"canary in app.log", "canary in error.log", "canary in debug.log"}),
        ("token_in_url_query", {"canary in graph-access.log"}),
        ("redaction_misses_second_token", {"canary in debug.log"}),
    ],
)
def test_sabotage(sabotaged_rivet: Callable[[str], Any], name: str, expected: set[str]) -> None:
    assert leaks(sabotaged_rivet(name)) == expected
