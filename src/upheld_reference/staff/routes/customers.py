"""Customers' data, as metadata, and single messages with a justification."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from upheld_reference.api import errors
from upheld_reference.api.routes import DEFAULT_LIMIT, WORKSPACE, Limit
from upheld_reference.staff import acting, models, reading
from upheld_reference.staff.acting import PrivilegedRoute, Staff

router = APIRouter(responses=errors.RESPONSES, route_class=PrivilegedRoute)


@router.get("/v1/workspaces", operation_id="listWorkspaces", response_model=list[models.WorkspaceMetadata])
async def list_workspaces(caller: Staff, request: Request, limit: Limit = DEFAULT_LIMIT) -> list[dict[str, Any]]:  # noqa: ARG001
    """The workspaces."""
    async with acting.act(request, "workspace:all") as doing:
        return await reading.workspaces(doing.db, limit)


@router.get(
    f"{WORKSPACE}/conversations",
    operation_id="listWorkspaceConversations",
    response_model=list[models.ConversationMetadata],
)
async def list_conversations(
    caller: Staff,  # noqa: ARG001
    request: Request,
    workspace_id: UUID,
    limit: Limit = DEFAULT_LIMIT,
) -> list[dict[str, Any]]:
    """The conversations of a workspace, without content."""
    async with acting.act(request) as doing:
        if not await reading.workspace_exists(doing.db, workspace_id):
            raise errors.not_found()
        return await reading.conversations(doing.db, workspace_id, limit)


@router.get(f"{WORKSPACE}/messages", operation_id="listWorkspaceMessages", response_model=list[models.MessageMetadata])
async def list_messages(
    caller: Staff,  # noqa: ARG001
    request: Request,
    workspace_id: UUID,
    limit: Limit = DEFAULT_LIMIT,
) -> list[dict[str, Any]]:
    """The messages of a workspace, without their texts."""
    async with acting.act(request) as doing:
        if not await reading.workspace_exists(doing.db, workspace_id):
            raise errors.not_found()
        return await reading.messages(doing.db, workspace_id, limit)


@router.post(
    f"{WORKSPACE}/messages/{{message_id}}/read", operation_id="readMessage", response_model=models.StaffMessage
)
async def read_message(
    caller: Staff, workspace_id: UUID, message_id: UUID, body: models.JustificationIn
) -> dict[str, Any]:
    """One message with its text, for who says why."""
    return await reading.message(caller, workspace_id, message_id, body.justification)


@router.get("/v1/search", operation_id="searchMetadata", response_model=list[models.Hit])
async def search_metadata(
    caller: Staff,  # noqa: ARG001
    request: Request,
    q: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")],
    limit: Limit = DEFAULT_LIMIT,
) -> list[dict[str, Any]]:
    """Workspaces, conversations and messages by identifier or kind; what customers wrote is not searched."""
    # What was searched for may be a person's name, and the log outlives people's data.
    async with acting.act(request, "workspace:all", details={"length": len(q)}) as doing:
        hits = await reading.search(doing.db, q, limit)
        doing.details["hits"] = len(hits)
        return hits
