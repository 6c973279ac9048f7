"""Access to the database as the application has it: one transaction, one workspace."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Connection = AsyncConnection[DictRow]
"""A connection whose rows are dictionaries."""
Pool = AsyncConnectionPool[Connection]
"""The application's connections."""

_WAIT_SECONDS = 1.0
_BEGIN = "BEGIN; SELECT set_config('rivet.workspace_id', %s, true)"
"""Sent as one message. The setting is local to the transaction, so that a connection goes back to the pool with none."""

_BEFORE = 2
"""Results of one message before that of the query: of BEGIN and of the setting."""


def new_pool(url: str) -> Pool:
    """A pool of connections to ``url``, not open yet; whoever waits too long for one gets psycopg_pool.PoolTimeout.

    They commit each statement unless a transaction is begun, as everything below does.
    """
    options: dict[str, Any] = {"row_factory": dict_row, "autocommit": True}
    return AsyncConnectionPool(
        url,
        connection_class=AsyncConnection[DictRow],
        kwargs=options,
        min_size=1,
        max_size=8,
        open=False,
        timeout=_WAIT_SECONDS,
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction in no workspace; commits at the end, rolls back on an exception."""
    async with pool.connection() as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def workspace_scope(pool: Pool, workspace_id: UUID) -> AsyncIterator[Connection]:
    """One transaction that sees the rows of ``workspace_id`` only; commits at the end, rolls back on an exception."""
    async with pool.connection() as connection:
        await AsyncClientCursor(connection).execute(_BEGIN, [str(workspace_id)])
        yield connection  # What is open at the end the pool's own context commits or rolls back.


async def workspace_row(
    pool: Pool, workspace_id: UUID, query: LiteralString, values: Sequence[object]
) -> DictRow | None:
    """The first row of one query that sees the rows of ``workspace_id`` only: a whole transaction in one message."""
    async with pool.connection() as connection:
        cursor = AsyncClientCursor(connection, row_factory=dict_row)
        await cursor.execute(f"{_BEGIN}; {query}; COMMIT", [str(workspace_id), *values])
        for _ in range(_BEFORE):
            cursor.nextset()
        return await cursor.fetchone()
