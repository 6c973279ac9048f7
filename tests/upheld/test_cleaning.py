"""Cleaning up after runs that were killed: real processes, a real server, a real database, and journals on the disk."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.requests import Request
from starlette.responses import Response
from tests.two_tenants import PASSWORDS, TwoTenants, secret_values

from upheld.cleaning import clean, leftovers
from upheld.errors import Spent
from upheld.opening import open_session
from upheld.probes.account_changes import AccountChange, AccountChanges
from upheld.probes.api import Api
from upheld.probes.base import Session
from upheld.probes.planted import Journal, Planted, busy, left_behind
from upheld.state import journal_folder, state_folder
from upheld.target.access import RoleChange
from upheld.target.load import load_target
from upheld.target.model import Target

PLANTS = '''

from upheld.probes.account_changes import AccountChange, AccountChanges
from upheld.probes.api import Api


@check(basis=OBSERVED, intrusive=True)
def plants(api: Api) -> Iterator[Finding]:
    """Something can be planted."""
    for tenant in ("red", "blue"):
        api.plant(tenant)
    yield Finding("planting", passed=True, expected="", observed="")
'''

ROWS = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from upheld.opening import open_session
from upheld.probes.canaries import Canaries
from upheld.probes.stores import Stores
file, scratch, journal = map(Path, sys.argv[1:])
session = open_session(file, scratch, "00" * 32, journal)
stores, canaries = session.probe(Stores), session.probe(Canaries)
while True:
    for store in ("logs", "exports"):
        stores.plant(store, "1", datetime.now(UTC) - timedelta(days=9), canaries.fresh("x").placeholder)
"""


class Stuck(TwoTenants):
    """Makes the second note and never says so."""

    async def notes_of(self, request: Request) -> Response:
        answer = await super().notes_of(request)
        while request.method == "POST" and len(self.notes) > 1:
            await asyncio.sleep(0.05)
        return answer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoTenants]:
    for name, value in secret_values().items():
        monkeypatch.setenv(name, value)
    with TwoTenants(tmp_path / "security.log").serving() as one:
        yield one


def described(server: TwoTenants, folder: Path, **api: Any) -> Path:
    path = folder / "target.yaml"
    parts = {"upheld": "target/1", "name": "two tenants", "environment": "staging", **server.target(**api)}
    path.write_text(yaml.safe_dump(parts))
    return path


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def journals(state: Path) -> list[Path]:
    return list(state.glob("planted/*/*.jsonl"))


