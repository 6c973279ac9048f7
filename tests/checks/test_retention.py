"""The retention checks on a real PostgreSQL and real files, with a job of which every way of failing is tried."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from upheld import Finding, LeftOut, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes import store_ages
from upheld.probes.base import Session
from upheld.probes.canaries import Canaries
from upheld.probes.clock import Clock
from upheld.probes.stores import Stores

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
DAY = timedelta(days=1)
SCHEMA = """
CREATE TABLE tenants (id int PRIMARY KEY, keep_days int DEFAULT 90);
INSERT INTO tenants VALUES (1, NULL), (2, 30);
CREATE TABLE logs (id serial PRIMARY KEY, tenant int, at timestamptz, body text, extra jsonb, deleted bool DEFAULT false);
CREATE TABLE archive (LIKE logs);
"""


class Deployment:
    """Tables, a folder and a job."""

    def __init__(self, postgres: Any, session_of: Callable[..., Session], folder: Path) -> None:
        self.url = postgres.database(SCHEMA)
        self.session_of = session_of
        self.folder = folder
        (folder / "exports").mkdir()

    def execute(self, statement: str, *values: object) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def add(self, days: float | None, tenant: int = 1, *, body: str = "text", deleted: bool = False) -> None:
        at = None if days is None else datetime.now(UTC) - days * DAY
        self.execute("INSERT INTO logs (tenant, at, body, deleted) VALUES (%s, %s, %s, %s)", tenant, at, body, deleted)

    def add_file(self, days: float, tenant: int = 1, name: str = "a.json") -> Path:
        path = self.folder / "exports" / str(tenant) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        changed = time.time() - days * 86400
        os.utime(path, (changed, changed))
        return path

    def session(self, *, files: bool = True, **changes: Any) -> Session:
        table = {"name": "logs", "table": "logs", "timestamp": "at", "tenant_column": "tenant", "content": ["body"]}
        table |= {"plant": {"body": "planted {canary}", "extra": {"of": ["{tenant}", "{uuid}"]}}} | changes.pop(
            "table", {}
        )
        exports = {
            "name": "exports",
            "folder": "exports",
            "pattern": "{tenant}/*.json",
            "plant": "{tenant}/{uuid}.json",
        }
        retention = {
            "tables": [table],
            "files": [exports] if files else [],
            "period_table": "tenants",
            "period_column": "keep_days",
        }
        return self.session_of(
            database={"url": "env:AUDITOR", "planting_url": "env:AUDITOR"},
            retention={**retention, "job_within_seconds": 1.5, **changes},
            tenants=[{"name": "one", "id": "1"}, {"name": "two", "id": "2"}],
            secret_values={"AUDITOR": self.url},
            timeout_seconds=10,
        )

    def old(self, session: Session | None = None, **parameters: Any) -> dict[str, Any]:
        session = session or self.session()
        found = CHECKS["retention.nothing_is_older_than_its_period"].function(
            session.probe(Stores), session.probe(Clock), **parameters
        )
        return {str(one.subject): one for one in found}

    def removed(self, session: Session | None = None, **parameters: Any) -> dict[str, Any]:
        session = session or self.session()
        probes = (session.probe(Stores), session.probe(Canaries), session.probe(Clock))
        return {
            str(one.subject): one
            for one in CHECKS["retention.aged_records_are_removed"].function(*probes, **parameters)
        }

    @contextmanager
    def job(self, *statements: str, files: float | None = 1.0) -> Iterator[None]:
        """Run the statements, and remove files older than the period times `files`, again and again."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(0.05):
                with psycopg.connect(self.url, autocommit=True) as connection:
                    for statement in statements:
                        connection.execute(statement)
                for tenant, days in (("1", 90), ("2", 30)):
                    for path in (self.folder / "exports" / tenant).glob("*.json"):
                        if files is not None and path.stat().st_mtime < time.time() - days * 86400 * files:
                            path.unlink(missing_ok=True)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


OLD = (
    "at < now() - make_interval(hours => 24 * coalesce((SELECT keep_days FROM tenants t WHERE t.id = logs.tenant), 90))"
)


@pytest.fixture
def deployment(postgres: Any, session_of: Callable[..., Session], tmp_path: Path) -> Deployment:
    return Deployment(postgres, session_of, tmp_path)


