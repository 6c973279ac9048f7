"""What the settings page shows and changes."""

from __future__ import annotations

from typing import Any

from upheld_reference.api import roles
from upheld_reference.api.session import Caller
from upheld_reference.database import rows

_MOST_WEBHOOKS = 100


async def contents(caller: Caller) -> dict[str, Any]:
    """The workspace, and its webhooks when the caller's role may list them (else None)."""
    async with caller.workspace() as db:
        query = "SELECT name, plan, retention_days FROM app.workspaces WHERE id = %s"
        workspace = await (await db.execute(query, [caller.workspace_id])).fetchone()
        webhooks = None
        if roles.may(caller.role, "listWebhooks"):
            webhooks = await rows.listing(db, rows.WEBHOOKS, caller.workspace_id, rows.Page(_MOST_WEBHOOKS))
    return {"workspace": workspace, "webhooks": webhooks}
