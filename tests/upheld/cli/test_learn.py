"""`upheld learn`: the matrix that an API really keeps to, as a part of a target file, with what a person has to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from upheld.cli.main import cli
from upheld.target.access import Access

from ...loopback import endpoint, web

KEYS = {"admin": "admin-0123456789", "user": "user-0123456789"}


class Notes:
    """Notes that users may write and read, and admins delete; `/backup` forgot to ask who is there, `/odd` answers oddly."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self.made = 0

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Any:  # noqa: PLR0911  (one for each path)
        role = next((name for name, key in KEYS.items() if headers.get("X-Key") == key), "")
        if path == "/backup":
            return self._json(200, self.notes)
        if not role:
            return self._json(401, {})
        if path == "/odd":
            return self._json(409, {})
        if path == "/notes":
            if method == "GET":
                return self._json(200, list(self.notes))
            self.made += 1
            self.notes[str(self.made)] = json.loads(body)["text"]
            return self._json(201, {"id": str(self.made)})
        note = path.removeprefix("/notes/")
        if method == "DELETE":
            if role != "admin":
                return self._json(403, {})
            return self._json(200 if self.notes.pop(note, None) else 404, {})
        return self._json(200, {"text": self.notes[note]}) if note in self.notes else self._json(404, {})

    @staticmethod
    def _json(status: int, data: object) -> Any:
        return status, {"Content-Type": "application/json"}, json.dumps(data).encode()


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Notes, Path, dict[str, Any]]]:
    """The server, the file of its target, and what stands in it."""
    server = Notes()
    for role, key in KEYS.items():
        monkeypatch.setenv(f"KEY_{role.upper()}", key)
    with web(server, takes_body=True) as port:
        target = {
            "upheld": "target/1",
            "name": "notes",
            "environment": "staging",
            "endpoints": [endpoint("api", port, scheme="http")],
            "tenants": [{"name": "t", "id": "t"}],
            "identities": [
                {
                    "name": role,
                    "tenant": "t",
                    "role": role,
                    "login": "key",
                    "secrets": {"key": f"env:KEY_{role.upper()}"},
                }
                for role in KEYS
            ],
            "api": {
                "endpoint": "api",
                "acting_role": "admin",
                "logins": {"key": {"scheme": "header", "name": "X-Key", "value": "{key}", "check": "/notes"}},
                "declared": {
                    "list": {"call": "GET /notes"},
                    "add": {"call": "POST /notes"},
                    "get": {"call": "GET /notes/{note}"},
                    "drop": {"call": "DELETE /notes/{note}"},
                    "backup": {"call": "GET /backup"},
                    "odd": {"call": "GET /odd"},
                    "burn": {"call": "DELETE /everything"},
                },
                "excluded": {"burn": "it deletes everything"},
                "parameters": {"note": "note"},
                "objects": {"note": {"create": "add", "json": {"text": "{canary}"}, "read": "get", "delete": "drop"}},
            },
        }
        file = tmp_path / "target.yaml"
        file.write_text(yaml.safe_dump(target), encoding="utf-8")
        yield server, file, target


def learning(file: Path, tmp_path: Path, *options: str) -> Any:
    return CliRunner().invoke(
        cli, ["learn", "--target", str(file), "--state", str(tmp_path / "state"), *options], catch_exceptions=False
    )


def test_what_each_role_can_do_is_a_part_of_a_target_file(notes: Any, tmp_path: Path) -> None:
    server, file, _ = notes
    done = learning(file, tmp_path, "--roles", "--intrusive")
    found = yaml.safe_load(done.stdout)["access"]
    Access.model_validate(found)
    assert set(found["everyone"]) == {"list", "add", "get", "backup"}
    assert found["roles"] == {"drop": ["admin"]}
    assert '# look: it works for strangers too, without any credential\n    - "backup"' in done.stdout
    assert "# not found out: odd (GET /odd): admin: admin was answered 409; user: user was answered 409" in done.stdout
    assert "# not found out: burn (DELETE /everything): it deletes everything" in done.stdout
    assert "until somebody has confirmed every line, it proves nothing" in done.stdout
    assert done.exit_code == 3, "not all could be learned"
    assert server.notes == {}, "what was made is taken away"


