"""What stands in rows of the database, value by value, so that two looks at the same rows can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes import database_mysql
from upheld.probes.api_requests import fill
from upheld.probes.database import Database, table_of
from upheld.probes.database_rows import rows_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from upheld.target.api import RowRecipe

ROWS_LIMIT = 100
"""Rows that one recipe may mean."""


def rows_state(database: Any, recipe: RowRecipe, values: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    """Each value of the rows by number and column, as a digest; none where there is no row.

    Raises Unobservable where the rows cannot be read, and where there are more than `ROWS_LIMIT`.
    """
    if not isinstance(database, Database):
        raise TypeError(f"{type(database).__name__} reads no rows")
    with database.reading("auditor") as connection:
        text = _texts(connection, recipe)
        wanted = [text(column) == str(fill(template, values)) for column, template in recipe.where.items()]
        columns = [text(column).label(column) for column in recipe.columns]
        statement = sa.select(*columns).where(*wanted).order_by(*columns).limit(ROWS_LIMIT + 1)
        found = list(rows_of(connection, statement, f"rows {name}"))
    if len(found) > ROWS_LIMIT:
        raise Unobservable(f"rows {name}: there are more than {ROWS_LIMIT}")
    return tuple(
        (f"/{number}/{column}", _digest(row[column])) for number, row in enumerate(found) for column in recipe.columns
    )


def _texts(connection: Connection, recipe: RowRecipe) -> Any:
    table = table_of(recipe.table, *dict.fromkeys((*recipe.where, *recipe.columns)))
    if connection.dialect.name not in database_mysql.NAMES:
        return lambda column: sa.cast(table.c[column], sa.Text)
    kinds = dict(database_mysql.kinds_of(connection, recipe.table))
    missing = [column for column in (*recipe.where, *recipe.columns) if column not in kinds]
    if missing:
        raise Unobservable(f"the catalogue shows no column {recipe.table}.{missing[0]}")
    return lambda column: database_mysql.text_of(table.c[column], kinds[column])


def _digest(value: object) -> str:
    """Tells values apart, and does not show them."""
    return "null" if value is None else hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).hexdigest()[:32]
