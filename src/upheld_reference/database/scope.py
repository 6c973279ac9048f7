"""Access to the database as the application has it: one transaction, one workspace."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from psycopg import AsyncClientCursor, AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Connection = AsyncConnection[DictRow]
"""A connection whose rows are dictionaries."""
Pool = AsyncConnectionPool[Connection]
"""The application's connections."""

_WAIT_SECONDS = 1.0
_SET = "SELECT set_config('rivet.workspace_id', %s, true)"


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
        reset=_transactions_by_themselves,
    )


async def _transactions_by_themselves(connection: Connection) -> None:
    """Has a connection begin a transaction with its first statement, as every user of the pool expects."""
    await connection.set_autocommit(False)


class Reader(Protocol):
    """What a statement may be read by: a connection, or one look."""

    async def execute(self, query: str, params: Sequence[object] | None = None) -> AsyncCursor[DictRow]:
        """Sends a statement and returns the cursor of its rows."""


@asynccontextmanager
async def single_statements(pool: Pool) -> AsyncIterator[Connection]:
    """A connection on which each statement is a transaction of its own, and one message; no workspace is set."""
    async with pool.connection() as connection:
        await connection.set_autocommit(True)
        yield connection


@asynccontextmanager
async def workspace_scope(pool: Pool, workspace_id: UUID) -> AsyncIterator[Connection]:
    """One transaction that sees the rows of ``workspace_id`` only; commits at the end, rolls back on an exception.

    The setting is local to the transaction, so that a connection goes back to the pool with no workspace set.
    """
    async with single_statements(pool) as connection:
        # The transaction is begun by hand, in one message with the setting: every request would wait for another answer.
        await _message(connection, f"BEGIN; {_SET}", [str(workspace_id)])
        yield connection


@asynccontextmanager
async def workspace_look(pool: Pool, workspace_id: UUID) -> AsyncIterator[Reader]:
    """Statements that see the rows of ``workspace_id`` only, each in a transaction and a message of its own."""
    async with single_statements(pool) as connection:
        yield _Look(connection, workspace_id)


class _Look:
    """A connection that sends each statement together with its workspace."""

    def __init__(self, connection: Connection, workspace_id: UUID) -> None:
        self._connection = connection
        self._workspace_id = workspace_id

    async def execute(self, query: str, params: Sequence[object] | None = None) -> AsyncCursor[DictRow]:
        """Sends a statement and returns the cursor of its rows; PostgreSQL makes one transaction of the message."""
        cursor = await _message(self._connection, f"{_SET}; {query}", [str(self._workspace_id), *(params or ())])
        cursor.nextset()
        return cursor


async def _message(connection: Connection, statements: str, params: Sequence[object]) -> AsyncCursor[DictRow]:
    """Sends several statements in one message, for which the client binds their parameters: the extended protocol takes but one."""
    return await AsyncClientCursor(connection, row_factory=dict_row).execute(statements, params)
