"""Access to the database as the application has it: one transaction, one workspace."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Connection = AsyncConnection[DictRow]
"""A connection whose rows are dictionaries."""
Pool = AsyncConnectionPool[Connection]
"""The application's connections."""

_WAIT_SECONDS = 1.0


def new_pool(url: str) -> Pool:
    """A pool of connections to ``url``, not open yet; whoever waits too long for one gets psycopg_pool.PoolTimeout."""
    options: dict[str, Any] = {"row_factory": dict_row, "autocommit": False}
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
async def workspace_scope(pool: Pool, workspace_id: UUID) -> AsyncIterator[Connection]:
    """One transaction that sees the rows of ``workspace_id`` only; commits at the end, rolls back on an exception.

    The setting is local to the transaction, so that a connection goes back to the pool with no workspace set.
    """
    async with pool.connection() as connection:
        await connection.execute("SELECT set_config('rivet.workspace_id', %s, true)", [str(workspace_id)])
        yield connection