def test_what_a_killed_run_planted_is_removed(project: Any, tmp_path: Path) -> None:
    with (project.folder / "checks" / "own.py").open("a") as file:
        file.write(PLANTS)
    project.claims(("planted", "own.plants"), ("good", "own.holds"))
    state = tmp_path / "state"
    environment = {**os.environ, **secret_values(), "UPHELD_STATE": str(state)}
    with Stuck(tmp_path / "security.log").serving() as server:
        target = described(server, project.folder)
        command = project.command("run", "--target", "target.yaml", "--claims", "planted", "-n", "0")
        with subprocess.Popen(
            command, cwd=project.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as run:
            until(lambda: len(server.notes) == 2, run)
            kept = server.notes["kept"] = {"id": "kept", "tenant": "red", "text": "somebody's own", "stamp": ""}
            folder = journal_folder(load_target(target)[0], state_folder(state))
            assert busy(folder) == 1
            assert leftovers(folder) == ()
            run.send_signal(signal.SIGKILL)
        (journal,) = journals(state)
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600
        assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent)} == {0o700}
        written = journal.read_text()
        texts = [note["text"].split()[1] for note in server.notes.values() if note is not kept]
        assert not any(secret in written for secret in (*PASSWORDS.values(), *server.tokens, *texts))

        again = project.upheld("run", "--target", "target.yaml", "--claims", "good", "-n", "0", **environment)
        assert "an earlier run left 2 things behind in the target; upheld clean --target target.yaml" in again.stdout
        assert len(server.notes) == 3

        done = project.upheld("clean", "--target", "target.yaml", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines() == [
            "removed  a note made by addNote as bob",
            "removed  a note made by addNote as ada",
            "2 undone, 0 left",
        ]
        assert list(server.notes) == ["kept"]
        assert journals(state) == []


def test_rows_and_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    database = tmp_path / "data.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE logs (id INTEGER PRIMARY KEY, tenant TEXT, at TEXT, body TEXT)")
        connection.execute("INSERT INTO logs (tenant, at, body) VALUES ('1', '2026-01-01', 'somebody''s own')")
    (tmp_path / "url").write_text(f"sqlite:///{database}")
    exports = tmp_path / "exports" / "1"
    exports.mkdir(parents=True)
    (exports / "own.json").write_text("somebody's own")
    target = tmp_path / "target.yaml"
    table = {"name": "logs", "table": "logs", "timestamp": "at", "tenant_column": "tenant", "content": ["body"]}
    files = {"name": "exports", "folder": "exports", "pattern": "{tenant}/*.json", "plant": "{tenant}/{uuid}.json"}
    parts = {
        "database": {"url": "file:url", "planting_url": "file:url"},
        "retention": {"tables": [{**table, "plant": {"body": "{canary}"}}], "files": [files], "job_within_seconds": 1},
        "tenants": [{"name": "one", "id": "1"}],
    }
    target.write_text(yaml.safe_dump({"upheld": "target/1", "name": "rows", "environment": "staging", **parts}))
    folder = tmp_path / "state"

    def rows() -> list[Any]:
        with sqlite3.connect(database) as connection:
            return connection.execute("SELECT body FROM logs").fetchall()

    command = [sys.executable, "-c", ROWS, str(target), str(tmp_path / "scratch"), str(folder)]
    for enough in (2, 5):
        with subprocess.Popen(command, text=True, stderr=subprocess.PIPE) as process:
            until(lambda most=enough: len(rows()) > most, process)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
        (journal,) = folder.glob("*.jsonl")
        with journal.open("a") as file:
            file.write('{"number": 99, "what": "row", "tab')  # As a crash in mid line leaves it.
        assert len(list(exports.iterdir())) > 1
        done = list(clean(target, folder))
        assert all(one.done for one in done), done
        assert sum(one.said == "removed" for one in done) >= 2 * enough - 1
        assert rows() == [("somebody's own",)]
        assert [one.name for one in exports.iterdir()] == ["own.json"]
        assert list(folder.glob("*.jsonl")) == []


def crashed(session: Session, folder: Path, *planted: Planted) -> None:
    """As a process leaves it that was killed after it noted these."""
    journal = Journal(folder, target="two tenants", durable=True, clean=session.redactor.text)
    for one in planted:
        journal.about(one)
    journal.close()


def test_settings_are_put_back_and_what_cannot_be_undone_is_said(server: TwoTenants, tmp_path: Path) -> None:
    target = described(server, tmp_path)
    session, folder = open_session(target, tmp_path / "scratch", "00" * 32), tmp_path / "state"
    (tmp_path / "precious").write_text("x")
    server.notes["n"] = {"id": "n", "tenant": "red", "text": "as it was changed", "stamp": ""}
    objects = {"tenant": "red", "note": "n"}
    crashed(
        session,
        folder,
        Planted("call", "a text", "api", "changeNote", "ada", objects, body={"text": "as it was"}),
        Planted("call", "another", "api", "changeNote", "ada", {**objects, "note": "no such"}, body={"text": "x"}),
        Planted("object", "never answered", "api", "addNote", "ada", {"tenant": "red"}, kind="note", mark="0" * 64),
        Planted("object", "gone meanwhile", "api", "addNote", "ada", {"tenant": "red"}, kind="note", id="deleted"),
        Planted("file", "a file elsewhere", file=str(tmp_path / "precious")),
        Planted("left", "an e-mail"),
        Planted("call", "a password", "api", "changeNote", "ada", objects, body={"text": PASSWORDS["bob"]}),
    )
    found = {one.title: (one.done, one.said) for one in clean(target, folder)}
    assert found == {
        "a text": (True, "put back"),
        "another": (False, "changeNote answered 404"),
        "never answered": (False, "its making was never answered, and listNotes does not show it: it may not exist"),
        "gone meanwhile": (True, "was not there any more"),
        "a file elsewhere": (False, "it is in no folder that the target declares (retention.files)"),
        "an e-mail": (False, "the target names no way to undo it"),
        "a password": (False, "a secret is needed for it, which the journal does not hold"),
    }
    assert server.notes["n"]["text"] == "as it was"
    assert [len(one.titles) for one in leftovers(folder)] == [5]
    assert sum(not one.done for one in clean(target, folder, forget=True)) == 5
    assert leftovers(folder) == ()
    assert list(folder.iterdir()) == []


