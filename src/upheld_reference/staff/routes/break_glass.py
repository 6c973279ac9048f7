"""Break-glass access."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from upheld_reference.api import errors
from upheld_reference.api.models import ErrorBody
from upheld_reference.api.routes import DEFAULT_LIMIT, Limit
from upheld_reference.staff import acting, breakglass, models
from upheld_reference.staff.acting import PrivilegedRoute, Staff

router = APIRouter(
    prefix="/v1/break-glass",
    responses={**errors.RESPONSES, 409: {"model": ErrorBody, "description": "It is not in that state"}},
    route_class=PrivilegedRoute,
)


@router.get("", operation_id="listBreakGlass", response_model=list[models.BreakGlass])
async def list_break_glass(caller: Staff, request: Request, limit: Limit = DEFAULT_LIMIT) -> list[dict[str, Any]]:  # noqa: ARG001
    """The break-glass sessions, newest first."""
    async with acting.act(request, "break_glass:all") as doing:
        return await (await doing.db.execute(breakglass.LIST, [limit])).fetchall()


@router.post("", operation_id="requestBreakGlass", response_model=models.BreakGlass, status_code=201)
async def request_break_glass(caller: Staff, request: Request, body: models.BreakGlassIn) -> dict[str, Any]:
    """Asks for break-glass access, with a ticket and a reason."""
    return await breakglass.ask(caller, request, body.ticket, body.reason, body.duration_seconds)


@router.post("/{break_glass_id}/approve", operation_id="approveBreakGlass", response_model=models.BreakGlass)
async def approve_break_glass(caller: Staff, request: Request, break_glass_id: UUID) -> dict[str, Any]:
    """Approves somebody else's request."""
    return await breakglass.approve(caller, request, break_glass_id)


@router.post("/{break_glass_id}/start", operation_id="startBreakGlass", response_model=models.BreakGlass)
async def start_break_glass(caller: Staff, request: Request, break_glass_id: UUID) -> dict[str, Any]:
    """Starts one's own approved session; its time runs from now."""
    return await breakglass.start(caller, request, break_glass_id)


@router.post("/{break_glass_id}/end", operation_id="endBreakGlass", response_model=models.BreakGlass)
async def end_break_glass(caller: Staff, request: Request, break_glass_id: UUID) -> dict[str, Any]:
    """Ends a running session."""
    return await breakglass.end(caller, request, break_glass_id)


@router.get(
    "/{break_glass_id}/platform-configuration",
    operation_id="readPlatformConfiguration",
    response_model=list[models.ConfigurationValue],
)
async def read_platform_configuration(caller: Staff, break_glass_id: UUID) -> list[dict[str, Any]]:
    """How the platform's database is configured, for whom a break-glass session is running."""
    return await breakglass.configuration(caller, break_glass_id)
