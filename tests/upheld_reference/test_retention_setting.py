"""Retention periods are set by those whose plan includes it, within bounds, for their own workspace, and the job obeys."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

JOB_SECONDS = 2.0
DAYS = 10


def put(rivet: Any, workspace: str, days: Any, role: str = "owner") -> int:
    path = rivet.path(workspace, "/retention")
    status: int = rivet.call("PUT", path, f"{workspace}-{role}", json={"days": days}).status_code
    return status


def period(rivet: Any, workspace: str) -> int:
    days: int = rivet.call("GET", rivet.path(workspace), f"{workspace}-owner").json()["retention_days"]
    return days


def violations(rivet: Any) -> set[str]:
    found = set()
    planted = {}
    with psycopg.connect(rivet.postgres("planter"), autocommit=True) as db:
        for workspace in ("acme", "globex"):
            for table in ("message_logs", "automation_runs", "exports"):
                query = f"INSERT INTO app.{table} (workspace_id, created_at) VALUES (%s, %s) RETURNING id"
                values = [rivet.workspace(workspace)["id"], datetime.now(UTC) - timedelta(days=DAYS + 1)]
                [(planted[workspace, table],)] = db.execute(query, values).fetchall()
    assert put(rivet, "acme", DAYS) == 200
    assert period(rivet, "acme") == DAYS
    time.sleep(JOB_SECONDS)
    with psycopg.connect(rivet.postgres("auditor")) as db:
        for (workspace, table), row_id in planted.items():
            there = db.execute(f"SELECT 1 FROM app.{table} WHERE id = %s", [row_id]).fetchone() is not None
            if workspace == "acme" and there:
                found.add("setting ignored")
            if workspace == "globex" and not there:
                found.add("another workspace's records gone")
    if period(rivet, "globex") != 90:
        found.add("another workspace's setting changed")
    assert put(rivet, "globex", 60, "admin") == 200
    assert put(rivet, "globex", 90, "admin") == 200
    before = period(rivet, "initech")
    if put(rivet, "initech", 30) != 403 or period(rivet, "initech") != before:
        found.add("starter may set")
    assert put(rivet, "acme", 30, "agent") == 403
    for days in (366, 10_000, 2**40):
        if put(rivet, "acme", days) != 422:
            found.add("upper bound unchecked")
    assert [put(rivet, "acme", days) for days in (1, 365)] == [200, 200]
    for days in (0, -1):
        if put(rivet, "acme", days) != 422:
            found.add("lower bound unchecked")
    return found


def test_the_setting_does_what_it_says_and_ends_with_the_workspace(sabotaged_rivets: Callable[..., Any]) -> None:
    rivet = sabotaged_rivets()
    assert violations(rivet) == set()
    for days in ("30", 30.5, None, True, [30], {"days": 30}):
        assert put(rivet, "acme", days) == 422, days
    refusal = rivet.call("PUT", rivet.path("initech", "/retention"), "initech-owner", json={"days": 30})
    assert refusal.json()["error"] == "the starter plan does not include its own retention period"
    termination = rivet.path("initech", "/termination")
    assert rivet.call("POST", termination, "initech-admin", json={"name": "initech"}).status_code == 403
    assert rivet.call("POST", termination, "initech-owner", json={"name": "acme"}).status_code == 409
    ended = rivet.call("POST", termination, "initech-owner", json={"name": "initech"}).json()
    assert datetime.fromisoformat(ended["gone_by"]) - datetime.fromisoformat(ended["terminated_at"]) < timedelta(
        days=30
    )
    assert rivet.call("GET", "/v1/me", "initech-owner").status_code == 401
    owner = rivet.identity("initech-owner")
    refused = rivet.call("POST", "/v1/tokens", json={"email": owner["email"], "password": owner["password"]})
    assert (refused.status_code, refused.json()["error"]) == (403, "this workspace is terminated")
    with psycopg.connect(rivet.postgres("auditor")) as db:
        query = "SELECT outcome FROM audit.entries WHERE action = 'workspace.terminate' ORDER BY sequence"
        assert db.execute(query).fetchall() == [("refused",), ("refused",), ("done",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("retention_setting_ignored", "starter_may_set_retention", "retention_bounds_unchecked"),
            {"setting ignored", "starter may set", "upper bound unchecked", "lower bound unchecked"},
        ),
        (
            ("retention_setting_is_global",),
            {"another workspace's records gone", "another workspace's setting changed"},
        ),
    ],
)
def test_sabotages(sabotaged_rivets: Callable[..., Any], names: tuple[str, ...], expected: set[str]) -> None:
    assert violations(sabotaged_rivets(*names)) == expected