class Cascading(TwoTenants):
    """Whoever deletes a note deletes all."""

    async def note(self, request: Request) -> Response:
        answer = await super().note(request)
        if request.method == "DELETE":
            self.notes.clear()
        return answer


def test_what_went_with_another_is_not_there_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in secret_values().items():
        monkeypatch.setenv(name, value)
    with Cascading(tmp_path / "security.log").serving() as server:
        parts = server.target()["api"]
        parts["objects"] |= {"memo": {"create": "addLink", "read": "picked"}}
        target = described(
            server, tmp_path, objects=parts["objects"], parameters={"note_id": "note", "X-Note-Id": "memo"}
        )
        session, folder = open_session(target, tmp_path / "scratch", "00" * 32), tmp_path / "state"
        for one in ("parent", "child"):
            server.notes[one] = {"id": one, "tenant": "red", "text": "planted", "stamp": ""}
        memo = Planted("object", "a memo", "api", "addLink", "ada", {"tenant": "red"}, kind="memo", id="child")
        crashed(session, folder, memo)
        (one_only,) = clean(target, folder)
        assert (one_only.done, one_only.said) == (False, "the target names no operation that deletes a memo")
        note = Planted("object", "a note", "api", "addNote", "ada", {"tenant": "red"}, kind="note", id="parent")
        crashed(session, folder, note)
        found = [(one.title, one.done, one.said) for one in clean(target, folder)]
        assert found == [("a note", True, "removed"), ("a memo", True, "was not there any more")]
        assert leftovers(folder) == ()


def test_a_deletion_that_lies_and_a_server_that_is_down_are_no_removal(server: TwoTenants, tmp_path: Path) -> None:
    target = described(server, tmp_path)
    session, folder = open_session(target, tmp_path / "scratch", "00" * 32), tmp_path / "state"
    server.notes["n"] = {"id": "n", "tenant": "red", "text": "planted", "stamp": ""}
    server.on.add("delete never deletes")
    crashed(
        session, folder, Planted("object", "a note", "api", "addNote", "ada", {"tenant": "red"}, kind="note", id="n")
    )
    (one,) = clean(target, folder)
    assert (one.done, one.said) == (False, "deleteNote answered that it is deleted, and getNote still shows it")
    server.on.clear()
    server.port = 1
    (one,) = clean(described(server, tmp_path), folder)
    assert not one.done
    assert "refused" in one.said


def test_what_a_process_at_work_planted_is_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state")
    note = journal.about(Planted("left", "in the making"))
    with left_behind(tmp_path / "state") as found:
        assert found == []
    assert busy(tmp_path / "state") == 1
    other = journal.about(Planted("left", "also"))
    note.gone()
    note.gone()
    journal.close()
    with left_behind(tmp_path / "state") as [found_one]:
        assert [planted.title for _, planted in found_one.planted] == ["also"]
    assert other.open


