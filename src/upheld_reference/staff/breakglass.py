"""Break-glass access: asked for with a ticket, approved by somebody else, started, ended, and over by itself in the end."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import psycopg
from fastapi import Request
from starlette.exceptions import HTTPException

from upheld_reference.api import errors
from upheld_reference.audit import log
from upheld_reference.audit.log import Entry
from upheld_reference.logs import app_log
from upheld_reference.staff import acting
from upheld_reference.staff.acting import Act, Caller

if TYPE_CHECKING:
    from upheld_reference.staff.console import Console

LIST = "SELECT * FROM staff.break_glass_sessions ORDER BY requested_at DESC LIMIT %s"
"""The break-glass sessions, newest first."""
_ASK = """
    INSERT INTO staff.break_glass_sessions (requested_by, ticket, reason, duration_seconds) VALUES (%s, %s, %s, %s)
    RETURNING *
"""
_LOCK = "SELECT * FROM staff.break_glass_sessions WHERE id = %s FOR UPDATE"
_APPROVE = "UPDATE staff.break_glass_sessions SET approved_by = %s, approved_at = now() WHERE id = %s RETURNING *"
_START = """
    UPDATE staff.break_glass_sessions
    SET started_at = now(), expires_at = now() + make_interval(secs => duration_seconds) WHERE id = %s RETURNING *
"""
_END = "UPDATE staff.break_glass_sessions SET ended_at = now(), ended_by = 'user' WHERE id = %s RETURNING *"
_TICKET = re.compile(r"[A-Z]{2,6}-[0-9]{1,7}")
_LOOK_SECONDS = 1.0


def ticket_problem(ticket: str | None) -> str | None:
    """What is wrong with a ticket, as a clause; None when nothing is."""
    if not ticket:
        return "a ticket is needed"
    return None if _TICKET.fullmatch(ticket) else "a ticket is letters, a hyphen and digits, such as SUP-1234"


def approval_problem(session: dict[str, Any], approver: UUID) -> str | None:
    """Why ``approver`` may not approve ``session``, as a clause; None when nothing speaks against it."""
    if session["requested_by"] == approver:
        return "nobody approves their own request"
    return None if session["approved_at"] is None else "it is approved already"


async def ask(caller: Caller, request: Request, ticket: str | None, reason: str, seconds: int) -> dict[str, Any]:
    """Asks for access; raises a 422 without a proper ticket."""
    request.state.reason = reason
    if problem := ticket_problem(ticket):
        raise HTTPException(422, problem)
    async with acting.act(request, reason=reason, details={"ticket": ticket}) as doing:
        row = await _one(doing, _ASK, [caller.account_id, ticket, reason, seconds])
        doing.target = f"break_glass:{row['id']}"
        return row


async def approve(caller: Caller, request: Request, session_id: UUID) -> dict[str, Any]:
    """Approves somebody else's request; raises a 404, a 403 for one's own, a 409 for an approved one."""
    async with acting.act(request) as doing:
        session = await _locked(doing, session_id)
        if problem := approval_problem(session, caller.account_id):
            raise HTTPException(403 if session["approved_at"] is None else 409, problem)
        return await _one(doing, _APPROVE, [caller.account_id, session_id])


async def start(caller: Caller, request: Request, session_id: UUID) -> dict[str, Any]:
    """Starts one's own approved session; raises a 404, a 403 for another's, a 409 unless it is approved and new."""
    async with acting.act(request) as doing:
        session = await _locked(doing, session_id)
        if session["requested_by"] != caller.account_id:
            raise HTTPException(403, "it is for whoever asked for it")
        if session["approved_at"] is None or session["started_at"] is not None:
            raise HTTPException(409, "it is not approved, or was started before")
        return await _one(doing, _START, [session_id])


async def end(caller: Caller, request: Request, session_id: UUID) -> dict[str, Any]:
    """Ends a running session, one's own or, for security, anybody's; raises a 404, a 403, a 409 for one that is not running."""
    async with acting.act(request) as doing:
        session = await _locked(doing, session_id)
        if session["requested_by"] != caller.account_id and caller.role != "security":
            raise HTTPException(403, "it is for whoever asked for it, and for security")
        if session["started_at"] is None or session["ended_at"] is not None:
            raise HTTPException(409, "it is not running")
        doing.details["ended_by"] = "user"
        return await _one(doing, _END, [session_id])


async def configuration(caller: Caller, session_id: UUID) -> list[dict[str, Any]]:
    """How the platform's database is configured; raises a 403 unless the caller's session ``session_id`` is running.

    The function of the database that gives it adds the entry itself.
    """
    async with caller.console.pool.connection() as db:
        try:
            rows = await db.execute(
                "SELECT * FROM staff.read_platform_configuration(%s, %s)", [caller.session_digest, session_id]
            )
            return await rows.fetchall()
        except psycopg.errors.InsufficientPrivilege:
            await db.rollback()
    raise HTTPException(403, "no break-glass session of yours is running")


async def end_expired(console: Console) -> int:
    """Ends every session whose time is over and returns how many those were."""
    query = """
        UPDATE staff.break_glass_sessions SET ended_at = now(), ended_by = 'time limit'
        WHERE ended_at IS NULL AND expires_at <= now() RETURNING id, ticket, reason
    """
    async with console.pool.connection() as db:
        ended = await (await db.execute(query)).fetchall()
        for row in ended:
            details = {"ticket": row["ticket"], "ended_by": "time limit"}
            target = f"break_glass:{row['id']}"
            await log.record(db, Entry(acting.NOBODY, "break_glass.end", target, "done", None, row["reason"], details))
    return len(ended)


async def end_when_over(console: Console) -> None:
    """Ends sessions whose time is over, for as long as it runs; what they allow ends by itself at that moment."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            await end_expired(console)
        except psycopg.Error:
            app_log.exception("break-glass sessions could not be ended")


async def _locked(doing: Act, session_id: UUID) -> dict[str, Any]:
    session = await _one(doing, _LOCK, [session_id])
    doing.reason = session["reason"]
    doing.details["ticket"] = session["ticket"]
    return session


async def _one(doing: Act, query: LiteralString, values: list[Any]) -> dict[str, Any]:
    """The one row that ``query`` gives; raises a 404 when it gives none."""
    row = await (await doing.db.execute(query, values)).fetchone()
    if row is None:
        raise errors.not_found()
    return row
