"""What the audit log says of a workspace."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from upheld_reference.api import errors
from upheld_reference.api.routes import DEFAULT_LIMIT, WORKSPACE, Limit
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Member
from upheld_reference.audit import chain
from upheld_reference.audit.models import WorkspaceAuditEntry

router = APIRouter(prefix=WORKSPACE, responses=errors.RESPONSES, route_class=PathRoute)

_NEWEST = """
    SELECT sequence, at, actor, action, target, workspace_id, outcome, reason, details, previous, digest
    FROM audit.entries WHERE workspace_id = %s ORDER BY sequence DESC LIMIT %s
"""


@router.get("/audit-log", operation_id="listAuditLog", response_model=list[WorkspaceAuditEntry])
async def list_audit_log(caller: Member, limit: Limit = DEFAULT_LIMIT) -> list[dict[str, Any]]:
    """What was done to the workspace with privileges, newest first: by its members and by Rivet's staff, with the reasons."""
    async with caller.look() as db:
        rows = await (await db.execute(_NEWEST, [caller.workspace_id, limit])).fetchall()
    return [{**chain.document(row), "id": row["digest"]} for row in rows]
