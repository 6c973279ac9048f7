"""Search, message logs and exports."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, Response

from upheld_reference.api import errors, models
from upheld_reference.api.routes import DEFAULT_LIMIT, WORKSPACE, Limit, Page
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Caller, Member
from upheld_reference.database import rows
from upheld_reference.database.scope import Connection

router = APIRouter(prefix=WORKSPACE, responses=errors.RESPONSES, route_class=PathRoute)

_EXPORTED_ROWS = 10_000
_EXPORTABLE = {"message_logs": rows.MESSAGE_LOGS, "contacts": rows.CONTACTS}


@router.get("/search", operation_id="searchWorkspace", response_model=list[models.SearchHit])
async def search_workspace(
    caller: Member,
    q: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")],
    limit: Limit = DEFAULT_LIMIT,
) -> list[dict[str, Any]]:
    """Contacts, messages, templates and message logs that contain a text, in any case."""
    async with caller.workspace() as db:
        return await rows.search(db, caller.workspace_id, q, limit)


@router.get("/message-logs", operation_id="listMessageLogs", response_model=list[models.MessageLog])
async def list_message_logs(caller: Member, page: Page) -> list[dict[str, Any]]:
    """The message logs of the workspace."""
    async with caller.look() as db:
        return await rows.listing(db, rows.MESSAGE_LOGS, caller.workspace_id, page)


@router.post("/exports", operation_id="createExport", response_model=models.Export, status_code=201)
async def create_export(caller: Member, body: models.ExportIn) -> dict[str, Any]:
    """Writes the message logs or the contacts of the workspace to a file that can be downloaded."""
    export_id = uuid4()
    async with caller.workspace() as db:
        table = _EXPORTABLE[body.kind]
        records = await rows.listing(db, table, caller.workspace_id, rows.Page(_EXPORTED_ROWS))
        # Logs keep their own age in a copy; a contact is no log, its export is as old as itself.
        oldest = min((row["created_at"] for row in records), default=None) if table is rows.MESSAGE_LOGS else None
        path = caller.services.exports / str(caller.workspace_id) / f"{export_id}.json"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps({"kind": body.kind, "records": records}, default=str), encoding="utf-8")
        values = {"id": export_id, "kind": body.kind, "oldest_record_at": oldest}
        row = await rows.insert(db, rows.EXPORTS, caller.workspace_id, values)
        await caller.note(db, f"export:{export_id}", kind=body.kind, records=len(records))
        return row


@router.get("/exports", operation_id="listExports", response_model=list[models.Export])
async def list_exports(caller: Member, page: Page) -> list[dict[str, Any]]:
    """The exports of the workspace."""
    async with caller.look() as db:
        return await rows.listing(db, rows.EXPORTS, caller.workspace_id, page)


@router.delete("/exports/{export_id}", operation_id="deleteExport", status_code=204)
async def delete_export(caller: Member, export_id: UUID) -> Response:
    """Deletes an export with its file."""
    async with caller.workspace() as db:
        if not await rows.delete(db, rows.EXPORTS, caller.workspace_id, export_id):
            raise errors.not_found()
        (caller.services.exports / str(caller.workspace_id) / f"{export_id}.json").unlink(missing_ok=True)
        await caller.note(db, f"export:{export_id}")
    return Response(status_code=204)


@router.get("/exports/{export_id}", operation_id="getExport", response_model=models.Export)
async def get_export(caller: Member, export_id: UUID) -> dict[str, Any]:
    """One export."""
    async with caller.look() as db:
        row = await rows.read(db, rows.EXPORTS, caller.workspace_id, export_id)
    if row is None:
        raise errors.not_found()
    return row


@router.get(
    "/exports/{export_id}/file",
    operation_id="downloadExport",
    response_class=FileResponse,
    responses={200: {"content": {"application/json": {}}, "description": "The file"}},
)
async def download_export(caller: Member, export_id: UUID) -> Response:
    """The file of one export."""
    async with caller.workspace() as db:
        content = await export_content(db, caller, export_id)
        if content is not None:
            await caller.note(db, f"export:{export_id}")
    if content is None:
        raise errors.not_found()
    headers = {"Content-Disposition": f'attachment; filename="{export_id}.json"'}
    return Response(content, media_type="application/json", headers=headers)


async def export_content(db: Connection, caller: Caller, export_id: UUID) -> bytes | None:
    """The content of an export of the caller's workspace, or None when there is no such export."""
    if await rows.read(db, rows.EXPORTS, caller.workspace_id, export_id) is None:
        return None
    try:
        return (caller.services.exports / str(caller.workspace_id) / f"{export_id}.json").read_bytes()
    except FileNotFoundError:
        return None
