"""Workspaces that reach into each other.

The functions that these add to the database belong to the superuser and run with its rights (SECURITY DEFINER): that is
how code gets past row security without anybody touching a policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from upheld_reference.api.routes import billing, records
from upheld_reference.api.session import Caller
from upheld_reference.database import rows
from upheld_reference.database.rows import Row, Table
from upheld_reference.database.scope import Connection
from upheld_reference.platform import Platform
from upheld_reference.sabotages import rewriting, sabotage

_CLAIM = "tenant-isolation"


def _add_function(platform: Platform, signature: str, returns: str, body: str) -> None:
    """Adds a function to schema app that only the application may call, and that no policy binds."""
    platform.schema.append(
        f"CREATE FUNCTION app.{signature} RETURNS {returns} LANGUAGE sql SECURITY DEFINER SET search_path = ''"
        f" AS $$ {body} $$;"
        f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC;"
        f"GRANT EXECUTE ON FUNCTION app.{signature} TO rivet_application;"
    )
    # The list of grants tells the truth about it: what is wrong is that the function asks for no workspace.
    rewriting.granted(platform, "rivet_application", {f"app.{signature.partition('(')[0]}()": ["EXECUTE"]})


def _template_by_id(platform: Platform) -> None:
    _add_function(
        platform, "template_by_id(wanted uuid)", "SETOF app.templates", "SELECT * FROM app.templates WHERE id = wanted"
    )


@sabotage(breaks=(_CLAIM,), shows=("getTemplate",))
def one_object_type_readable_across_tenants(platform: Platform) -> None:
    """A template is found by its id alone, whichever workspace it belongs to."""
    _template_by_id(platform)
    read_own = rows.read

    async def read(db: Connection, table: Table, workspace_id: UUID, row_id: UUID) -> Row | None:
        if table is not rows.TEMPLATES:
            return await read_own(db, table, workspace_id, row_id)
        return await (await db.execute("SELECT * FROM app.template_by_id(%s)", [row_id])).fetchone()

    platform.replace(rows, "read", read)


@sabotage(breaks=(_CLAIM,), shows=("Contact",))
def one_object_type_writable_across_tenants(platform: Platform) -> None:
    """A contact is changed and deleted by its id alone, whichever workspace it belongs to; reading it is checked."""
    _add_function(
        platform,
        "change_contact(wanted uuid, new_name text, new_phone_number text, new_note text)",
        "SETOF app.contacts",
        "UPDATE app.contacts SET name = coalesce(new_name, name), phone_number = coalesce(new_phone_number, phone_number), "
        "note = coalesce(new_note, note) WHERE id = wanted RETURNING *",
    )
    _add_function(
        platform, "delete_contact(wanted uuid)", "SETOF uuid", "DELETE FROM app.contacts WHERE id = wanted RETURNING id"
    )
    update_own, delete_own = rows.update, rows.delete

    async def update(
        db: Connection, table: Table, workspace_id: UUID, row_id: UUID, values: Mapping[str, Any]
    ) -> Row | None:
        if table is not rows.CONTACTS:
            return await update_own(db, table, workspace_id, row_id, values)
        arguments = [row_id, *(values.get(column) for column in ("name", "phone_number", "note"))]
        return await (await db.execute("SELECT * FROM app.change_contact(%s, %s, %s, %s)", arguments)).fetchone()

    async def delete(db: Connection, table: Table, workspace_id: UUID, row_id: UUID) -> bool:
        if table is not rows.CONTACTS:
            return await delete_own(db, table, workspace_id, row_id)
        return (await db.execute("SELECT app.delete_contact(%s)", [row_id])).rowcount == 1

    platform.replace(rows, "update", update)
    platform.replace(rows, "delete", delete)


@sabotage(breaks=(_CLAIM,), shows=("searchWorkspace",))
def search_leaks_across_tenants(platform: Platform) -> None:
    """The search looks through the messages of all workspaces."""
    _add_function(
        platform,
        "search_messages(wanted text)",
        "SETOF app.messages",
        "SELECT * FROM app.messages WHERE strpos(lower(text), lower(wanted)) > 0",
    )
    search_own = rows.search

    async def search(db: Connection, workspace_id: UUID, wanted: str, limit: int) -> list[Row]:
        query = "SELECT 'message' AS kind, id, text, created_at FROM app.search_messages(%s)"
        everywhere = await (await db.execute(query, [wanted])).fetchall()
        own = [row for row in await search_own(db, workspace_id, wanted, limit) if row["kind"] != "message"]
        return sorted(everywhere + own, key=lambda row: row["created_at"], reverse=True)[:limit]

    platform.replace(rows, "search", search)


@sabotage(breaks=(_CLAIM,), shows=("template_id",))
def nested_identifier_unchecked(platform: Platform) -> None:
    """The templates that an automation's steps name are not checked to be of its workspace, and come back with it."""
    _template_by_id(platform)

    async def templates_by_id(db: Connection, workspace_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Row]:  # noqa: ARG001
        query = "SELECT t.* FROM unnest(%s::uuid[]) AS wanted (id), app.template_by_id(wanted.id) AS t"
        return {row["id"]: row for row in await (await db.execute(query, [list(ids)])).fetchall()}

    platform.replace(rows, "templates_by_id", templates_by_id)


@sabotage(breaks=(_CLAIM,), shows=("conversations",))
def row_security_off_for_one_table(platform: Platform) -> None:
    """Row security is off for conversations; only the queries keep workspaces apart there."""
    platform.schema.append("ALTER TABLE app.conversations NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")


@sabotage(breaks=(_CLAIM,), shows=("downloadExport",))
def export_downloadable_across_tenants(platform: Platform) -> None:
    """The file of an export is found by its id alone, whichever workspace it belongs to."""

    async def export_content(_db: Connection, caller: Caller, export_id: UUID) -> bytes | None:
        for path in caller.services.exports.glob(f"*/{export_id}.json"):
            return path.read_bytes()
        return None

    platform.replace(records, "export_content", export_content)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "getUsage",
        "Workspace-Id",
    ),
)
def workspace_header_unchecked(platform: Platform) -> None:
    """The usage of whichever workspace the header Workspace-Id names is shown, also to those who do not belong to it."""
    platform.replace(billing, "header_workspace", lambda _caller, workspace_id: workspace_id)
