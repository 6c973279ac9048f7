"""What the settings page shows and changes."""

from __future__ import annotations

import dataclasses
from typing import Any

from starlette.exceptions import HTTPException

from upheld_reference.api import plans, session, team_models
from upheld_reference.api.routes import workspaces
from upheld_reference.api.session import Caller

_MOST_WEBHOOKS = 100
_SET_RETENTION = "setRetention"


async def contents(caller: Caller) -> dict[str, Any]:
    """The workspace, and its webhooks when the caller's role may list them (else None)."""
    async with caller.look() as db:
        query = "SELECT name, plan, retention_days FROM app.workspaces WHERE id = %s"
        workspace = await (await db.execute(query, [caller.workspace_id])).fetchone()
        webhooks = None
        if session.role_allows(caller, "listWebhooks"):
            query = """
                SELECT url, created_at FROM app.webhooks WHERE workspace_id = %s ORDER BY created_at DESC, id LIMIT %s
            """
            webhooks = await (await db.execute(query, [caller.workspace_id, _MOST_WEBHOOKS])).fetchall()
    return {
        "workspace": workspace,
        "webhooks": webhooks,
        "may_set_retention": session.role_allows(caller, _SET_RETENTION) and plans.may_set_retention(caller.plan),
        "days_at_least": plans.RETENTION_DAYS_AT_LEAST,
        "days_at_most": plans.RETENTION_DAYS_AT_MOST,
    }


async def set_retention(caller: Caller, days: int) -> None:
    """Does what the API's operation does, for those whom it lets; raises a 403 for others, which the audit log has."""
    if not session.role_allows(caller, _SET_RETENTION):
        target = f"workspace:{caller.workspace_id}"
        await session.note_refusal(caller, _SET_RETENTION, target, f"the role {caller.role} does not allow it")
        raise HTTPException(403, "your role does not allow this")
    allowed = dataclasses.replace(caller, operation=_SET_RETENTION)
    await workspaces.set_retention(allowed, team_models.RetentionIn(days=days))
