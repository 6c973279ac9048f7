"""Putting many rows into a table at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from upheld_reference.database.scope import Connection


async def copy(db: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds ``rows``, which all have the same columns, to ``table`` (schema.table)."""
    if not rows:
        return
    columns = list(rows[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    async with db.cursor().copy(statement) as target:
        for row in rows:
            await target.write_row([row[column] for column in columns])
