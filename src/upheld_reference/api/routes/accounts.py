"""Login, sessions, the caller, the workspace and its members."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException

from upheld_reference.api import errors, logins, models, sessions
from upheld_reference.api.routes import DEFAULT_LIMIT, WORKSPACE, Limit
from upheld_reference.api.session import Authenticated, Member, services
from upheld_reference.api.sessions import SessionTokens
from upheld_reference.database import rows
from upheld_reference.services import Services

router = APIRouter(responses=errors.RESPONSES)


@router.post("/v1/tokens", operation_id="createToken", response_model=models.Tokens)
async def create_token(
    credentials: models.Credentials, shared: Annotated[Services, Depends(services)]
) -> dict[str, Any]:
    """Exchanges e-mail address and password for the tokens of a new session."""
    try:
        return _shown(await logins.log_in(shared, credentials.email, credentials.password))
    except logins.LockedError as error:
        retry = {"Retry-After": str(error.retry_seconds)}
        raise HTTPException(429, "too many bad logins; try again later", retry) from None
    except logins.AccountDisabledError:
        raise HTTPException(403, "this account is disabled") from None
    except logins.WorkspaceTerminatedError:
        raise HTTPException(403, "this workspace is terminated") from None
    except logins.LoginError:
        raise errors.unauthenticated("e-mail address or password is wrong") from None


@router.post("/v1/tokens/refresh", operation_id="refreshToken", response_model=models.Tokens)
async def refresh_token(body: models.RefreshIn, shared: Annotated[Services, Depends(services)]) -> dict[str, Any]:
    """Exchanges a refresh token for new tokens; one that comes a second time ends the session."""
    try:
        return _shown(await sessions.refresh(shared.pool, shared.signer, body.refresh_token))
    except sessions.RefreshError:
        raise errors.unauthenticated("this refresh token is not valid") from None


@router.post("/v1/tokens/revoke", operation_id="revokeToken", response_model=models.Revoked)
async def revoke_token(body: models.RevocationIn, shared: Annotated[Services, Depends(services)]) -> dict[str, Any]:
    """Ends the session of a token, whichever of its tokens it is; a token of no session is no error (RFC 7009 §2.2)."""
    await sessions.revoke_by_token(shared.pool, shared.signer, body.token)
    return {}


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


def _shown(tokens: SessionTokens) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_in": tokens.expires_in_seconds,
    }
