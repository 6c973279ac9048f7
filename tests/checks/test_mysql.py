"""What looks see in a real MariaDB, and what they do not conclude where its catalogue hides something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from upheld import Refused, Unobservable
from upheld.probes.database import Database
from upheld.probes.traces import Traces

SCHEMA = (
    "CREATE TABLE customers (id int, name varchar(40) CHARACTER SET latin1, raw longblob)",
    "INSERT INTO customers VALUES (1, 'Umbrella', NULL), (2, 'at ÉCOLE in town', NULL), (3, 'x', 0x0041636d6500)",
)
ALL = "GRANT SELECT ON `{database}`.* TO {account}"


@pytest.fixture
def looking(mariadb: Any, session_of: Callable[..., Any]) -> Callable[..., Any]:
    def session(*grants: str) -> Any:
        name = mariadb.database(*SCHEMA)
        url = mariadb.account(name, *(one.replace("{database}", name) for one in grants))
        deletion = {
            "terminated": [
                {"name": "acme", "at": "2026-01-01T00:00:00Z", "traces": ["ACME"]},
                {"name": "ecole", "at": "2026-01-01T00:00:00Z", "traces": ["École"]},
                {"name": "gone", "at": "2026-01-01T00:00:00Z", "traces": ["ecole"]},
            ],
            "living": ["umbrella"],
        }
        return session_of(secret_values={"U": url}, database={"url": "env:U"}, deletion=deletion)

    return session


def test_rows_are_searched_in_every_form(looking: Callable[..., Any]) -> None:
    traces = looking(ALL).probe(Traces)
    assert traces.tables() == ("customers",)
    found = traces.search_table("customers")
    assert (found.records, found.living, dict(found.found)) == (3, 1, {"acme": 1, "ecole": 1})


def test_a_catalogue_that_hides_tables_shows_nothing(looking: Callable[..., Any]) -> None:
    session = looking("GRANT SELECT ON `{database}`.customers TO {account}")
    with pytest.raises(Unobservable, match="may not read all"):
        session.probe(Traces).tables()
    with pytest.raises(Unobservable, match="may not read all"):
        session.probe(Database).stored_columns()


def test_nothing_can_be_written_in_a_look(looking: Callable[..., Any]) -> None:
    database = looking("GRANT ALL ON `{database}`.* TO {account}").probe(Database)
    for statement in ("DELETE FROM customers", "DROP TABLE customers", "CREATE TABLE other (id int)"):
        with pytest.raises(Unobservable), database.reading() as connection:
            connection.execute(sa.text(statement))
    with database.reading() as connection:
        connection.execute(sa.text("COMMIT"))
        with pytest.raises(sa.exc.DBAPIError, match="READ ONLY"):
            connection.execute(sa.text("DELETE FROM customers"))
    assert [(one.table, one.columns) for one in database.stored_columns()] == [("customers", ("id", "name", "raw"))]


def test_what_is_denied_is_refused(mariadb: Any, session_of: Callable[..., Any]) -> None:
    name = mariadb.database(*SCHEMA)
    url = mariadb.account(name, f"GRANT SELECT ON `{name}`.* TO {{account}}")
    session = session_of(secret_values={"U": url}, database={"url": "env:U"})
    with pytest.raises(Refused):
        session.probe(Database).login_roles()
