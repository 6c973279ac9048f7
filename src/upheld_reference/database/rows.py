"""Reading and writing the objects of one workspace.

Row security alone would keep workspaces apart; every statement names the workspace all the same, so that one forgotten
policy or one forgotten predicate is not yet a leak.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import sql

from upheld_reference.database.scope import Connection, Reader

Row = dict[str, Any]
"""A row by column name."""


@dataclass(frozen=True)
class Table:
    """A table of tenants' objects, and the columns of it that the API shows."""

    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """The table's quoted name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def shown(self) -> sql.Composed:
        """The quoted names of the columns, for SELECT and RETURNING."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))


MEMBERS = Table("app", "members", ("id", "email", "name", "role", "disabled_at", "created_at"))
CONTACTS = Table("app", "contacts", ("id", "name", "phone_number", "note", "created_at"))
CONVERSATIONS = Table("app", "conversations", ("id", "contact_id", "created_at"))
MESSAGES = Table("app", "messages", ("id", "conversation_id", "direction", "text", "created_at"))
TEMPLATES = Table("app", "templates", ("id", "name", "body", "created_at"))
AUTOMATIONS = Table("app", "automations", ("id", "name", "steps", "created_at"))
AUTOMATION_RUNS = Table("app", "automation_runs", ("id", "automation_id", "outcome", "detail", "created_at"))
MESSAGE_LOGS = Table("app", "message_logs", ("id", "direction", "content", "created_at"))
WEBHOOKS = Table("app", "webhooks", ("id", "url", "created_at"))
EXPORTS = Table("app", "exports", ("id", "kind", "created_at"))
NOTICES = Table("app", "notices", ("id", "kind", "title", "body", "created_at"))
INVOICES = Table("app", "invoices", ("id", "account", "billed_to", "plan", "cents", "currency", "created_at"))
WHATSAPP_ACCOUNTS = Table(
    "meta", "whatsapp_accounts", ("id", "waba_id", "phone_number_id", "phone_number", "created_at")
)


async def read(db: Reader, table: Table, workspace_id: UUID, row_id: UUID) -> Row | None:
    """The row ``row_id``, or None when the workspace has no such row."""
    return await (await db.execute(_read(table), [workspace_id, row_id])).fetchone()


@functools.cache
def _read(table: Table) -> str:
    query = sql.SQL("SELECT {} FROM {} WHERE workspace_id = %s AND id = %s").format(table.shown, table.identifier)
    return query.as_string()


@dataclass(frozen=True)
class Page:
    """A part of a listing."""

    limit: int
    offset: int = 0


async def listing(
    db: Reader, table: Table, workspace_id: UUID, page: Page, where: Mapping[str, Any] | None = None
) -> list[Row]:
    """One page of the workspace's rows whose columns equal ``where``, newest first."""
    conditions = {"workspace_id": workspace_id, **(where or {})}
    query = _listing(table, tuple(conditions))
    return await (await db.execute(query, [*conditions.values(), page.limit, page.offset])).fetchall()


@functools.cache
def _listing(table: Table, conditions: tuple[str, ...]) -> str:
    query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY created_at DESC, id LIMIT %s OFFSET %s").format(
        table.shown,
        table.identifier,
        sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in conditions),
    )
    return query.as_string()


async def contacts_named(db: Connection, workspace_id: UUID, name: str, page: Page) -> list[Row]:
    """One page of the workspace's contacts whose name contains ``name`` in any case, newest first."""
    query = sql.SQL("""
        SELECT {} FROM {} WHERE workspace_id = %s AND strpos(lower(name), lower(%s)) > 0
        ORDER BY created_at DESC, id LIMIT %s OFFSET %s
    """).format(CONTACTS.shown, CONTACTS.identifier)
    return await (await db.execute(query, [workspace_id, name, page.limit, page.offset])).fetchall()


async def insert(db: Connection, table: Table, workspace_id: UUID, values: Mapping[str, Any]) -> Row:
    """Adds a row to the workspace and returns it."""
    filled = {"workspace_id": workspace_id, **values}
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
        table.identifier,
        sql.SQL(", ").join(map(sql.Identifier, filled)),
        sql.SQL(", ").join(sql.Placeholder() * len(filled)),
        table.shown,
    )
    row = await (await db.execute(query, list(filled.values()))).fetchone()
    if row is None:
        raise RuntimeError(f"{table.schema}.{table.name} returned no row for the one that was inserted")
    return row


async def update(
    db: Connection, table: Table, workspace_id: UUID, row_id: UUID, values: Mapping[str, Any]
) -> Row | None:
    """Changes the row ``row_id`` and returns it, or None when the workspace has no such row."""
    if not values:
        return await read(db, table, workspace_id, row_id)
    query = sql.SQL("UPDATE {} SET {} WHERE workspace_id = %s AND id = %s RETURNING {}").format(
        table.identifier,
        sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in values),
        table.shown,
    )
    return await (await db.execute(query, [*values.values(), workspace_id, row_id])).fetchone()


async def delete(db: Connection, table: Table, workspace_id: UUID, row_id: UUID) -> bool:
    """Removes the row ``row_id`` and tells whether the workspace had it."""
    query = sql.SQL("DELETE FROM {} WHERE workspace_id = %s AND id = %s").format(table.identifier)
    return (await db.execute(query, [workspace_id, row_id])).rowcount == 1


_NAMED = (
    sql.SQL("SELECT {} FROM {} WHERE workspace_id = %s AND id = ANY(%s)")
    .format(TEMPLATES.shown, TEMPLATES.identifier)
    .as_string()
)


async def templates_by_id(db: Reader, workspace_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Those templates of the workspace that ``ids`` name, by id."""
    return {row["id"]: row for row in await (await db.execute(_NAMED, [workspace_id, list(ids)])).fetchall()}


_SEARCH = """
    SELECT kind, id, text, created_at FROM (
        SELECT 'contact' AS kind, id, name || ' ' || note AS text, created_at, workspace_id FROM app.contacts
        UNION ALL SELECT 'message', id, text, created_at, workspace_id FROM app.messages
        UNION ALL SELECT 'template', id, name || ' ' || body, created_at, workspace_id FROM app.templates
        UNION ALL SELECT 'message_log', id, content, created_at, workspace_id FROM app.message_logs
    ) AS everything
    WHERE workspace_id = %(workspace)s AND strpos(lower(text), lower(%(wanted)s)) > 0
    ORDER BY created_at DESC, id LIMIT %(limit)s
"""


async def search(db: Connection, workspace_id: UUID, wanted: str, limit: int) -> list[Row]:
    """Contacts, messages, templates and message logs of the workspace whose text contains ``wanted``, newest first."""
    return await (await db.execute(_SEARCH, {"workspace": workspace_id, "wanted": wanted, "limit": limit})).fetchall()
