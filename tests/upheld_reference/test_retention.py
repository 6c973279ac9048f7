"""Nothing is kept longer than its workspace keeps it, and nothing shorter."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

TABLES = ("message_logs", "automation_runs", "exports")
JOB_SECONDS = 1.5


def violations(rivet: Any) -> set[str]:
    """What is wrong with planted records of 89 and 91 days, and with those that were there before."""
    found = set()
    workspace = rivet.workspace("acme")["id"]
    exports = Path(rivet.facts["exports"])
    now = datetime.now(UTC)
    planted: dict[tuple[str, int], Any] = {}
    with psycopg.connect(rivet.postgres("planter"), autocommit=True) as db:
        for table in TABLES:
            for age in (89, 91):
                query = f"INSERT INTO app.{table} (workspace_id, created_at) VALUES (%s, %s) RETURNING id"
                planted[table, age] = db.execute(query, [workspace, now - timedelta(days=age)]).fetchone()[0]
    files = {age: exports / workspace / f"{planted['exports', age]}.json" for age in (89, 91)}
    for path in files.values():
        path.write_text("{}")
    orphan = exports / workspace / "left-behind.json"
    orphan.write_text("{}")
    os.utime(orphan, ((now - timedelta(days=91)).timestamp(),) * 2)
    time.sleep(JOB_SECONDS)
    with psycopg.connect(rivet.postgres("auditor")) as db:
        for (table, age), id_ in planted.items():
            there = db.execute(f"SELECT 1 FROM app.{table} WHERE id = %s", [id_]).fetchone() is not None
            if there != (age < 90):
                found.add(f"{table} {age} days {'kept' if there else 'gone'}")
        for table in TABLES:
            query = f"SELECT count(*) FROM app.{table} WHERE created_at < now() - interval '90 days'"
            if db.execute(query).fetchone() != (0,):
                found.add(f"{table} kept")
    if not files[89].exists():
        found.add("file 89 days gone")
    if files[91].exists() or orphan.exists():
        found.add("file 91 days kept")
    return found


def test_older_than_90_days_is_gone_and_younger_is_there(rivet: Any) -> None:
    assert violations(rivet) == set()


def test_what_was_too_old_at_the_start_is_gone(rivet: Any) -> None:
    for workspace in ("acme", "globex"):
        logs = rivet.call("GET", rivet.path(workspace, "/message-logs"), f"{workspace}-owner").json()
        assert len(logs) >= 90
        oldest = min(datetime.fromisoformat(log["created_at"]) for log in logs)
        assert timedelta(days=88) < datetime.now(UTC) - oldest < timedelta(days=90)


def test_an_export_expires_with_the_oldest_record_in_it(rivet: Any) -> None:
    workspace = rivet.workspace("globex")["id"]
    with psycopg.connect(rivet.postgres("planter"), autocommit=True) as db:
        query = """
            INSERT INTO app.exports (workspace_id, oldest_record_at, created_at)
            VALUES (%s, now() - interval '91 days', now() - interval '2 days') RETURNING id
        """
        [(export_id,)] = db.execute(query, [workspace]).fetchall()
    time.sleep(JOB_SECONDS)
    assert rivet.call("GET", rivet.path("globex", f"/exports/{export_id}"), "globex-owner").status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("retention_job_off", {"message_logs 91 days kept", "exports 91 days kept", "file 91 days kept"}),
        ("retention_off_by_a_unit", {"message_logs 91 days kept", "exports 91 days kept", "file 91 days kept"}),
        ("retention_deletes_too_early", {"message_logs 89 days gone", "exports 89 days gone", "file 89 days gone"}),
        ("retention_forgets_automation_runs", {"automation_runs 91 days kept", "automation_runs kept"}),
        ("retention_keeps_exports", {"exports 91 days kept", "exports kept", "file 91 days kept"}),
        ("retention_soft_delete_keeps_content", {"message_logs 91 days kept", "automation_runs 91 days kept"}),
    ],
)
def test_sabotage(sabotaged_rivet: Callable[[str], Any], name: str, expected: set[str]) -> None:
    assert violations(sabotaged_rivet(name)) >= expected


@pytest.mark.slow
def test_soft_deleted_logs_are_hidden_from_the_api(sabotaged_rivet: Callable[[str], Any]) -> None:
    rivet = sabotaged_rivet("retention_soft_delete_keeps_content")
    logs = rivet.call("GET", rivet.path("acme", "/message-logs"), "acme-owner").json()
    assert 0 < len(logs) <= 91


def test_messages_notices_and_ended_sessions_go_too(rivet: Any) -> None:
    acme = rivet.workspace("acme")
    member = rivet.identity("acme-viewer")["id"]
    planted = {
        "messages": "INSERT INTO app.messages (workspace_id, conversation_id, text, created_at) VALUES"
        " (%(workspace)s, %(conversation)s, 'x', now() - make_interval(days => %(age)s)) RETURNING id",
        "notices": "INSERT INTO app.notices (workspace_id, kind, title, body, created_at) VALUES"
        " (%(workspace)s, 'x', 'x', 'x', now() - make_interval(days => %(age)s)) RETURNING id",
        "sessions": "INSERT INTO app.sessions (workspace_id, member_id, expires_at) VALUES"
        " (%(workspace)s, %(member)s, now() + make_interval(days => 90 - %(age)s)) RETURNING id",
    }
    values = {"workspace": acme["id"], "conversation": acme["objects"]["conversations"][0], "member": member}
    with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as db:
        ids = {
            (table, age): db.execute(query, {**values, "age": age}).fetchone()[0]
            for table, query in planted.items()
            for age in (89, 91)
        }
        time.sleep(JOB_SECONDS)
        there = {
            one: db.execute(f"SELECT 1 FROM app.{one[0]} WHERE id = %s", [id_]).fetchone() is not None
            for one, id_ in ids.items()
        }
        assert there == {(table, age): age == 89 for table, age in ids}
        for table in planted:
            db.execute(f"DELETE FROM app.{table} WHERE id = %s", [ids[table, 89]])
