"""Accounts of the console."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from upheld_reference.api import errors
from upheld_reference.api.routes import DEFAULT_LIMIT, Limit
from upheld_reference.database.scope import Connection
from upheld_reference.staff import acting, models
from upheld_reference.staff.acting import Caller, PrivilegedRoute, Staff

router = APIRouter(responses=errors.RESPONSES, route_class=PrivilegedRoute)

_SELECT: LiteralString = """
    SELECT a.id, a.name, a.email, a.role, a.kind, t.id IS NOT NULL AS enrolled, a.disabled_at, a.last_login_at
    FROM staff.accounts a LEFT JOIN staff.totp_seeds t ON t.account_id = a.id
"""
_DISABLE = "UPDATE staff.accounts SET disabled_at = coalesce(disabled_at, now()) WHERE id = %(id)s"
_ENABLE = "UPDATE staff.accounts SET disabled_at = NULL WHERE id = %(id)s"
_CHANGE_ROLE = "UPDATE staff.accounts SET role = %(role)s WHERE id = %(id)s"


@router.get("/v1/accounts", operation_id="listStaffAccounts", response_model=list[models.Account])
async def list_accounts(caller: Staff, request: Request, limit: Limit = DEFAULT_LIMIT) -> list[dict[str, Any]]:  # noqa: ARG001
    """The accounts, with who has a second factor and who logged in when."""
    async with acting.act(request, "account:all") as doing:
        return await (await doing.db.execute(_SELECT + "ORDER BY a.email LIMIT %s", [limit])).fetchall()


@router.post("/v1/accounts/{account_id}/disable", operation_id="disableStaffAccount", response_model=models.Account)
async def disable_account(caller: Staff, request: Request, account_id: UUID) -> dict[str, Any]:
    """Disables an account; its sessions end at once."""
    return await _change(caller, request, account_id, _DISABLE, {})


@router.post("/v1/accounts/{account_id}/enable", operation_id="enableStaffAccount", response_model=models.Account)
async def enable_account(caller: Staff, request: Request, account_id: UUID) -> dict[str, Any]:
    """Enables an account that was disabled."""
    return await _change(caller, request, account_id, _ENABLE, {})


@router.put("/v1/accounts/{account_id}/role", operation_id="changeStaffRole", response_model=models.Account)
async def change_role(caller: Staff, request: Request, account_id: UUID, body: models.RoleIn) -> dict[str, Any]:
    """Gives an account another role; its sessions end at once."""
    return await _change(caller, request, account_id, _CHANGE_ROLE, {"role": body.role})


async def _change(
    caller: Caller, request: Request, account_id: UUID, change: LiteralString, values: dict[str, Any]
) -> dict[str, Any]:
    """Changes an account; raises a 403 for one's own, a 404 for none."""
    if account_id == caller.account_id:
        raise HTTPException(403, "nobody changes their own account")
    async with acting.act(request, details=values) as doing:
        before = await _read(doing.db, account_id)
        await doing.db.execute(change, {**values, "id": account_id})
        if values:
            doing.details["role_before"] = before["role"]
        return await _read(doing.db, account_id)


async def _read(db: Connection, account_id: UUID) -> dict[str, Any]:
    row = await (await db.execute(_SELECT + "WHERE a.id = %s", [account_id])).fetchone()
    if row is None:
        raise errors.not_found()
    return row
