"""Who is calling, and whether they may."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from upheld_reference.api import errors, roles, sessions
from upheld_reference.audit import log
from upheld_reference.audit.log import Entry
from upheld_reference.database.scope import Connection, Reader, single_statements, workspace_look, workspace_scope
from upheld_reference.logs import security_log
from upheld_reference.services import Services

_bearer = HTTPBearer(bearerFormat="JWT", auto_error=False, scheme_name="bearer")


@dataclass(frozen=True)
class Caller:
    """A member whose session is alive, with the role that the database has now."""

    member_id: UUID
    workspace_id: UUID
    session_id: UUID
    email: str
    role: str
    plan: str
    services: Services
    operation: str = ""
    """What they call, once it is known that they may."""

    @property
    def actor(self) -> str:
        """How the audit log names them."""
        return f"member:{self.member_id}"

    def look(self) -> AbstractAsyncContextManager[Reader]:
        """Statements that only read in the caller's workspace, each by itself."""
        return workspace_look(self.services.pool, self.workspace_id)

    def workspace(self) -> AbstractAsyncContextManager[Connection]:
        """One transaction in the caller's workspace."""
        return workspace_scope(self.services.pool, self.workspace_id)

    async def note(self, db: Connection, target: str, **details: Any) -> None:
        """Has the audit log say, with the transaction of ``db``, that the privileged operation was done to ``target``."""
        action = roles.PRIVILEGED[self.operation]
        await log.record(db, Entry(self.actor, action, target, "done", self.workspace_id, details=details))

    async def refuse(self, status: int, reason: str, target: str) -> NoReturn:
        """Has the audit log say that the privileged operation was refused, and raises the refusal."""
        await note_refusal(self, self.operation, target, reason)
        raise HTTPException(status, reason)


async def services(request: Request) -> Services:
    """The services of the deployment that the request came to; a coroutine, because FastAPI hands all else to a thread."""
    found: Services = request.app.state.services()
    return found


async def authenticated(
    request: Request,
    shared: Annotated[Services, Depends(services)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    """The caller; raises a 401 without a valid token, or when its session, account or workspace has ended."""
    claims = shared.signer.verify(credentials.credentials) if credentials else None
    if claims is None:
        raise errors.unauthenticated()
    async with single_statements(shared.pool) as db:
        holder = await sessions.holder(db, claims)
    if holder is None or not sessions.admits(holder):
        raise errors.unauthenticated()
    return Caller(
        member_id=claims.member_id,
        workspace_id=claims.workspace_id,
        session_id=claims.session_id,
        email=holder.email,
        role=effective_role(request, holder),
        plan=holder.plan,
        services=shared,
    )


def effective_role(_request: Request, holder: sessions.Holder) -> str:
    """The role that counts for a request: the one in the database, whatever the request says."""
    return holder.role


def role_allows(caller: Caller, operation: str) -> bool:
    """Whether the caller's role may call ``operation``."""
    return roles.may(caller.role, operation)


async def permitted(request: Request, caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """The caller, who has a role that may call this operation; raises a 403 otherwise."""
    operation = request.scope["route"].operation_id
    if not role_allows(caller, operation):
        security_log.warning("%s refused to member %s, whose role is %s", operation, caller.member_id, caller.role)
        await note_refusal(caller, operation, _target(request, caller), f"the role {caller.role} does not allow it")
        raise HTTPException(403, "your role does not allow this")
    return dataclasses.replace(caller, operation=operation)


async def member(request: Request, workspace_id: UUID, caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """The caller, who belongs to the workspace in the path and may call this operation; else raises a 404 or 403."""
    if workspace_id != caller.workspace_id:
        operation = request.scope["route"].operation_id
        security_log.warning("member %s asked for the workspace %s, not their own", caller.member_id, workspace_id)
        await note_refusal(caller, operation, f"workspace:{workspace_id}", "it is not their workspace")
        raise errors.not_found()
    return await permitted(request, caller)


async def note_refusal(caller: Caller, operation: str, target: str, reason: str) -> None:
    """Has the audit log say that a privileged operation was refused; of others it says nothing."""
    if action := roles.PRIVILEGED.get(operation):
        entry = Entry(caller.actor, action, target, "refused", caller.workspace_id, reason=reason)
        await caller.services.audit.record(entry)


def _target(request: Request, caller: Caller) -> str:
    """What the path names last, as kind and identifier."""
    for name, value in reversed(request.path_params.items()):
        try:
            return f"{name.removesuffix('_id')}:{UUID(str(value))}"
        except ValueError:
            continue
    return f"workspace:{caller.workspace_id}"


Authenticated = Annotated[Caller, Depends(permitted)]
"""A caller on a route without a workspace."""
Member = Annotated[Caller, Depends(member)]
"""A caller on a route of their own workspace."""
