"""The first sessions, invitations, notices and invoices of a deployment."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from upheld_reference.api import invitations, sessions
from upheld_reference.api.plans import PLANS
from upheld_reference.api.tokens import Claims
from upheld_reference.database import copying

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection
    from upheld_reference.database.seed import Seed
    from upheld_reference.settings import Settings

_INVOICE_AGES_DAYS = (70, 100, 130)
_HOUR = timedelta(hours=1)


async def sow(superuser: Connection, planned: Seed, settings: Settings) -> Claims:
    """Every owner is logged in on some device, and every workspace has a notice, three invoices and somebody invited.

    Returns the first of those sessions, which began an hour ago.
    """
    now = datetime.now(UTC)
    first = await _sessions(superuser, planned, now, timedelta(seconds=settings.session_lifetime_seconds))
    await _invitations(superuser, planned, now)
    notices = [
        {
            "workspace_id": workspace.id,
            "kind": "welcome",
            "title": "Welcome to Rivet",
            "body": f"The workspace {workspace.name} is ready. Connect a WhatsApp number to begin.",
            "created_at": now - timedelta(days=60),
        }
        for workspace in planned.workspaces
    ]
    await copying.copy(superuser, "app.notices", notices)
    invoices: list[dict[str, Any]] = []
    for workspace in planned.workspaces:
        account = f"R-{secrets.randbelow(10**8):08}"
        invoices += [
            {
                "id": uuid4(),
                "workspace_id": workspace.id,
                "account": account,
                "billed_to": f"{workspace.name.capitalize()} (Pty) Ltd, 1 {workspace.name.capitalize()} Road, Cape Town",
                "plan": workspace.plan,
                "cents": PLANS[workspace.plan].cents_a_month,
                "created_at": now - timedelta(days=age),
            }
            for age in _INVOICE_AGES_DAYS
        ]
    await copying.copy(superuser, "app.invoices", invoices)
    for workspace in planned.workspaces:
        workspace.objects["invoices"] = [one["id"] for one in invoices if one["workspace_id"] == workspace.id]
    return first


async def _sessions(superuser: Connection, planned: Seed, now: datetime, lifetime: timedelta) -> Claims:
    ids = {workspace.name: workspace.id for workspace in planned.workspaces}
    owners = [identity for identity in planned.identities if identity.role == "owner"]
    begun = now - _HOUR
    started: list[dict[str, Any]] = [
        {
            "id": uuid4(),
            "workspace_id": ids[owner.tenant],
            "member_id": owner.id,
            "created_at": begun,
            "expires_at": begun + lifetime,
        }
        for owner in owners
    ]
    await copying.copy(superuser, "app.sessions", started)
    tokens = [
        {
            "workspace_id": session["workspace_id"],
            "session_id": session["id"],
            "digest": sessions.digest_of(sessions.new_token()),
            "created_at": begun,
        }
        for session in started
    ]
    await copying.copy(superuser, "app.refresh_tokens", tokens)
    return Claims(owners[0].id, ids[owners[0].tenant], started[0]["id"])


async def _invitations(superuser: Connection, planned: Seed, now: datetime) -> None:
    invited = [
        {
            "id": uuid4(),
            "workspace_id": workspace.id,
            "email": f"newcomer@{workspace.name}.example.com",
            "name": "Newcomer",
            "role": "viewer",
            "created_at": now - _HOUR,
        }
        for workspace in planned.workspaces
    ]
    await copying.copy(superuser, "app.members", invited)
    rows = [
        {
            "workspace_id": member["workspace_id"],
            "member_id": member["id"],
            "digest": sessions.digest_of(sessions.new_token()),
            "created_at": now - _HOUR,
            "expires_at": now - _HOUR + invitations.LIFETIME,
        }
        for member in invited
    ]
    await copying.copy(superuser, "app.invitations", rows)
