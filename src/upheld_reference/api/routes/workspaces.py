"""The workspace itself: its plan, how long it keeps its logs, what it is told, and its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from upheld_reference.api import errors, plans, team_models
from upheld_reference.api.routes import WORKSPACE, Page
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Member
from upheld_reference.database import rows
from upheld_reference.database.rows import Row
from upheld_reference.database.scope import Connection

router = APIRouter(prefix=WORKSPACE, responses=errors.RESPONSES, route_class=PathRoute)

_READ = "SELECT id, name, plan, retention_days FROM app.workspaces WHERE id = %s"


@router.get("", operation_id="getWorkspace", response_model=team_models.Workspace)
async def get_workspace(caller: Member) -> Row:
    """The workspace."""
    async with caller.look() as db:
        row = await (await db.execute(_READ, [caller.workspace_id])).fetchone()
    if row is None:
        raise errors.not_found()
    return row


@router.put("/retention", operation_id="setRetention", response_model=team_models.Workspace)
async def set_retention(caller: Member, body: team_models.RetentionIn) -> Row:
    """Sets for how many days the workspace keeps its logs; the next run of the retention job goes by it.

    Only the plans that include it may: the others keep the default.
    """
    target = f"workspace:{caller.workspace_id}"
    if not plans.may_set_retention(caller.plan):
        await caller.refuse(403, f"the {caller.plan} plan does not include its own retention period", target)
    async with caller.workspace() as db:
        await store_retention(db, caller.workspace_id, body.days)
        row = await (await db.execute(_READ, [caller.workspace_id])).fetchone()
        await caller.note(db, target, days=body.days)
    if row is None:
        raise errors.not_found()
    return row


async def store_retention(db: Connection, workspace_id: Any, days: int) -> None:
    """Notes for how many days a workspace, and no other, keeps its logs."""
    await db.execute("UPDATE app.workspaces SET retention_days = %s WHERE id = %s", [days, workspace_id])


@router.post("/termination", operation_id="terminateWorkspace", response_model=team_models.Termination)
async def terminate_workspace(caller: Member, body: team_models.TerminationIn) -> dict[str, Any]:
    """Ends the workspace: nobody can log in or use a session any more, and the deletion job removes what it holds.

    The workspace's own name confirms it.
    """
    target = f"workspace:{caller.workspace_id}"
    async with caller.workspace() as db:
        query = """
            UPDATE app.workspaces SET terminated_at = now() WHERE id = %s AND name = %s AND terminated_at IS NULL
            RETURNING terminated_at
        """
        row = await (await db.execute(query, [caller.workspace_id, body.name])).fetchone()
        if row is not None:
            await caller.note(db, target)
    if row is None:
        await caller.refuse(409, "this is not the name of the workspace", target)
    return {**row, "gone_by": row["terminated_at"] + timedelta(days=caller.services.deletion_after_days)}


@router.get("/notices", operation_id="listNotices", response_model=list[team_models.Notice])
async def list_notices(caller: Member, page: Page) -> list[Row]:
    """What the platform has told the people of the workspace."""
    async with caller.look() as db:
        return await rows.listing(db, rows.NOTICES, caller.workspace_id, page)
