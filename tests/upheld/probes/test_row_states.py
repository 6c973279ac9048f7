"""What an operation did, seen in rows of the database: of SQLite, and of a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.base import Session

from ...two_tenants import TwoTenants, secret_values

TABLE = "CREATE TABLE notes (id varchar(40), tenant varchar(20), body text, seen int)"
ROWS = {
    "note_row": {"table": "notes", "where": {"id": "{note}", "tenant": "{tenant}"}, "columns": ["body", "seen"]},
    "typo": {"table": "notes", "where": {"id": "{note}"}, "columns": ["bodi"]},
    "all": {"table": "notes", "where": {"tenant": "{tenant}"}, "columns": ["id"]},
}


@pytest.fixture
def api_of(session_of: Callable[..., Session], tmp_path: Path) -> Iterator[Callable[[str], Api]]:
    with TwoTenants(tmp_path / "security.log").serving() as server:

        def make(url: str) -> Api:
            parts = server.target(rows=ROWS)
            probe = session_of(
                secret_values={**secret_values(), "ROWS_URL": url}, **{**parts, "database": {"url": "env:ROWS_URL"}}
            ).probe(Api)
            assert isinstance(probe, Api)
            return probe

        yield make


def looked_at(api: Api, run: Callable[[str], Any]) -> None:
    tenant = next(one.id for one in api.target.tenants if one.name == "red")
    run(f"INSERT INTO notes VALUES ('7', '{tenant}', 'a secret of red', 1), ('7', 'somebody else', 'x', 1), ('8', '{tenant}', 'y', 1)")  # fmt: skip
    before = api.state("note_row", "red", {"note": "7"})
    assert before.present
    assert [place for place, _ in before.values] == ["/0/body", "/0/seen"]
    assert "secret" not in repr(before)
    run("UPDATE notes SET body = 'changed' WHERE id = '8' OR tenant = 'somebody else'")
    assert before.differs(api.state("note_row", "red", {"note": "7"})) == ()
    run(f"UPDATE notes SET body = NULL WHERE id = '7' AND tenant = '{tenant}'")
    assert before.differs(api.state("note_row", "red", {"note": "7"})) == ("/0/body",)
    run(f"DELETE FROM notes WHERE id = '7' AND tenant = '{tenant}'")
    assert before.differs(api.state("note_row", "red", {"note": "7"})) == ("(gone)",)
    # What a client sends as an identifier is a value, whatever it says.
    assert not api.state("note_row", "red", {"note": "7' OR '1'='1"}).present
    with pytest.raises(Unobservable):
        api.state("typo", "red", {"note": "8"})
    run(f"INSERT INTO notes SELECT '9', '{tenant}', 'z', 1 FROM {'information_schema.columns' if run.__name__ != 'sqlite' else 'pragma_function_list'} LIMIT 100")  # fmt: skip
    with pytest.raises(Unobservable, match="more than 100"):
        api.state("all", "red", {})


def test_rows_of_sqlite(api_of: Callable[[str], Api], tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite3"

    def sqlite(statement: str) -> None:
        with sqlite3.connect(file) as connection:
            connection.execute(statement)

    sqlite(TABLE)
    looked_at(api_of(f"sqlite:///{file}"), sqlite)


def test_rows_of_postgresql(api_of: Callable[[str], Api], postgres: Any) -> None:
    url = postgres.database(TABLE)
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def run(statement: str) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)

    try:
        looked_at(api_of(url), run)
    finally:
        engine.dispose()


def test_rows_of_mariadb(api_of: Callable[[str], Api], mariadb: Any) -> None:
    name = mariadb.database(TABLE)

    def run(statement: str) -> None:
        mariadb.run(name, statement)

    looked_at(api_of(mariadb.url(name)), run)
