"""Who is calling, and whether they may."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from upheld_reference.api import errors, roles, sessions
from upheld_reference.database.scope import Connection, workspace_scope
from upheld_reference.logs import security_log
from upheld_reference.services import Services

_bearer = HTTPBearer(bearerFormat="JWT", auto_error=False, scheme_name="bearer")


@dataclass(frozen=True)
class Caller:
    """A member whose access token is valid, with the role that the database has now."""

    member_id: UUID
    workspace_id: UUID
    session_id: UUID
    email: str
    role: str
    plan: str
    services: Services

    def workspace(self) -> AbstractAsyncContextManager[Connection]:
        """One transaction in the caller's workspace."""
        return workspace_scope(self.services.pool, self.workspace_id)


def services(request: Request) -> Services:
    """The services of the deployment that the request came to."""
    found: Services = request.app.state.services()
    return found


async def authenticated(
    shared: Annotated[Services, Depends(services)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    """The caller; raises a 401 without a valid token, or when its session, account or workspace has ended."""
    claims = shared.signer.verify(credentials.credentials) if credentials else None
    if claims is None:
        raise errors.unauthenticated()
    async with workspace_scope(shared.pool, claims.workspace_id) as db:
        holder = await sessions.holder(db, claims)
    if holder is None or not sessions.admits(holder):
        raise errors.unauthenticated()
    return Caller(
        claims.member_id, claims.workspace_id, claims.session_id, holder.email, holder.role, holder.plan, shared
    )


async def permitted(request: Request, caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """The caller, who has a role that may call this operation; raises a 403 otherwise."""
    operation = request.scope["route"].operation_id
    if not roles.may(caller.role, operation):
        security_log.warning("%s refused to member %s, whose role is %s", operation, caller.member_id, caller.role)
        raise HTTPException(403, "your role does not allow this")
    return caller


async def member(request: Request, workspace_id: UUID, caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """The caller, who belongs to the workspace in the path and may call this operation; else raises a 404 or 403."""
    if workspace_id != caller.workspace_id:
        security_log.warning("member %s asked for the workspace %s, not their own", caller.member_id, workspace_id)
        raise errors.not_found()
    return await permitted(request, caller)


Authenticated = Annotated[Caller, Depends(permitted)]
"""A caller on a route without a workspace."""
Member = Annotated[Caller, Depends(member)]
"""A caller on a route of their own workspace."""
