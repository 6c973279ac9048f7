"""Of a workspace that was terminated long enough ago nothing is left that says whose it was; of a living one everything."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

KEPT = {"audit.entries"}


def terminated(rivet: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in rivet.facts["deletion"]["terminated_workspaces"] if one["name"] == name)
    return found


def tables(db: psycopg.Connection[Any], *, of_tenants: bool) -> set[str]:
    """All tables of the platform, or those with the column workspace_id."""
    query = """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg_%%' AND n.nspname <> 'information_schema'
            AND (NOT %s OR EXISTS (
                SELECT FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped))
    """
    return {name for (name,) in db.execute(query, [of_tenants]).fetchall()}


def guessed(name: str) -> set[str]:
    """What somebody would try who wants to know whether a pseudonym was made from this name."""
    return {hashlib.new(how, name.encode()).hexdigest()[:12] for how in ("md5", "sha1", "sha256", "sha512", "blake2b")}


def violations(rivet: Any, name: str) -> set[str]:
    """What is left of a workspace that should be gone, wherever it is found."""
    found = set()
    workspace = terminated(rivet, name)
    with psycopg.connect(rivet.postgres("superuser")) as db:
        for table in tables(db, of_tenants=False) - KEPT:
            for trace in workspace["traces"]:
                query = f"SELECT 1 FROM {table} AS t WHERE strpos(lower(t::text), lower(%s)) > 0 LIMIT 1"
                if db.execute(query, [trace]).fetchone():
                    found.add(table)
        pseudonyms = db.execute("SELECT account || billed_to FROM app.invoices WHERE workspace_id IS NULL").fetchall()
    if any(guess in pseudonym for (pseudonym,) in pseudonyms for guess in guessed(name)):
        found.add("pseudonym can be guessed")
    if any(Path(rivet.facts["exports"], workspace["id"]).glob("*")):
        found.add("files")
    return found


def test_of_an_old_termination_nothing_is_left(rivet: Any) -> None:
    assert terminated(rivet, "hooli")["terminated_days_ago"] > rivet.facts["deletion"]["promised_days"]
    assert violations(rivet, "hooli") == set()
    with psycopg.connect(rivet.postgres("auditor")) as db:
        query = "SELECT count(*), count(DISTINCT account) FROM app.invoices WHERE workspace_id IS NULL"
        assert db.execute(query).fetchone() == (3, 1)
        query = "SELECT count(*) FROM audit.entries WHERE action = 'workspace.delete' AND workspace_id = %s"
        assert db.execute(query, [terminated(rivet, "hooli")["id"]]).fetchone() == (1,)


def test_nobody_logs_in_to_a_terminated_workspace(rivet: Any) -> None:
    for name, status in (("vandelay", 403), ("hooli", 401)):
        owner = terminated(rivet, name)["owner"]
        answer = rivet.call("POST", "/v1/tokens", json={"email": owner["email"], "password": owner["password"]})
        assert answer.status_code == status


def test_the_role_of_the_job_reaches_no_living_workspace_and_no_content(rivet: Any) -> None:
    acme = rivet.workspace("acme")["id"]
    with psycopg.connect(rivet.postgres("deletion"), autocommit=True) as db:
        for table in ("app.contacts", "app.messages", "app.members"):
            assert db.execute(f"DELETE FROM {table} WHERE workspace_id = %s", [acme]).rowcount == 0
        query = "UPDATE app.invoices SET workspace_id = NULL WHERE workspace_id = %s"
        assert db.execute(query, [acme]).rowcount == 0
        for forbidden in ("SELECT text FROM app.messages", "SELECT 1 FROM vault.whatsapp_tokens"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(forbidden)


def test_deletion_finds_every_table_and_takes_the_whole_workspace(sabotaged_rivets: Callable[..., Any]) -> None:
    rivet = sabotaged_rivets()
    workspace = terminated(rivet, "vandelay")["id"]
    with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as db:
        of_tenants = tables(db, of_tenants=True) - KEPT
        had = {table for table in of_tenants if has(db, table, workspace)}
        assert {"app.contacts", "app.messages", "vault.whatsapp_tokens", "meta.whatsapp_accounts"} <= had
        assert list(Path(rivet.facts["exports"], workspace).glob("*.json"))
        days = rivet.facts["deletion"]["after_days"]
        kept_in_backups = rivet.facts["settings"]["backup_window_days"]
        assert days + kept_in_backups < rivet.facts["deletion"]["promised_days"]
        query = "UPDATE app.workspaces SET terminated_at = now() - make_interval(days => %s) WHERE id = %s"
        db.execute(query, [days, workspace])
        until = time.monotonic() + 20
        while has(db, "app.workspaces", workspace, "id") and time.monotonic() < until:
            time.sleep(0.2)
        assert {table for table in of_tenants if has(db, table, workspace)} == set()
    assert violations(rivet, "vandelay") == set()


def has(db: psycopg.Connection[Any], table: str, workspace: str, column: str = "workspace_id") -> bool:
    return db.execute(f"SELECT 1 FROM {table} WHERE {column} = %s LIMIT 1", [workspace]).fetchone() is not None


@pytest.mark.slow
def test_sabotages(sabotaged_rivets: Callable[..., Any]) -> None:
    names = ("deletion_forgets_one_table", "deletion_leaves_files", "anonymised_by_reversible_hash")
    assert violations(sabotaged_rivets(*names), "hooli") == {"app.contacts", "files", "pseudonym can be guessed"}


@pytest.mark.slow
def test_sabotage_of_the_job(sabotaged_rivets: Callable[..., Any]) -> None:
    found = violations(sabotaged_rivets("deletion_job_off"), "hooli")
    assert {"app.workspaces", "app.members", "app.contacts", "app.invoices", "vault.webhook_secrets", "files"} <= found
