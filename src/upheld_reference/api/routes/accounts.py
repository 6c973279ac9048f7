"""Login, the caller, the workspace and its members."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from upheld_reference import passwords
from upheld_reference.api import errors, models
from upheld_reference.api.routes import DEFAULT_LIMIT, WORKSPACE, Limit
from upheld_reference.api.session import Authenticated, Member, services
from upheld_reference.api.tokens import Claims
from upheld_reference.database import rows
from upheld_reference.services import Services

router = APIRouter(responses=errors.RESPONSES)

_NOBODYS_HASH = passwords.PLACEHOLDER


@router.post("/v1/tokens", operation_id="createToken", response_model=models.AccessToken)
async def create_token(
    credentials: models.Credentials, shared: Annotated[Services, Depends(services)]
) -> dict[str, Any]:
    """Exchanges e-mail address and password for an access token."""
    account = credentials.email.lower()
    if locked := shared.lockout.remaining_seconds(account):
        raise HTTPException(429, "too many bad logins; try again later", {"Retry-After": str(locked)})
    async with shared.pool.connection() as db:
        row = await (await db.execute("SELECT * FROM app.member_for_login(%s)", [account])).fetchone()
    # An unknown address takes as long as a wrong password, so that the time does not tell who has an account.
    stored = row["password_hash"] if row else _NOBODYS_HASH
    matches = await run_in_threadpool(passwords.matches, credentials.password, stored)
    if row is None or not matches:
        shared.lockout.failed(account)
        raise errors.unauthenticated("e-mail address or password is wrong")
    if locked := shared.lockout.remaining_seconds(account):  # locked while this password was being hashed
        raise HTTPException(429, "too many bad logins; try again later", {"Retry-After": str(locked)})
    shared.lockout.succeeded(account)
    token = shared.signer.issue(Claims(row["id"], row["workspace_id"]))
    return {"access_token": token, "expires_in": shared.signer.lifetime_seconds}


@router.get("/v1/me", operation_id="getMe", response_model=models.Me)
async def get_me(caller: Authenticated) -> dict[str, Any]:
    """The caller."""
    return {
        "id": caller.member_id,
        "email": caller.email,
        "role": caller.role,
        "workspace_id": caller.workspace_id,
    }


@router.get(WORKSPACE, operation_id="getWorkspace", response_model=models.Workspace)
async def get_workspace(caller: Member) -> dict[str, Any]:
    """The workspace."""
    async with caller.workspace() as db:
        query = "SELECT id, name, plan, retention_days FROM app.workspaces WHERE id = %s"
        row = await (await db.execute(query, [caller.workspace_id])).fetchone()
    if row is None:
        raise errors.not_found()
    return row


@router.get(f"{WORKSPACE}/members", operation_id="listMembers", response_model=list[models.Member])
async def list_members(caller: Member, limit: Limit = DEFAULT_LIMIT) -> list[dict[str, Any]]:
    """The members of the workspace."""
    async with caller.workspace() as db:
        return await rows.listing(db, rows.MEMBERS, caller.workspace_id, limit)