def test_a_damaged_line_stays_to_be_seen(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.about(Planted("left", "first"))
    journal.close()
    (path,) = tmp_path.glob("*.jsonl")
    path.write_text(path.read_text() + "{]\n" + json.dumps({"number": 7, "what": "row"}) + "\n[]\n{\n")
    with left_behind(tmp_path) as [one]:
        titles = [planted.title for _, planted in one.planted]
    assert titles[-1] == "first"
    assert sum("damaged" in title for title in titles) == 3
    assert sum("not whole" in title for title in titles) == 1


def test_removing_goes_past_the_budget(server: TwoTenants, tmp_path: Path, session_of: Callable[..., Session]) -> None:
    session = session_of(**server.target(), limits={"requests": 8})
    api = session.probe(Api)
    assert isinstance(api, Api)
    api.plant("red")
    assert len(server.notes) == 1
    with suppress(Spent):
        for _ in range(9):
            session.pace("127.0.0.1")
    with pytest.raises(Spent):
        api.call("listNotes", "ada", {"tenant": "red"})
    session.close()
    assert server.notes == {}
    assert not list((tmp_path / "scratch" / "planted").iterdir())


def test_an_account_is_noted_until_it_is_as_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    accounts = AccountChanges(journal, "staff")
    how = RoleChange(kind="account", change="setRole", disable="disable", enable="enable")

    def made(change: str, role: str = "", *, worked: bool = True) -> list[tuple[str, object, object]]:
        one = AccountChange("burn", change, "boss", {"account": "7", "role": role}, role, "agent")
        accounts.before(one, how)
        accounts.after(one, worked=worked)
        return [(each.planted.operation, each.planted.objects["role"], each.planted.body) for each in journal.kept]

    changed = ("setRole", "agent", {"role": "agent"})
    assert made("change", "reader") == [changed]
    assert made("change", "agent", worked=False) == [changed]
    assert made("disable") == [("enable", "", None), changed]
    assert made("change", "agent") == [("enable", "", None)]
    assert made("enable") == []
    without = RoleChange(kind="account", change="setRole", disable="disable")
    accounts.before(AccountChange("burn", "disable", "boss", {}, "", "agent"), without)
    assert [one.planted.what for one in journal.kept] == ["left"]
    journal.close()


def test_names_of_a_dead_process_leave_the_zone_file(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    zone, before = tmp_path / "zone", "10.0.0.2 api.example\n10.0.0.1 www.example\n"
    mark = f"# upheld {dead.pid}"
    zone.write_text(f"{mark} holds: 10.0.0.1 www.example\n10.0.0.2 api.example\n192.0.2.1 www.example {mark}\n")
    receivers = {"addresses": ["192.0.2.1"], "names": "{random}.example", "zone_file": "zone", "trusted": "env:X"}
    target = tmp_path / "target.yaml"
    target.write_text(
        yaml.safe_dump({"upheld": "target/1", "name": "zone", "environment": "staging", "receivers": receivers})
    )
    assert [(one.title, one.said) for one in clean(target, tmp_path / "state")] == [
        ("names in the zone file zone", "put back")
    ]
    assert zone.read_text() == before
    assert list(clean(target, tmp_path / "state")) == []


def test_targets_do_not_share_journals(tmp_path: Path) -> None:
    def place(**parts: Any) -> Path:
        return journal_folder(Target.model_validate({"environment": "staging", **parts}), tmp_path)

    one = place(name="../Shop", endpoints=[{"name": "www", "url": "https://a.example"}])
    assert one.parent == tmp_path / "planted"
    assert one.name.startswith("shop-")
    assert one == place(name="../Shop", endpoints=[{"name": "web", "url": "https://a.example"}], contact="a@b.example")
    assert one != place(name="../Shop", endpoints=[{"name": "www", "url": "https://b.example"}])


def test_the_state_folder_is_the_one_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPHELD_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder().name == "upheld"
    monkeypatch.setenv("UPHELD_STATE", str(tmp_path / "a"))
    assert state_folder() == tmp_path / "a"
    assert state_folder(tmp_path / "b") == tmp_path / "b"
