"""The people of a workspace. Nobody gives or takes a role above their own, nobody changes their own account, an owner stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from upheld_reference.api import errors, invitations, roles, sessions, team_models
from upheld_reference.api.plans import PLANS
from upheld_reference.api.routes import WORKSPACE, Page
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Caller, Member
from upheld_reference.database import rows
from upheld_reference.database.rows import Row
from upheld_reference.database.scope import Connection

router = APIRouter(prefix=f"{WORKSPACE}/members", responses=errors.RESPONSES, route_class=PathRoute)


class RuleError(Exception):
    """A change of members that the rules forbid, whoever asks for it."""

    def __init__(self, status: int, reason: str) -> None:
        """Carries the HTTP status and the reason, for whoever asked."""
        self.status = status
        self.reason = reason
        super().__init__(reason)


@router.get("", operation_id="listMembers", response_model=list[team_models.Member])
async def list_members(caller: Member, page: Page) -> list[Row]:
    """The members of the workspace."""
    async with caller.look() as db:
        return await rows.listing(db, rows.MEMBERS, caller.workspace_id, page)


@router.post("", operation_id="inviteMember", response_model=team_models.InvitedMember, status_code=201)
async def invite_member(caller: Member, body: team_models.InvitationIn) -> Row:
    """Adds somebody who has no password yet, and shows, this once, the token that lets them choose one."""
    target = f"workspace:{caller.workspace_id}"
    if roles.outranks(body.role, caller.role):
        await caller.refuse(403, "nobody gives a role above their own", target)
    try:
        async with caller.workspace() as db:
            await _one_change_at_a_time(db, caller)
            if await _count(db, caller) >= PLANS[caller.plan].members_at_most:
                raise RuleError(409, "the plan of this workspace includes no more members")
            values = {"email": body.email.lower(), "role": body.role, "name": body.name}
            row = await rows.insert(db, rows.MEMBERS, caller.workspace_id, values)
            token, expires = await invitations.invite(db, caller.workspace_id, row["id"])
            await caller.note(db, f"member:{row['id']}", role=body.role)
    except psycopg.errors.UniqueViolation:
        raise HTTPException(409, "this address cannot be invited") from None
    except RuleError as error:
        await caller.refuse(error.status, error.reason, target)
    return {**row, "invitation_token": token, "expires_at": expires}


@router.get("/{member_id}", operation_id="getMember", response_model=team_models.Member)
async def get_member(caller: Member, member_id: UUID) -> Row:
    """One member."""
    async with caller.look() as db:
        row = await rows.read(db, rows.MEMBERS, caller.workspace_id, member_id)
    if row is None:
        raise errors.not_found()
    return row


@router.put("/{member_id}/role", operation_id="changeMemberRole", response_model=team_models.Member)
async def change_member_role(caller: Member, member_id: UUID, body: team_models.RoleIn) -> Row:
    """Gives a member another role, which counts from their next request on."""
    return await _changed(caller, member_id, {"role": body.role}, role=body.role)


@router.post("/{member_id}/disable", operation_id="disableMember", response_model=team_models.Member)
async def disable_member(caller: Member, member_id: UUID) -> Row:
    """Disables an account: it cannot log in, and its sessions end at their next request."""
    return await _changed(caller, member_id, {"disabled_at": datetime.now(UTC)})


@router.post("/{member_id}/enable", operation_id="enableMember", response_model=team_models.Member)
async def enable_member(caller: Member, member_id: UUID) -> Row:
    """Lets a disabled account log in again; what sessions it had stay ended."""
    return await _changed(caller, member_id, {"disabled_at": None})


@router.delete("/{member_id}", operation_id="removeMember", status_code=204)
async def remove_member(caller: Member, member_id: UUID) -> Response:
    """Removes a member with their sessions."""
    try:
        async with caller.workspace() as db:
            await _changeable(db, caller, member_id, leaves_owner=True)
            await rows.delete(db, rows.MEMBERS, caller.workspace_id, member_id)
            await caller.note(db, f"member:{member_id}")
    except RuleError as error:
        await caller.refuse(error.status, error.reason, f"member:{member_id}")
    return Response(status_code=204)


async def _changed(caller: Caller, member_id: UUID, values: dict[str, Any], role: str = "") -> Row:
    target = f"member:{member_id}"
    try:
        async with caller.workspace() as db:
            found = await _changeable(
                db, caller, member_id, leaves_owner=bool(values.get("disabled_at") or role not in {"", "owner"})
            )
            if role and roles.outranks(role, caller.role):
                raise RuleError(403, "nobody gives a role above their own")
            row = await rows.update(db, rows.MEMBERS, caller.workspace_id, member_id, values)
            if values.get("disabled_at"):
                await end_sessions(db, caller.workspace_id, member_id)
            await caller.note(db, target, **({"from": found["role"], "to": role} if role else {}))
    except RuleError as error:
        await caller.refuse(error.status, error.reason, target)
    if row is None:
        raise errors.not_found()
    return row


async def end_sessions(db: Connection, workspace_id: UUID, member_id: UUID) -> None:
    """Ends every session of an account that is being disabled, so that enabling it again brings none of them back."""
    await sessions.revoke_all(db, workspace_id, member_id)


async def _changeable(db: Connection, caller: Caller, member_id: UUID, *, leaves_owner: bool) -> Row:
    """The member, whom the caller may change; raises RuleError, or a 404 when there is none.

    ``leaves_owner`` says whether the workspace loses them as an owner by it, if they are one.
    """
    await _one_change_at_a_time(db, caller)
    found = await rows.read(db, rows.MEMBERS, caller.workspace_id, member_id)
    if found is None:
        raise errors.not_found()
    if member_id == caller.member_id:
        raise RuleError(403, "nobody changes their own account here")
    if roles.outranks(found["role"], caller.role):
        raise RuleError(403, "nobody changes the account of somebody with a higher role")
    if leaves_owner and found["role"] == "owner" and found["disabled_at"] is None and await _owners(db, caller) < 2:
        raise RuleError(409, "a workspace keeps at least one owner")
    return found


async def _one_change_at_a_time(db: Connection, caller: Caller) -> None:
    """Waits for other changes of this workspace's members, so that two cannot take the last two owners at once."""
    await db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [str(caller.workspace_id)])


async def _count(db: Connection, caller: Caller) -> int:
    query = "SELECT count(*) AS members FROM app.members WHERE workspace_id = %s"
    row = await (await db.execute(query, [caller.workspace_id])).fetchone()
    return int(row["members"]) if row else 0


async def _owners(db: Connection, caller: Caller) -> int:
    query = """
        SELECT count(*) AS owners FROM app.members
        WHERE workspace_id = %s AND role = 'owner' AND disabled_at IS NULL AND can_log_in
    """
    row = await (await db.execute(query, [caller.workspace_id])).fetchone()
    return int(row["owners"]) if row else 0
