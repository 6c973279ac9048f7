"""The audit log grows only, and its chain shows whatever was done to it behind its back."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from upheld_reference import deployment as deployments
from upheld_reference.audit import chain, log
from upheld_reference.audit.log import Entry

_ODD = {
    "text": 'quote " back \\ tab \t delete \x7f snow \u2603 \U0001f600',
    "z": [1, -2, None, True],
    "a": {"b": {}, "B": []},
}


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """A deployment of its own: these tests add entries, and break the log."""
    with deployments.start() as running:
        yield running.facts["postgres"]["urls"]


def _append(url: str, actor: str = "service:test", workspace: UUID | None = None, **details: Any) -> None:
    values = [actor, "test.append", "test:1", "done", workspace, "because", Jsonb(details)]
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SELECT audit.append(%s, %s, %s, %s, %s, %s, %s)", values)


def _rows(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as db:
        return db.execute(chain.SELECT).fetchall()


def test_database_and_python_agree_on_every_digest(urls: dict[str, str]) -> None:
    _append(urls["application"], **_ODD)
    _append(urls["staff"], actor=f"staff:{uuid4()}")
    rows = _rows(urls["auditor"])
    assert rows[-2]["details"] == _ODD
    assert rows[0]["previous"] == chain.FIRST_PREVIOUS
    assert chain.verify_chain(rows) == []


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_documented_command_gives_the_digest(urls: dict[str, str], tmp_path: Path) -> None:
    _append(urls["application"], note="caf\u00e9", number=7)
    entry = chain.document(_rows(urls["auditor"])[-1])
    (tmp_path / "entry.json").write_text(chain.canonical(entry), encoding="utf-8")
    page = Path(__file__).parents[2].joinpath("docs", "reference-audit-log.md").read_text(encoding="utf-8")
    command = page.partition("```sh\n")[2].partition("\n```")[0]
    assert command in str(chain.__doc__)
    printed = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == entry["digest"]


def test_entries_written_side_by_side_form_one_chain(urls: dict[str, str]) -> None:
    async def many(url: str) -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
            for _ in range(20):
                await db.execute(
                    "SELECT audit.append('service:test', 'test.append', 'test:1', 'done', NULL, NULL, '{}')"
                )

    async def together() -> None:
        await asyncio.gather(*(many(urls[role]) for role in ("application", "application", "staff", "application")))

    before = len(_rows(urls["auditor"]))
    asyncio.run(together())
    rows = _rows(urls["auditor"])
    assert len(rows) == before + 80
    assert chain.verify_chain(rows) == []


@pytest.mark.parametrize("role", ["application", "staff", "auditor", "owner", "retention", "planter", "superuser"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.entries SET reason = 'another'",
        "DELETE FROM audit.entries",
        "TRUNCATE audit.entries",
        "UPDATE audit.entries SET reason = 'another' WHERE false",
    ],
)
def test_nobody_changes_the_log(urls: dict[str, str], role: str, statement: str) -> None:
    before = _rows(urls["auditor"])
    with (
        psycopg.connect(urls[role]) as db,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)),
    ):
        db.execute(statement)
    assert _rows(urls["auditor"]) == before


def test_not_even_the_owner_of_the_table_changes_the_log(urls: dict[str, str]) -> None:
    with psycopg.connect(urls["superuser"]) as db:
        db.execute("SET ROLE rivet_audit")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the audit log is append-only"):
            db.execute("DELETE FROM audit.entries")


@pytest.mark.parametrize("role", ["application", "staff", "auditor", "owner", "retention", "planter"])
def test_nobody_writes_past_the_function_or_says_when(urls: dict[str, str], role: str) -> None:
    with psycopg.connect(urls[role], autocommit=True) as db:
        for statement in (
            "INSERT INTO audit.entries SELECT * FROM audit.entries LIMIT 1",
            "SELECT audit.append_at(now() - interval '1 year', 'service:test', 'test.append', 'x:1', 'done', NULL, NULL, '{}')",
        ):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                db.execute(statement)


@pytest.mark.parametrize(("role", "actor"), [("application", "staff:someone"), ("staff", "member:someone")])
def test_no_role_signs_as_the_other(urls: dict[str, str], role: str, actor: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not speak for"):
        _append(urls[role], actor=actor)


def test_a_workspace_sees_its_own_entries_only(urls: dict[str, str]) -> None:
    mine, other = uuid4(), uuid4()
    _append(urls["application"], workspace=mine)
    _append(urls["application"], workspace=other)
    with psycopg.connect(urls["application"]) as db:
        assert db.execute("SELECT count(*) FROM audit.entries").fetchone() == (0,)
        db.execute("SELECT set_config('rivet.workspace_id', %s, true)", [str(mine)])
        assert db.execute("SELECT workspace_id FROM audit.entries").fetchall() == [(mine,)]


_TAMPERED: dict[str, tuple[str, str]] = {
    "changed": ("UPDATE audit.entries SET reason = 'another' WHERE sequence = 3", "another content"),
    "changed detail": ("UPDATE audit.entries SET details = '{\"n\": 99}' WHERE sequence = 3", "another content"),
    "backdated": ("UPDATE audit.entries SET at = at - interval '1 hour' WHERE sequence = 3", "another content"),
    "removed": ("DELETE FROM audit.entries WHERE sequence = 3", "stands where 3 should"),
    "first removed": ("DELETE FROM audit.entries WHERE sequence = 1", "stands where 1 should"),
    "removed and renumbered": (
        "DELETE FROM audit.entries WHERE sequence = 3; UPDATE audit.entries SET sequence = sequence - 1 WHERE sequence = 4",
        "does not name the entry before it",
    ),
    "reordered": (
        (
            "UPDATE audit.entries SET sequence = 9003 WHERE sequence = 3; UPDATE audit.entries SET sequence = 3 WHERE sequence = 4;"
            "UPDATE audit.entries SET sequence = 4 WHERE sequence = 9003"
        ),
        "does not name the entry before it",
    ),
    "inserted": (
        (
            "INSERT INTO audit.entries SELECT 9000, at, actor, action, target, workspace_id, outcome, reason, details,"
            " repeat('a', 64), repeat('b', 64) FROM audit.entries WHERE sequence = 3"
        ),
        "does not name the entry before it",
    ),
    "rewritten with a fitting digest": (
        (
            "UPDATE audit.entries SET reason = 'another' WHERE sequence = 3;"
            "UPDATE audit.entries e SET digest = audit.digest_of(e) WHERE sequence = 3"
        ),
        "does not name the entry before it",
    ),
}


@pytest.mark.parametrize("how", _TAMPERED)
def test_the_chain_shows_what_was_done(urls: dict[str, str], how: str) -> None:
    statement, problem = _TAMPERED[how]
    for number in range(5):
        _append(urls["application"], n=number)
    with psycopg.connect(urls["superuser"], row_factory=dict_row) as db:
        assert chain.verify_chain(db.execute(chain.SELECT).fetchall()) == []
        db.execute("ALTER TABLE audit.entries DISABLE TRIGGER ALL")
        db.execute(statement.encode())
        breaks = chain.verify_chain(db.execute(chain.SELECT).fetchall())
        db.rollback()
    assert any(problem in found.problem for found in breaks), breaks


def test_only_a_note_made_elsewhere_shows_that_the_last_entry_is_gone(urls: dict[str, str]) -> None:
    rows = _rows(urls["auditor"])
    anchors = {rows[-1]["sequence"]: rows[-1]["digest"]}
    assert chain.verify_chain(rows, anchors) == []
    assert chain.verify_chain(rows[:-1]) == []
    assert [found.problem for found in chain.verify_chain(rows[:-1], anchors)] == ["is gone"]
    elsewhere = {rows[0]["sequence"]: "0" * 64}
    assert [found.problem for found in chain.verify_chain(rows, elsewhere)] == [
        "differs from what was noted of it elsewhere"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actor": "someone@example.com"}, "an actor is"),
        ({"action": "Read"}, "an action is"),
        ({"target": ""}, "a target is"),
        ({"target": "member:a@example.com"}, "a target is"),
        ({"details": {"ratio": 0.5}}, "holds no float"),
        ({"details": {"when": [uuid4()]}}, "holds no UUID"),
    ],
)
def test_an_entry_without_form_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"actor": "service:test", "action": "test.append", "target": "test:1", "outcome": "done"}
    Entry(**given)
    with pytest.raises(ValueError, match=message):
        Entry(**given | change)


def test_an_entry_stands_only_if_its_transaction_commits(urls: dict[str, str]) -> None:
    odd = Entry(
        "service:test",
        "test.append",
        "test:\x00",
        "refused",
        reason="nul \x00 surrogate \ud800",
        details={"a": "\x00\\u0000"},
    )

    async def go(commit: bool) -> None:
        async with await psycopg.AsyncConnection.connect(urls["application"], row_factory=dict_row) as db:
            await log.record(db, odd)
            await (db.commit() if commit else db.rollback())

    before = len(_rows(urls["auditor"]))
    asyncio.run(go(commit=False))
    assert len(_rows(urls["auditor"])) == before
    asyncio.run(go(commit=True))
    rows = _rows(urls["auditor"])
    assert len(rows) == before + 1
    assert rows[-1]["reason"] == "nul \ufffd surrogate ?"
    assert chain.verify_chain(rows) == []
