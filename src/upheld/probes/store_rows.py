"""Rows of the stores: inserting one, counting some, and what their values mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes import database_mysql

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def insert_row(connection: Connection, table: sa.TableClause, values: Mapping[str, object], wanted: str) -> str:
    """Insert one row and give back its identifier as text."""
    quote = connection.dialect.identifier_preparer
    names = ", ".join(quote.quote_identifier(name) for name in values)
    places = ", ".join(f":v{number}" for number in range(len(values)))
    returns = connection.dialect.insert_returning
    # As text, for then the database itself takes each value for what its column is; typed binds would need the column's type.
    statement = f"INSERT INTO {quote.format_table(table)} ({names}) VALUES ({places})"  # noqa: S608
    if returns:
        statement += f" RETURNING {quote.quote_identifier(wanted)}"
    shown = [json.dumps(value) if isinstance(value, dict | list) else value for value in values.values()]
    result = connection.execute(sa.text(statement), {f"v{n}": value for n, value in enumerate(shown)})
    if returns:
        given = result.scalar_one()
        return given.hex() if isinstance(given, bytes) else str(given)
    known = values.get(wanted) or result.lastrowid
    if not known:
        raise Unobservable(f"the database does not say which {wanted} it gave to a planted row: let plant give one")
    return str(known)


def whole(connection: Connection, table: sa.TableClause) -> None:
    """Raise Unobservable for a table that keeps rows which a plain read does not show."""
    if connection.dialect.name in database_mysql.NAMES:
        database_mysql.whole(connection, f"{table.schema or ''}.{table.name}")


def as_text(connection: Connection, table: sa.TableClause, name: str) -> sa.ColumnElement[Any]:
    """A column as text; what is binary in hexadecimal where the database would make nothing of it."""
    if connection.dialect.name in database_mysql.NAMES:
        return database_mysql.text_of(table.c[name], _kind(connection, table, name))
    return sa.cast(table.c[name], sa.Text)


def as_stored(connection: Connection, table: sa.TableClause, name: str, text: str) -> object:
    """What stands in a column of which `as_text` gives that text."""
    if connection.dialect.name in database_mysql.NAMES:
        return database_mysql.value_of(_kind(connection, table, name), text)
    return text


def is_filled(connection: Connection, table: sa.TableClause, name: str) -> sa.ColumnElement[bool]:
    """Whether a column holds anything at all."""
    if connection.dialect.name in database_mysql.NAMES:
        return sa.func.coalesce(sa.func.length(table.c[name]), 0) > 0
    return sa.func.coalesce(sa.cast(table.c[name], sa.Text), "") != ""


def holds(connection: Connection, table: sa.TableClause, name: str, text: str) -> sa.ColumnElement[bool]:
    """Whether a column holds a text."""
    if connection.dialect.name in database_mysql.NAMES:
        value = database_mysql.bytes_of(table.c[name], _kind(connection, table, name))
        return sa.func.coalesce(sa.func.instr(value, sa.cast(sa.literal(text), sa.LargeBinary)), 0) > 0
    return sa.func.coalesce(sa.cast(table.c[name], sa.Text), "").contains(text, autoescape=True)


def _kind(connection: Connection, table: sa.TableClause, name: str) -> str:
    kinds = dict(database_mysql.kinds_of(connection, f"{table.schema or ''}.{table.name}"))
    if name not in kinds:
        raise Unobservable(f"the catalogue shows no column {table.name}.{name}")
    return kinds[name]


def count_rows(connection: Connection, table: sa.TableClause, *conditions: sa.ColumnElement[bool]) -> int:
    """How many rows meet all conditions."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one())


def utc(moment: object) -> datetime | None:
    """The instant that a timestamp column gives; one without a time zone is taken for UTC."""
    if moment is None:
        return None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        raise Unobservable("a timestamp column holds no timestamps")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def fill_in(value: object, values: Mapping[str, object]) -> object:
    """`value` with `{placeholders}` filled in; a text that is nothing but one becomes the value itself."""
    if isinstance(value, str):
        whole = re.fullmatch(r"\{(\w+)\}", value)
        if whole and whole.group(1) in values:
            return values[whole.group(1)]
        return re.sub(r"\{(\w+)\}", lambda m: str(values.get(m.group(1), m.group())), value)
    if isinstance(value, Mapping):
        return {key: fill_in(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill_in(item, values) for item in value]
    return value
