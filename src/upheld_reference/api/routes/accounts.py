"""Login, sessions, invitations, and the caller's own account."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from upheld_reference import passwords
from upheld_reference.api import errors, invitations, logins, models, sessions, team_models
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Authenticated, services
from upheld_reference.api.sessions import SessionTokens
from upheld_reference.database import rows
from upheld_reference.services import Services

router = APIRouter(responses=errors.RESPONSES, route_class=PathRoute)


@router.post("/v1/tokens", operation_id="createToken", response_model=models.Tokens)
async def create_token(
    credentials: models.Credentials, shared: Annotated[Services, Depends(services)]
) -> dict[str, Any]:
    """Exchanges e-mail address and password for the tokens of a new session."""
    try:
        return _shown(await logins.log_in(shared, credentials.email, credentials.password))
    except logins.LockedError as error:
        raise _locked(error) from None
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


@router.post("/v1/invitations/accept", operation_id="acceptInvitation", response_model=models.Tokens, status_code=201)
async def accept_invitation(
    body: team_models.Acceptance, shared: Annotated[Services, Depends(services)]
) -> dict[str, Any]:
    """Sets the first password of somebody who was invited, and logs them in; the invitation is worth nothing afterwards."""
    try:
        return _shown(await invitations.accept(shared, body.invitation_token, body.password))
    except invitations.InvitationError:
        raise errors.unauthenticated("this invitation is not valid") from None


@router.get("/v1/me", operation_id="getMe", response_model=team_models.Me)
async def get_me(caller: Authenticated) -> dict[str, Any]:
    """The caller."""
    async with caller.look() as db:
        row = await rows.read(db, rows.MEMBERS, caller.workspace_id, caller.member_id)
    if row is None:  # removed while this was being asked
        raise errors.unauthenticated()
    return {**row, "role": caller.role, "workspace_id": caller.workspace_id}


@router.patch("/v1/me", operation_id="updateMe", response_model=team_models.Me)
async def update_me(caller: Authenticated, body: team_models.MeChange) -> dict[str, Any]:
    """Changes the caller's own name."""
    async with caller.workspace() as db:
        row = await rows.update(db, rows.MEMBERS, caller.workspace_id, caller.member_id, body.model_dump())
    if row is None:
        raise errors.unauthenticated()
    return {**row, "workspace_id": caller.workspace_id}


@router.put("/v1/me/password", operation_id="changePassword", status_code=204)
async def change_password(caller: Authenticated, body: team_models.PasswordChange) -> Response:
    """Changes the caller's password and ends every other session of theirs."""
    target = f"member:{caller.member_id}"
    try:
        await logins.prove(caller.services, caller.email, body.password)
    except logins.LockedError as error:
        raise _locked(error) from None
    except logins.LoginError:
        await caller.refuse(403, "the present password is wrong", target)
    hashed = await run_in_threadpool(passwords.hash_password, body.new_password)
    async with caller.workspace() as db:
        query = "UPDATE app.members SET password_hash = %s WHERE workspace_id = %s AND id = %s"
        await db.execute(query, [hashed, caller.workspace_id, caller.member_id])
        await sessions.revoke_all(db, caller.workspace_id, caller.member_id, but=caller.session_id)
        await caller.note(db, target)
    return Response(status_code=204)


def _locked(error: logins.LockedError) -> HTTPException:
    retry = {"Retry-After": str(error.retry_seconds)}
    return HTTPException(429, "too many bad logins; try again later", retry)


def _shown(tokens: SessionTokens) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_in": tokens.expires_in_seconds,
    }
