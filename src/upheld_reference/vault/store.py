"""The vault's tables: sealed values go in and come out, one workspace at a time."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from upheld_reference.database.scope import Connection, Pool, workspace_look, workspace_scope
from upheld_reference.vault import sealing
from upheld_reference.vault.errors import NoSuchCredentialError
from upheld_reference.vault.sealing import Sealer

ORPHAN_GRACE_SECONDS = 60
"""How young a credential may be and still belong to nothing: what it belongs to may be just about to be stored."""


@dataclass(frozen=True)
class Kind:
    """A table of credentials that belong to something else of the workspace."""

    where: str
    """Its column of sealed values, as schema.table.column."""
    belongs_to: str
    """Its column with the id of what the credential belongs to."""
    times: tuple[str, ...] = ("sealed_at",)
    """Its columns with the time at which the present value came."""

    @property
    def table(self) -> sql.Identifier:
        """The quoted name of the table."""
        return sql.Identifier(*self.where.split(".")[:2])


TOKENS = Kind(sealing.WHATSAPP_TOKENS, "account_id", ("sealed_at", "received_at"))
SECRETS = Kind(sealing.WEBHOOK_SECRETS, "webhook_id")
_TABLES = tuple(sql.Identifier(*where.split(".")[:2]) for where in sealing.SENSITIVE_COLUMNS)


@dataclass(frozen=True)
class Sealed:
    """A value that was sealed for a row that does not exist yet."""

    row_id: UUID
    value: bytes
    key_id: str


class Store:
    """Credentials at rest: sealed on their way in, opened on their way out."""

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        """Works with the connections of the role rivet_vault."""
        self.pool = pool
        """Connections of the role rivet_vault."""
        self._sealer = sealer

    def seal(self, kind: Kind, plaintext: str) -> Sealed:
        """Seals ``plaintext`` for a new row of ``kind``."""
        row_id = uuid4()
        return Sealed(row_id, self._sealer.seal(plaintext.encode("utf-8"), kind.where, row_id), self._sealer.key_id)

    def unseal(self, kind: Kind, sealed: Sealed) -> str:
        """Opens a value that was sealed for a row of ``kind``; raises SealError."""
        return self._sealer.open(sealed.value, kind.where, sealed.row_id).decode("utf-8")

    async def keep(self, kind: Kind, workspace_id: UUID, belongs_to: UUID, sealed: Sealed) -> None:
        """Stores a sealed value in place of the one that ``belongs_to`` had."""
        query = sql.SQL("""
            INSERT INTO {table} (id, workspace_id, {key}, sealed, key_id) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT ({key}) DO UPDATE SET id = excluded.id, sealed = excluded.sealed, key_id = excluded.key_id, {times}
        """).format(
            table=kind.table,
            key=sql.Identifier(kind.belongs_to),
            times=sql.SQL(", ").join(sql.SQL("{} = now()").format(sql.Identifier(column)) for column in kind.times),
        )
        async with self._workspace(workspace_id) as db:
            await db.execute(query, [sealed.row_id, workspace_id, belongs_to, sealed.value, sealed.key_id])

    async def find(self, kind: Kind, workspace_id: UUID, belongs_to: UUID) -> Sealed:
        """The sealed value that belongs to ``belongs_to``; raises NoSuchCredentialError."""
        query = sql.SQL("SELECT id, sealed, key_id FROM {} WHERE workspace_id = %s AND {} = %s").format(
            kind.table, sql.Identifier(kind.belongs_to)
        )
        async with workspace_look(self.pool, workspace_id) as db:
            row = await (await db.execute(query.as_string(), [workspace_id, belongs_to])).fetchone()
        if row is None:
            raise NoSuchCredentialError(f"nothing in {kind.where} belongs to {belongs_to}")
        return Sealed(row["id"], bytes(row["sealed"]), row["key_id"])

    async def forget(self, kind: Kind, workspace_id: UUID, belongs_to: UUID) -> None:
        """Removes the credential of ``belongs_to``, if there is one."""
        query = sql.SQL("DELETE FROM {} WHERE workspace_id = %s AND {} = %s").format(
            kind.table, sql.Identifier(kind.belongs_to)
        )
        async with self._workspace(workspace_id) as db:
            await db.execute(query, [workspace_id, belongs_to])

    async def forget_workspace(self, workspace_id: UUID) -> int:
        """Removes every credential of the workspace and returns how many those were."""
        async with self._workspace(workspace_id) as db:
            removed = 0
            for table in _TABLES:
                query = sql.SQL("DELETE FROM {} WHERE workspace_id = %s").format(table)
                removed += (await db.execute(query, [workspace_id])).rowcount
        return removed

    async def retain(self, kind: Kind, workspace_id: UUID, existing: Collection[UUID]) -> int:
        """Removes credentials that belong to nothing in ``existing``, but for the youngest, and returns how many."""
        query = sql.SQL("""
            DELETE FROM {} WHERE workspace_id = %s AND NOT {} = ANY(%s) AND sealed_at < now() - make_interval(secs => %s)
        """).format(kind.table, sql.Identifier(kind.belongs_to))
        async with self._workspace(workspace_id) as db:
            return (await db.execute(query, [workspace_id, list(existing), ORPHAN_GRACE_SECONDS])).rowcount

    async def received(self, workspace_id: UUID) -> dict[UUID, datetime]:
        """When the token of each WhatsApp number came from Meta, by the number's account."""
        query = "SELECT account_id, received_at FROM vault.whatsapp_tokens WHERE workspace_id = %s"
        async with workspace_look(self.pool, workspace_id) as db:
            rows = await (await db.execute(query, [workspace_id])).fetchall()
        return {row["account_id"]: row["received_at"] for row in rows}

    async def workspaces(self) -> list[UUID]:
        """The workspaces that have any credential."""
        async with self.pool.connection() as db:
            rows = await (await db.execute("SELECT workspaces FROM vault.workspaces()")).fetchall()
        return [row["workspaces"] for row in rows]

    async def rekey(self) -> int:
        """Seals everything that another key sealed anew with the newest one, and returns how many values those were."""
        changed = 0
        for workspace_id in await self.workspaces():
            async with self._workspace(workspace_id) as db:
                for where in sealing.SENSITIVE_COLUMNS:
                    changed += await self._rekey(db, where, workspace_id)
        return changed

    async def _rekey(self, db: Connection, where: str, workspace_id: UUID) -> int:
        table = sql.Identifier(*where.split(".")[:2])
        query = sql.SQL("SELECT id, sealed FROM {} WHERE workspace_id = %s AND key_id <> %s FOR UPDATE").format(table)
        update = sql.SQL(
            "UPDATE {} SET sealed = %s, key_id = %s, sealed_at = now() WHERE workspace_id = %s AND id = %s"
        ).format(table)
        key_id = self._sealer.key_id
        rows: list[dict[str, Any]] = await (await db.execute(query, [workspace_id, key_id])).fetchall()
        for row in rows:
            opened = self._sealer.open(bytes(row["sealed"]), where, row["id"])
            sealed = self._sealer.seal(opened, where, row["id"])
            await db.execute(update, [sealed, key_id, workspace_id, row["id"]])
        return len(rows)

    def _workspace(self, workspace_id: UUID) -> AbstractAsyncContextManager[Connection]:
        return workspace_scope(self.pool, workspace_id)