def test_only_what_reads_is_called_unless_somebody_says_otherwise(notes: Any, tmp_path: Path) -> None:
    server, file, target = notes
    server.notes["7"] = "there before"
    tenants = [{"name": "t", "id": "t", "objects": {"note": "7"}}]
    # In production too: nothing is written.
    file.write_text(yaml.safe_dump({**target, "tenants": tenants, "environment": "production"}), encoding="utf-8")
    done = learning(file, tmp_path, "--roles")
    found = yaml.safe_load(done.stdout)["access"]
    assert (set(found["everyone"]), found["roles"]) == ({"list", "get", "backup"}, {})
    assert "# not found out: drop (DELETE /notes/{note}): it may change something, and was not called" in done.stdout
    assert (server.notes, server.made) == ({"7": "there before"}, 0)


def test_what_works_for_nobody_is_not_said_to_be_refused(notes: Any, tmp_path: Path) -> None:
    _, file, target = notes
    tenants = [{"name": "t", "id": "t", "objects": {"note": "gone"}}]
    file.write_text(yaml.safe_dump({**target, "tenants": tenants}), encoding="utf-8")
    done = learning(file, tmp_path, "--roles")
    assert "get" not in yaml.safe_load(done.stdout)["access"]["roles"]
    assert "# not found out: get (GET /notes/{note}): it worked for nobody" in done.stdout


def test_identities_of_one_role_that_fare_differently_decide_nothing(notes: Any, tmp_path: Path) -> None:
    server, file, target = notes
    server.notes["7"] = "there"
    others = [{**one, "name": f"{one['name']}2", "tenant": "u"} for one in target["identities"]]
    tenants = [
        {"name": "t", "id": "t", "objects": {"note": "7"}},
        {"name": "u", "id": "u", "objects": {"note": "gone"}},
    ]
    described = {**target, "tenants": tenants, "identities": [*target["identities"], *others]}
    file.write_text(yaml.safe_dump(described), encoding="utf-8")
    done = learning(file, tmp_path, "--roles")
    assert "admin: admin worked, admin2 was refused" in done.stdout
    assert "get" not in yaml.safe_load(done.stdout)["access"]["everyone"]


def test_recipes_are_shown_with_their_reasons_and_nothing_else_is_sent(notes: Any, tmp_path: Path) -> None:
    server, file, target = notes
    body = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
    made = {"201": {"content": {"application/json": {"schema": {"properties": {"id": {"type": "string"}}}}}}}
    sent = {"content": {"application/json": {"schema": body}}}
    paths = {
        "/b/{box}/notes": {"post": {"operationId": "write", "requestBody": sent, "responses": made}},
        "/b/{box}/notes/{id}": {"get": {"operationId": "show"}, "delete": {"operationId": "wipe"}},
        "/reset": {"post": {"operationId": "reset"}},
    }
    (tmp_path / "openapi.json").write_text(json.dumps({"openapi": "3.1.0", "paths": paths}), encoding="utf-8")
    api = {**target["api"], "openapi": "openapi.json", "objects": {}, "declared": {}, "excluded": {}}
    file.write_text(yaml.safe_dump({**target, "environment": "production", "api": api}), encoding="utf-8")
    done = learning(file, tmp_path)
    found = yaml.safe_load(done.stdout)["api"]["objects"]
    assert found["note"] == {
        "create": "write",
        "json": {"text": "{canary} {search}"},
        "id": "/id",
        "read": "show",
        "delete": "wipe",
    }
    assert "# inferred: write (POST /b/{box}/notes) makes what show (GET /b/{box}/notes/{id}) shows" in done.stdout
    assert "# text: a text that it must have, for the canary" in done.stdout
    assert "not found out: what box in the path of write names" in done.stdout
    assert "# not inferred: reset (POST /reset): no GET shows one" in done.stdout
    assert (done.exit_code, server.made) == (0, 0)


def test_what_writes_is_not_called_in_production(notes: Any, tmp_path: Path) -> None:
    server, file, target = notes
    file.write_text(yaml.safe_dump({**target, "environment": "production"}), encoding="utf-8")
    with pytest.raises(Exception, match="the target is production"):
        learning(file, tmp_path, "--roles", "--intrusive")
    assert server.made == 0


def test_a_target_without_identities_teaches_nothing(notes: Any, tmp_path: Path) -> None:
    _, file, target = notes
    file.write_text(yaml.safe_dump({**target, "identities": []}), encoding="utf-8")
    done = learning(file, tmp_path, "--roles")
    assert (done.exit_code, "the target has no identities" in done.stderr) == (3, True)
