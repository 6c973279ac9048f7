"""The deletion checks on a real PostgreSQL and real files: traces in every kind of place, and what only looks anonymised."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
LEFT = "deletion.nothing_is_left_of_departed_customers"
ANONYMOUS = "deletion.anonymised_rows_lead_to_nobody"
SCHEMA = """
CREATE TABLE customers (id int, name text);
INSERT INTO customers VALUES (1, 'Umbrella');
CREATE TABLE notes (id serial, data jsonb, raw bytea);
CREATE TABLE diary (id serial, text text);
CREATE TABLE bills (id serial, payer text);
INSERT INTO bills (payer) VALUES ('former customer 0011223344556677');
"""


class Deployment:
    """Tables and a folder."""

    def __init__(self, postgres: Any, session_of: Callable[..., Any], folder: Path) -> None:
        self.url, self.session_of, self.folder = postgres.database(SCHEMA), session_of, folder
        (folder / "files" / "umbrella").mkdir(parents=True)
        (folder / "files" / "umbrella" / "a.json").write_text("{}")

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement, values)  # type: ignore[arg-type]

    def run(self, name: str, *, days_ago: int = 45, **parts: Any) -> list[Any]:
        at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
        target = {
            "database": {"url": "env:TEST_DATABASE"},
            "deletion": {
                "terminated": [{"name": "acme", "at": at, "traces": ["Acme", "acme.example.com"]}],
                "living": ["Umbrella"],
                "folders": [{"name": "files", "folder": "files"}],
                "anonymised": [{"table": "bills", "columns": ["payer"]}],
                "kept_tables": {"public.diary": "it holds no names"},
                **parts.pop("deletion", {}),
            },
            **parts,
        }
        session = self.session_of(secret_values={"TEST_DATABASE": self.url}, **target)
        one = CHECKS[name]
        with session.recording("t"):
            return list(one.function(*(session.probe(kind) for kind in one.probes.values())))


@pytest.fixture
def deployment(postgres: Any, session_of: Callable[..., Any], tmp_path: Path) -> Deployment:
    return Deployment(postgres, session_of, tmp_path)


def failed(found: list[Any]) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def unseen(found: list[Any]) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


@pytest.mark.parametrize("name", [LEFT, ANONYMOUS])
def test_a_clean_deployment_passes(deployment: Deployment, name: str) -> None:
    found = deployment.run(name)
    assert failed(found) == unseen(found) == []
    assert any(isinstance(one, Finding) for one in found)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO customers VALUES (2, 'ACME')",
        """INSERT INTO notes (data) VALUES ('{"to": ["ada@acme.example.com"]}')""",
        "INSERT INTO notes (raw) VALUES (convert_to('of Acme', 'UTF8'))",
        "CREATE TABLE forgotten AS SELECT 'Acme' AS whose",
        "CREATE MATERIALIZED VIEW totals AS SELECT 'acme' AS whose, 3 AS number",
    ],
)
def test_a_trace_in_a_table_is_found(deployment: Deployment, statement: str) -> None:
    deployment.execute(statement)
    (words,) = failed(deployment.run(LEFT))
    assert "1 rows of acme, who left 45 days ago" in words


def test_a_kept_table_is_left_out_with_its_reason(deployment: Deployment) -> None:
    deployment.execute("INSERT INTO diary (text) VALUES ('Acme')")
    found = deployment.run(LEFT)
    assert failed(found) == []
    assert any(isinstance(one, LeftOut) and one.reason == "it holds no names" for one in found)


@pytest.mark.parametrize("way", ["name", "content", "gzip", "across pieces"])
def test_a_trace_in_a_file_is_found(deployment: Deployment, way: str) -> None:
    folder = deployment.folder / "files"
    if way == "name":
        (folder / "ACME").mkdir()
        (folder / "ACME" / "empty").touch()
    elif way == "gzip":
        (folder / "b.gz").write_bytes(gzip.compress(b"for acme.example.com"))
    else:
        (folder / "b").write_bytes(b"x" * ((1 << 20) - 2 if way == "across pieces" else 3) + b"Acme")
    assert failed(deployment.run(LEFT)) == ["files: 1 files of acme, who left 45 days ago"]


def test_a_customer_who_left_lately_may_still_be_there(deployment: Deployment) -> None:
    deployment.execute("INSERT INTO customers VALUES (2, 'Acme')")
    with pytest.raises(Unobservable, match="left more than 30 days ago"):
        deployment.run(LEFT, days_ago=29)


def test_a_search_that_finds_nobody_shows_nothing(deployment: Deployment) -> None:
    found = deployment.run(LEFT, deletion={"living": ["Nobody Ltd"]})
    assert any("finds none of the customers who are still there" in one for one in unseen(found))
    assert any("files: it holds nothing of the customers who are still there" in one for one in unseen(found))


def test_what_cannot_be_read_is_not_seen(deployment: Deployment, postgres: Any) -> None:
    deployment.execute("ALTER TABLE notes ENABLE ROW LEVEL SECURITY")
    deployment.url = postgres.role(deployment.url, "GRANT SELECT ON customers, notes, bills TO {role}")
    found = deployment.run(LEFT, deletion={"kept_tables": {}})
    assert any("public.diary" in one and "permission denied" in one for one in unseen(found)), unseen(found)
    assert any("public.notes: row security keeps rows" in one for one in unseen(found))


def test_without_a_database_or_a_folder_nothing_is_seen(deployment: Deployment) -> None:
    found = deployment.run(LEFT, database=None, deletion={"folders": [{"name": "files", "folder": "nowhere"}]})
    assert any("describes no database" in one for one in unseen(found))
    assert any("there is no folder" in one for one in unseen(found))
    assert not any(isinstance(one, Finding) for one in found)


@pytest.mark.parametrize(
    ("value", "algorithm"),
    [
        (hashlib.sha256(b"Acme").hexdigest(), "sha256"),
        (f"former customer {hashlib.sha256(b'acme').hexdigest()[:16]}", "sha256"),
        (f"sha1:{hashlib.sha1(b'ACME').hexdigest()}", "sha1"),
        (hashlib.md5(b"acme.example.com").hexdigest().upper(), "md5"),
    ],
)
def test_a_digest_of_a_name_leads_back_to_it(deployment: Deployment, value: str, algorithm: str) -> None:
    deployment.execute("INSERT INTO bills (payer) VALUES (%s)", value)
    (words,) = failed(deployment.run(ANONYMOUS))
    assert f"payer holds the {algorithm} of" in words


def test_an_anonymised_table_without_rows_shows_nothing(deployment: Deployment) -> None:
    deployment.execute("DELETE FROM bills")
    assert unseen(deployment.run(ANONYMOUS)) == ["bills: it holds no value to try"]


def test_a_sqlite_database_is_searched_in_every_table_and_form(session_of: Callable[..., Any], tmp_path: Path) -> None:
    def found(*statements: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(tmp_path / "a.sqlite3")) as connection, connection:
            for one in statements:
                connection.execute(one)
        deployment = Deployment.__new__(Deployment)
        deployment.url, deployment.session_of = f"sqlite:///{tmp_path / 'a.sqlite3'}", session_of
        return deployment.run(LEFT, deletion={"folders": [], "kept_tables": {}, "anonymised": []})

    found("CREATE TABLE customers (name text, raw)", 'CREATE TABLE "odd name" (x)')
    assert not failed(found("INSERT INTO customers VALUES ('Umbrella', NULL)"))
    assert failed(found("INSERT INTO customers VALUES ('', 'at ACME in town')"))
    assert failed(
        found("DELETE FROM customers WHERE raw IS NOT NULL", "INSERT INTO customers VALUES (1, x'0041636d6500')")
    )
    (one,) = failed(found("DELETE FROM customers WHERE raw IS NOT NULL", "INSERT INTO \"odd name\" VALUES ('Acme')"))
    assert one.startswith("odd name: 1 rows of acme")
    assert unseen(found("DELETE FROM customers", 'DELETE FROM "odd name"'))
