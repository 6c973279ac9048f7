"""What a workspace uses and pays."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header

from upheld_reference.api import errors, team_models
from upheld_reference.api.routes import WORKSPACE, Page
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Authenticated, Caller, Member
from upheld_reference.database import rows
from upheld_reference.database.rows import Row
from upheld_reference.database.scope import workspace_scope

router = APIRouter(responses=errors.RESPONSES, route_class=PathRoute)

_USAGE = """
    SELECT w.id, w.plan,
        (SELECT count(*) FROM app.members m WHERE m.workspace_id = w.id) AS members,
        (SELECT count(*) FROM app.contacts c WHERE c.workspace_id = w.id) AS contacts,
        (SELECT count(*) FROM app.messages m WHERE m.workspace_id = w.id AND m.created_at >= month.began) AS messages,
        (SELECT count(*) FROM app.automation_runs r WHERE r.workspace_id = w.id AND r.created_at >= month.began)
            AS automation_runs
    FROM app.workspaces w, date_trunc('month', now()) AS month (began) WHERE w.id = %s
"""


@router.get("/v1/usage", operation_id="getUsage", response_model=team_models.Usage)
async def get_usage(caller: Authenticated, workspace_id: Annotated[UUID, Header(alias="Workspace-Id")]) -> Row:
    """What the workspace in the header has, and has done since the month began."""
    of = header_workspace(caller, workspace_id)
    async with workspace_scope(caller.services.pool, of) as db:
        row = await (await db.execute(_USAGE, [of])).fetchone()
    if row is None:
        raise errors.not_found()
    return row


def header_workspace(caller: Caller, workspace_id: UUID) -> UUID:
    """The workspace that a header names, which must be the caller's; raises a 404 for any other."""
    if workspace_id != caller.workspace_id:
        raise errors.not_found()
    return workspace_id


@router.get(f"{WORKSPACE}/invoices", operation_id="listInvoices", response_model=list[team_models.Invoice])
async def list_invoices(caller: Member, page: Page) -> list[Row]:
    """The invoices of the workspace."""
    async with caller.look() as db:
        return await rows.listing(db, rows.INVOICES, caller.workspace_id, page)


@router.get(f"{WORKSPACE}/invoices/{{invoice_id}}", operation_id="getInvoice", response_model=team_models.Invoice)
async def get_invoice(caller: Member, invoice_id: UUID) -> Row:
    """One invoice."""
    async with caller.look() as db:
        row = await rows.read(db, rows.INVOICES, caller.workspace_id, invoice_id)
    if row is None:
        raise errors.not_found()
    return row
