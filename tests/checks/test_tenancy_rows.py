"""What no operation shows is seen in rows of the database: the check of tenants' identifiers over a real API with SQLite behind it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from processes import upheld
from upheld import Finding, LeftOut, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes.api import Api

from ..two_tenants import TENANT_OF, TwoTenants, openapi, secret_values

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
Found = list[Finding | NotObserved | LeftOut]
REMIND = "/t/{tenant_id}/notes/{note_id}/reminder"
ROWS = {"reminder": {"table": "notes", "where": {"id": "{note}", "tenant": "{tenant}"}, "columns": ["remind_at"]}}


class Reminding(TwoTenants):
    """Keeps for each note when its owner is reminded of it, in a database, and shows that to nobody."""

    def __init__(self, folder: Path, *switches: str) -> None:
        super().__init__(folder / "security.log", *switches)
        self.file = folder / "notes.sqlite3"
        self.run("CREATE TABLE notes (id TEXT PRIMARY KEY, tenant TEXT, remind_at TEXT)")

    def run(self, statement: str, *values: str) -> None:
        with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement, values)

    async def document(self, _request: Request) -> Response:
        found = openapi()
        for path in ("/picked", "/t/{tenant_id}/links", "/t/{tenant_id}/history", "/t/{tenant_id}/index"):
            del found["paths"][path]
        changes = found["paths"]["/t/{tenant_id}/notes/{note_id}"]["patch"]
        found["paths"][REMIND] = {"put": {**changes, "operationId": "remind"}}
        return JSONResponse(found)

    async def notes_of(self, request: Request) -> Response:
        answer = await super().notes_of(request)
        if answer.status_code == 201:
            made = json.loads(bytes(answer.body))
            self.run("INSERT INTO notes VALUES (?, ?, NULL)", made["id"], made["tenant"])
        return answer

    async def remind(self, request: Request, tenant_id: str, note_id: str) -> Response:
        tenant = TENANT_OF.get(self.caller(request) or "", "")
        note = self.notes.get(note_id)
        at = str((await request.json()).get("text"))
        allowed = note is not None and tenant == tenant_id == note["tenant"]
        if note is not None and tenant and (allowed or self.on & {"sets it and refuses", "sets it"}):
            if "never sets it" not in self.on:
                self.run("UPDATE notes SET remind_at = ? WHERE id = ?", at, note_id)
            if allowed or "sets it" in self.on:
                return Response(status_code=204)
        pretends = "pretends" in self.on and tenant == tenant_id
        return Response(status_code=204) if pretends else JSONResponse({"error": "no"}, 404)

    def app(self) -> Any:
        inner = super().app()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            parts = scope["path"].split("/") if scope["type"] == "http" else []
            if parts[-1:] == ["reminder"] and scope["method"] == "PUT" and len(parts) == 6:
                answer = await self.remind(Request(scope, receive), parts[2], parts[4])
                await answer(scope, receive, send)
            else:
                await inner(scope, receive, send)

        return app

    def described(self, **rows: Any) -> dict[str, Any]:
        """The target's parts, with the database beside the API."""
        parts = self.target(rows={"reminder": {**ROWS["reminder"], **rows}})
        parts["api"]["operations"] = {
            "search": parts["api"]["operations"]["search"],
            "changeNote": {"json": {"text": "{canary}"}},
            "remind": {"json": {"text": "at {random}"}, "read_back": "reminder"},
        }
        parts["api"]["parameters"] = {"note_id": "note"}
        return {**parts, "database": {"url": "env:NOTES_URL"}}

    def secrets(self) -> dict[str, str]:
        return {**secret_values(), "NOTES_URL": f"sqlite:///{self.file}"}


@pytest.fixture
def run(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., Found]:
    """The findings of a check about the operation that only rows show, against a server with these switches."""

    def call(name: str, *switches: str, **described: Any) -> Found:
        with Reminding(tmp_path, *switches).serving() as server:
            assert isinstance(server, Reminding)
            session = session_of(secret_values=server.secrets(), **server.described(**described))
            with session.recording("t"):
                found = list(CHECKS[name].function(session.probe(Api)))
        return [one for one in found if "reminder" in str(one.subject)]

    return call


