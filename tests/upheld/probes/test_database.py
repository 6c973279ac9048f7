"""The database probe, on a real PostgreSQL: the catalogue, both roles, limits, and every way in which it can fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from upheld.errors import Refused, TimedOut, Unobservable
from upheld.probes.base import Session
from upheld.probes.database import ROWS_COUNTED, Database, ReadAttempt

SCHEMA = """
CREATE SCHEMA app;
CREATE TABLE app.contacts (id int, workspace_id int, name text);
ALTER TABLE app.contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.contacts USING (workspace_id = nullif(current_setting('app.workspace', true), '')::int);
CREATE TABLE app."Odd Name" (workspace_id int);
CREATE TABLE app.events (workspace_id int, day int) PARTITION BY RANGE (day);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM (0) TO (10);
ALTER TABLE app.events ENABLE ROW LEVEL SECURITY;
CREATE MATERIALIZED VIEW app.summary AS SELECT workspace_id, count(*) FROM app.contacts GROUP BY 1;
CREATE TABLE app.plans (id int);
INSERT INTO app.contacts SELECT n, n % 2, 'c' FROM generate_series(1, 5) n;
INSERT INTO app."Odd Name" VALUES (1);
INSERT INTO app.events SELECT 1, n % 10 FROM generate_series(1, 3000) n;
"""


@pytest.fixture(scope="module")
def urls(postgres: Any) -> dict[str, str]:
    url = postgres.database(SCHEMA)
    application = postgres.role(
        url, "GRANT USAGE ON SCHEMA app TO {role}", 'GRANT SELECT ON app.contacts, app.events, app."Odd Name" TO {role}'
    )
    return {"AUDITOR": url, "APPLICATION": application}


@pytest.fixture
def database(session_of: Callable[..., Session], urls: dict[str, str]) -> Database:
    described = {"url": "env:AUDITOR", "application_url": "env:APPLICATION", "tenant_column": "workspace_id"}
    session = session_of(database=described, secret_values=urls, timeout_seconds=5)
    probe = session.probe(Database)
    assert isinstance(probe, Database)
    return probe


def test_every_kind_of_table_with_the_tenants_column_is_listed(database: Database) -> None:
    found = {
        str(table): (table.kind, table.row_security, table.forced, table.policies) for table in database.tenant_tables()
    }
    assert found == {
        "app.Odd Name": ("table", False, False, 0),
        "app.contacts": ("table", True, True, 1),
        "app.events": ("partitioned table", True, False, 0),
        "app.events_1": ("partition", False, False, 0),
        "app.summary": ("materialized view", False, False, 0),
    }


def test_rows_without_a_tenant(database: Database) -> None:
    tables = {table.name: table for table in database.tenant_tables()}
    assert database.rows_without_tenant(tables["contacts"]) == ReadAttempt(rows=0, denied=False, control_rows=5)
    assert database.rows_without_tenant(tables["Odd Name"]) == ReadAttempt(rows=1, denied=False, control_rows=1)
    assert database.rows_without_tenant(tables["events_1"]) == ReadAttempt(
        rows=0, denied=True, control_rows=ROWS_COUNTED
    )


def test_a_table_that_is_not_there_is_no_denial(database: Database) -> None:
    with pytest.raises(Unobservable, match="does not exist") as caught:
        database.rows_without_tenant("app.missing")
    assert not isinstance(caught.value, Refused)


def test_nothing_can_be_written_through_a_reading_connection(database: Database) -> None:
    with pytest.raises(Unobservable, match="read-only transaction"), database.reading() as connection:
        connection.exec_driver_sql("INSERT INTO app.plans VALUES (1)")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM app.plans").scalar_one() == 0


def test_a_statement_that_takes_too_long_is_stopped(session_of: Callable[..., Session], urls: dict[str, str]) -> None:
    session = session_of(database={"url": "env:AUDITOR"}, secret_values=urls, timeout_seconds=0.2)
    with pytest.raises(TimedOut, match="time limit"), session.probe(Database).reading() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(30)")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (("@", "x@"), Refused, "authentication failed"),
        (("/test_", "/missing_"), Refused, "does not exist"),
        (("host=", "host=/nowhere"), Refused, "No such file"),
    ],
)
def test_a_connection_that_fails_says_why_and_gives_nothing_away(
    session_of: Callable[..., Session],
    urls: dict[str, str],
    change: tuple[str, str],
    error: type[Unobservable],
    words: str,
) -> None:
    url = urls["APPLICATION"].replace(*change)
    session = session_of(database={"url": "env:AUDITOR", "tenant_column": "x"}, secret_values={"AUDITOR": url})
    with session.recording("t") as recorder, pytest.raises(error, match=words) as caught:
        session.probe(Database).tenant_tables()
    password = url.partition("://")[2].partition(":")[2].partition("@")[0]
    assert password not in caught.value.reason
    assert password not in str(recorder.observations)
    assert caught.value.__cause__ is None


def test_what_the_target_does_not_describe_cannot_be_seen(
    session_of: Callable[..., Session], urls: dict[str, str]
) -> None:
    with pytest.raises(Unobservable, match="describes no database"):
        session_of().probe(Database).tenant_tables()
    session = session_of(database={"url": "env:AUDITOR", "tenant_column": "workspace_id"}, secret_values=urls)
    with pytest.raises(Unobservable, match="application's role"):
        session.probe(Database).rows_without_tenant("app.contacts")
    with pytest.raises(Unobservable, match="tenant_column"):
        session_of(database={"url": "env:AUDITOR"}, secret_values=urls).probe(Database).tenant_tables()
    with pytest.raises(Unobservable, match="environment has no variable"):
        session_of(database={"url": "env:NO_SUCH_URL", "tenant_column": "x"}).probe(Database).tenant_tables()


@pytest.mark.parametrize("url", ["nonsense", "oracle://u:passw0rd@h/d", "nosuch+driver://h/d", "sqlite://"])
def test_another_kind_of_database_is_unobservable(session_of: Callable[..., Session], url: str) -> None:
    session = session_of(database={"url": "env:URL", "tenant_column": "x"}, secret_values={"URL": url})
    with pytest.raises(Unobservable) as caught:
        session.probe(Database).tenant_tables()
    assert "passw0rd" not in caught.value.reason


def test_column_default(database: Database, postgres: Any, urls: dict[str, str]) -> None:
    postgres.run(urls["AUDITOR"], "CREATE TABLE IF NOT EXISTS app.periods (days int DEFAULT 90, other int)")
    assert database.column_default("app.periods", "days") == "90"
    assert database.column_default("app.periods", "other") == ""
    with pytest.raises(Unobservable, match="no column"):
        database.column_default("app.periods", "missing")