def test_young_records_pass_each_tenant_by_its_own_period(deployment: Deployment) -> None:
    deployment.add(90.5)
    deployment.add(30.5, tenant=2)
    deployment.add_file(89)
    deployment.add_file(29, tenant=2)
    found = deployment.old()
    assert set(found) == {
        "default of tenants.keep_days", "logs of one", "logs of two", "exports of one", "exports of two",
    }  # fmt: skip
    assert all(one.passed for one in found.values())


def test_old_records_are_refuted_with_their_number(deployment: Deployment) -> None:
    for days in (1, 95, 200):
        deployment.add(days, deleted=days == 200)
    deployment.add(35, tenant=2)
    deployment.add_file(92)
    deployment.add_file(45, tenant=2)
    found = deployment.old()
    assert found["logs of one"].observed == "2 of 3 records are kept for too long, the oldest for 200 days"
    assert [name for name, one in found.items() if not one.passed] == [
        "logs of one",
        "logs of two",
        "exports of one",
        "exports of two",
    ]
    assert deployment.old(grace_hours=24 * 16)["logs of two"].passed


def test_a_record_without_a_date_or_tenant_is_not_overlooked(deployment: Deployment) -> None:
    deployment.add(1)
    deployment.add(None)
    deployment.execute("INSERT INTO logs (at, body) VALUES (now() - interval '95 days', 'x')")
    deployment.add_file(95, tenant=7)
    found = deployment.old()
    assert "1 of 2 records have no date" in found["logs of one"].observed
    assert not found["logs of no tenant"].passed
    assert not found["exports of 7"].passed


def test_tombstones_may_stay_where_the_target_says_so(deployment: Deployment) -> None:
    deployment.add(200, body="")
    deployment.add(1)
    assert not deployment.old(deployment.session(files=False))["logs of one"].passed
    assert deployment.old(deployment.session(files=False, table={"tombstones": True}))["logs of one"].passed


def test_an_empty_or_missing_store_is_not_observed(deployment: Deployment) -> None:
    (deployment.folder / "exports").rmdir()
    found = deployment.old()
    assert isinstance(found["logs"], NotObserved)
    assert "holds nothing" in found["logs"].reason
    assert found["exports"].reason == "exports: there is no folder exports"
    missing = deployment.old(deployment.session(table={"table": "nothing"}))
    assert "does not exist" in missing["logs"].reason


def test_another_default_for_new_tenants_is_refuted(deployment: Deployment) -> None:
    deployment.execute("ALTER TABLE tenants ALTER keep_days SET DEFAULT 365")
    assert not deployment.old()["default of tenants.keep_days"].passed
    deployment.execute("ALTER TABLE tenants ALTER keep_days DROP DEFAULT")
    assert isinstance(deployment.old()["default of tenants.keep_days"], LeftOut)


def test_a_job_that_works_passes_and_nothing_stays_behind(deployment: Deployment) -> None:
    for tenant in (1, 2):
        (deployment.folder / "exports" / str(tenant)).mkdir()
    with deployment.job(f"DELETE FROM logs WHERE {OLD}"):
        found = deployment.removed(within_seconds=20.0)
    assert len(found) == 8
    assert all(isinstance(one, Finding) and one.passed for one in found.values()), found
    assert deployment.execute("SELECT count(*) FROM logs") == [(0,)]
    assert not list((deployment.folder / "exports").rglob("*.json"))
    assert not list((deployment.folder / "scratch" / "planted").iterdir())


@pytest.mark.parametrize(
    ("job", "aged", "young"),
    [
        ((), "still there", None),
        ((f"UPDATE logs SET deleted = true WHERE {OLD}",), "still there", None),
        ((f"UPDATE logs SET body = '' WHERE {OLD}",), "its content elsewhere or changed", None),
        (
            (f"UPDATE logs SET id = id + 1000000 WHERE id < 1000000 AND {OLD}",),
            "its content is still in the store",
            None,
        ),
        (("DELETE FROM logs",), "gone", "removed before its period was over"),
        (
            (f"WITH young AS (UPDATE logs SET body = '' WHERE NOT ({OLD})) DELETE FROM logs WHERE {OLD}",),
            "gone",
            "removed before its period was over",
        ),
        ((f"DELETE FROM logs WHERE tenant = 1 AND {OLD}",), "gone", "still there"),
    ],
    ids=["no job", "marked deleted", "emptied", "moved", "too early", "emptied too early", "one tenant only"],
)
def test_a_job_that_fails_is_refuted(
    deployment: Deployment, job: tuple[str, ...], aged: str, young: str | None
) -> None:
    with deployment.job(*job):
        found = deployment.removed(deployment.session(files=False))
    assert aged in found["logs of one, aged"].observed
    if young is None:
        assert isinstance(found["logs of one, young"], NotObserved)
    else:
        assert young in found["logs of one, young"].observed
        assert found["logs of one, young"].passed is (young == "still there")
    assert any(isinstance(one, Finding) and not one.passed for one in found.values())
    assert deployment.execute("SELECT count(*) FROM logs WHERE id < 1000000") == [(0,)]