def told(found: Found) -> Iterator[str]:
    for one in found:
        if isinstance(one, NotObserved):
            yield f"not seen: {one.reason}"
        elif isinstance(one, Finding):
            yield f"{'passed' if one.passed else 'failed'}: {one.observed}"


IDENTIFIERS = "tenancy.foreign_identifiers_are_refused"


def test_what_only_rows_show_is_judged(run: Callable[..., Found]) -> None:
    found = list(told(run(IDENTIFIERS)))
    assert len(found) == 6
    assert all(one == "passed: refused with 404; with own identifiers 204" for one in found)


@pytest.mark.parametrize("switch", ["sets it and refuses", "sets it"])
def test_a_change_is_seen_whatever_was_answered(run: Callable[..., Found], switch: str) -> None:
    found = [one for one in told(run(IDENTIFIERS, switch)) if not one.startswith("passed")]
    status = 404 if "refuses" in switch else 204
    assert f"failed: answered {status}, and red's object changed: /0/remind_at" in found
    assert f"failed: answered {status}, and blue's object changed: /0/remind_at" in found


def test_a_success_that_changed_nothing_is_told_from_one_that_cannot_be_seen(run: Callable[..., Found]) -> None:
    assert set(told(run(IDENTIFIERS, "pretends"))) == {
        "passed: refused with 404; with own identifiers 204",
        "passed: answered 204, and nothing of red changed",
        "passed: answered 204, and nothing of blue changed",
    }


@pytest.mark.parametrize(
    ("switches", "described", "words"),
    [
        (("pretends", "never sets it"), {}, "but not even with own identifiers does the operation change anything"),
        ((), {"columns": ["no_such"]}, "no_such"),
        ((), {"table": "elsewhere"}, "elsewhere"),
        ((), {"where": {"id": "{note}", "tenant": "another"}}, "cannot read its own note back: reminder"),
    ],
)
def test_rows_that_show_nothing_are_never_green(
    run: Callable[..., Found], switches: tuple[str, ...], described: dict[str, Any], words: str
) -> None:
    found = list(told(run(IDENTIFIERS, *switches, **described)))
    assert any(one.startswith("not seen: ") and words in one for one in found), found
    assert not any("nothing of" in one for one in found)


def test_a_run_refutes_by_rows_what_every_answer_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user has it: the target in a file, the audit by the command, the finding in the report."""
    policy = (
        "upheld: policy/1\nname: reminding\nclaims:\n  - {id: apart, statement: Nobody else changes what is yours., "
        f"section: S, severity: high, owner: o, checks: [{IDENTIFIERS}]}}\n"
    )
    (tmp_path / "policies.yaml").write_text(policy)
    with Reminding(tmp_path, "sets it and refuses").serving() as server:
        assert isinstance(server, Reminding)
        for name, value in {**server.secrets(), "UPHELD_STATE": str(tmp_path / "state")}.items():
            monkeypatch.setenv(name, value)
        whole = {"upheld": "target/1", "name": "reminding", "environment": "staging", **server.described()}
        (tmp_path / "target.yaml").write_text(yaml.safe_dump(whole))
        done = upheld(tmp_path, "run", "--target", "target.yaml", "--out", "out", "-n", "0", "--ledger", "none")
    assert done.returncode == 1, done.stdout + done.stderr
    (claim,) = json.loads((tmp_path / "out" / "run.json").read_text())["claims"]
    failed = [one for check in claim["checks"] for one in check["findings"] if one["verdict"] == "fail"]
    assert failed
    assert all("PUT /t/{tenant_id}/notes/{note_id}/reminder" in one["subject"] for one in failed)
    assert all(one["observed"].endswith("object changed: /0/remind_at") for one in failed)
