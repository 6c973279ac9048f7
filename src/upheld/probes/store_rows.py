"""Rows of the stores: inserting one, counting some, and what their values mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def insert_row(connection: Connection, table: sa.TableClause, values: Mapping[str, object], wanted: str) -> str:
    """Insert one row and give back its identifier as text."""
    quote = connection.dialect.identifier_preparer
    names = ", ".join(quote.quote_identifier(name) for name in values)
    places = ", ".join(f":v{number}" for number in range(len(values)))
    # As text, for then the database itself takes each value for what its column is; typed binds would need the column's type.
    statement = f"INSERT INTO {quote.format_table(table)} ({names}) VALUES ({places}) RETURNING {quote.quote_identifier(wanted)}"  # noqa: S608
    shown = [json.dumps(value) if isinstance(value, dict | list) else value for value in values.values()]
    return str(connection.execute(sa.text(statement), {f"v{n}": value for n, value in enumerate(shown)}).scalar_one())


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