def test_a_file_that_keeps_its_content_under_another_name_is_refuted(deployment: Deployment) -> None:
    deployment.add_file(1)
    stop = threading.Event()

    def move() -> None:
        while not stop.wait(0.05):
            for path in (deployment.folder / "exports" / "1").glob("*-*.json"):
                path.rename(path.with_name(f"kept {path.name.replace('-', ' ')}"))

    thread = threading.Thread(target=move)
    thread.start()
    try:
        found = deployment.removed()
    finally:
        stop.set()
        thread.join()
    assert "its content is still in the store" in found["exports of one, aged"].observed


def test_what_cannot_be_planted_is_said(deployment: Deployment) -> None:
    found = deployment.removed(deployment.session(table={"plant": None}, files=False))
    assert isinstance(found["logs"], LeftOut)
    found = deployment.removed(deployment.session(table={"plant": {"no_such_column": 1}}, files=False))
    assert "no_such_column" in found["logs of one"].reason


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, ages are counted."""
    monkeypatch.setattr(store_ages, "SPREAD_SECONDS", 3600.0)


def spreads(deployment: Deployment) -> dict[tuple[str, str], Any]:
    probe = deployment.session().probe(Stores)
    assert isinstance(probe, Stores)
    return {(store, one.tenant): one.spread for store in ("logs", "exports") for one in probe.ages(store)}


def test_how_many_records_are_of_which_age_is_recorded(deployment: Deployment) -> None:
    for days, tenant in ((0.5, 1), (4.5, 1), (5.5, 1), (100.5, 1), (-2, 1), (None, 1), (7.5, 2)):
        deployment.add(days, tenant)
    for name, days in (("a.json", 0.5), ("b.json", 400), ("c.json", 399), ("d.json", 10)):
        deployment.add_file(days, name=name)
    found = spreads(deployment)
    assert found["logs", "1"].step_days == 5
    assert found["logs", "1"].counts == (2, 1, *[0] * 18, 1)
    assert found["logs", "2"].counts == (0, 1)
    assert found["exports", "1"].step_days == 15
    assert found["exports", "1"].counts == (2, *[0] * 25, 2)


def test_ages_beyond_all_counts_are_in_the_last_and_young_ones_in_the_first(deployment: Deployment) -> None:
    deployment.add(20_000, 1)
    deployment.add(0.1, 2)
    deployment.add_file(20_000)
    deployment.add_file(0.1, 2)
    for store in ("logs", "exports"):
        found = spreads(deployment)
        assert found[store, "1"].counts == (*[0] * 35, 1)
        assert found[store, "2"].counts == (1,)
    deployment.execute("DELETE FROM logs WHERE tenant = 1")
    assert spreads(deployment)["logs", "2"].step_days == 1


def test_what_is_dated_ahead_or_not_at_all_has_no_age(deployment: Deployment) -> None:
    deployment.add(None)
    assert spreads(deployment)["logs", "1"] is None
    deployment.add(-3)
    assert spreads(deployment)["logs", "1"] is None


@pytest.mark.parametrize("limit", ["SPREAD_TENANTS", "SPREAD_SECONDS"])
def test_a_store_that_is_large_or_slow_is_not_looked_at_twice(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    deployment.add(3)
    monkeypatch.setattr(store_ages, limit, 0)
    assert spreads(deployment)["logs", "1"] is None
    assert deployment.old()["logs of one"].passed


def test_ages_that_cannot_be_counted_lose_nothing_else(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.add(3)
    monkeypatch.setattr(store_ages.RowAges, "_bucket", lambda *_: sa.literal_column("no_such_column"))
    assert spreads(deployment)["logs", "1"] is None
    assert deployment.old()["logs of one"].passed
