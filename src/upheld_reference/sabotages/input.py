"""Input that does what it should not be able to."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from upheld_reference.api import errors
from upheld_reference.api.routes import DEFAULT_LIMIT, Limit, accounts, records
from upheld_reference.api.session import Authenticated, Member
from upheld_reference.database import rows
from upheld_reference.database.rows import Page, Row
from upheld_reference.database.scope import Connection
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.sabotages.routes import answer_by

_CLAIM = "input-output"


class AnyChange(BaseModel):
    """Whatever fields somebody sends."""

    model_config = ConfigDict(extra="allow")

    name: str = ""


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "searchWorkspace",
        "query q, a NUL: answered 500",
    ),
)
def server_error_on_odd_input(platform: Platform) -> None:
    """A search for a text with a NUL in it, which PostgreSQL cannot take, answers 500."""

    async def search_workspace(
        caller: Member, q: Annotated[str, Query(min_length=1, max_length=200)], limit: Limit = DEFAULT_LIMIT
    ) -> list[dict[str, Any]]:
        async with caller.workspace() as db:
            return await rows.search(db, caller.workspace_id, q, limit)

    answer_by(platform, records, "searchWorkspace", search_workspace)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "listContacts",
        "query name (SQL, pattern in quotes)",
    ),
)
def sql_injection_in_one_filter(platform: Platform) -> None:
    """The name that contacts are filtered by is put into the SQL as it is, and can be SQL itself."""
    # Row security still holds for what is injected: it reaches whatever the own workspace has, and no other workspace's.

    async def contacts_named(db: Connection, workspace_id: UUID, name: str, page: Page) -> list[Row]:
        query = f"""
            SELECT id, name, phone_number, note, created_at FROM app.contacts
            WHERE workspace_id = %s AND name ILIKE '%%{name.replace("%", "%%")}%%'
            ORDER BY created_at DESC, id LIMIT %s OFFSET %s
        """  # noqa: S608 - this is the defect
        return await (await db.execute(query.encode(), [workspace_id, page.limit, page.offset])).fetchall()

    platform.replace(rows, "contacts_named", contacts_named)


@sabotage(
    breaks=(_CLAIM, "rbac"),
    shows=(
        "the role is owner",
        "updateMe",
        "role became 'owner'",
    ),
)
def mass_assignment_of_role(platform: Platform) -> None:
    """Members who change their own name (updateMe) can send a role with it, and have it."""

    async def update_me(caller: Authenticated, body: AnyChange) -> dict[str, Any]:
        sent = {"name": body.name, **(body.model_extra or {})}
        values: dict[str, Any] = {field: str(sent[field]) for field in ("name", "role") if field in sent}
        async with caller.workspace() as db:
            row = await rows.update(db, rows.MEMBERS, caller.workspace_id, caller.member_id, values)
        if row is None:
            raise errors.unauthenticated()
        return {**row, "workspace_id": caller.workspace_id}

    answer_by(platform, accounts, "updateMe", update_me)
