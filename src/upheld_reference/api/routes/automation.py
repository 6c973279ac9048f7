"""Templates, automations and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from psycopg.types.json import Jsonb

from upheld_reference.api import errors, models
from upheld_reference.api.routes import WORKSPACE, Page
from upheld_reference.api.routes.conversations import deliver
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Member
from upheld_reference.database import rows
from upheld_reference.database.scope import Connection, Reader
from upheld_reference.webhooks import queue

router = APIRouter(prefix=WORKSPACE, responses=errors.RESPONSES, route_class=PathRoute)


@router.get("/templates", operation_id="listTemplates", response_model=list[models.Template])
async def list_templates(caller: Member, page: Page) -> list[dict[str, Any]]:
    """The templates of the workspace."""
    async with caller.look() as db:
        return await rows.listing(db, rows.TEMPLATES, caller.workspace_id, page)


@router.post("/templates", operation_id="createTemplate", response_model=models.Template, status_code=201)
async def create_template(caller: Member, body: models.TemplateIn) -> dict[str, Any]:
    """Creates a template."""
    async with caller.workspace() as db:
        return await rows.insert(db, rows.TEMPLATES, caller.workspace_id, body.model_dump())


@router.get("/templates/{template_id}", operation_id="getTemplate", response_model=models.Template)
async def get_template(caller: Member, template_id: UUID) -> dict[str, Any]:
    """One template."""
    async with caller.look() as db:
        row = await rows.read(db, rows.TEMPLATES, caller.workspace_id, template_id)
    if row is None:
        raise errors.not_found()
    return row


@router.patch("/templates/{template_id}", operation_id="updateTemplate", response_model=models.Template)
async def update_template(caller: Member, template_id: UUID, body: models.TemplateChange) -> dict[str, Any]:
    """Changes the fields of a template that are given."""
    async with caller.workspace() as db:
        values = body.model_dump(exclude_none=True)
        row = await rows.update(db, rows.TEMPLATES, caller.workspace_id, template_id, values)
    if row is None:
        raise errors.not_found()
    return row


@router.delete("/templates/{template_id}", operation_id="deleteTemplate", status_code=204)
async def delete_template(caller: Member, template_id: UUID) -> Response:
    """Deletes a template."""
    async with caller.workspace() as db:
        if not await rows.delete(db, rows.TEMPLATES, caller.workspace_id, template_id):
            raise errors.not_found()
    return Response(status_code=204)


@router.get("/automations", operation_id="listAutomations", response_model=list[models.AutomationSummary])
async def list_automations(caller: Member, page: Page) -> list[dict[str, Any]]:
    """The automations of the workspace, without their steps."""
    async with caller.look() as db:
        return await rows.listing(db, rows.AUTOMATIONS, caller.workspace_id, page)


@router.post("/automations", operation_id="createAutomation", response_model=models.Automation, status_code=201)
async def create_automation(caller: Member, body: models.AutomationIn) -> dict[str, Any]:
    """Creates an automation whose steps send templates of the workspace."""
    async with caller.workspace() as db:
        steps = await _checked(db, caller.workspace_id, body.steps)
        row = await rows.insert(db, rows.AUTOMATIONS, caller.workspace_id, {"name": body.name, "steps": steps})
        return await _with_templates(db, caller.workspace_id, row)


@router.get("/automations/{automation_id}", operation_id="getAutomation", response_model=models.Automation)
async def get_automation(caller: Member, automation_id: UUID) -> dict[str, Any]:
    """One automation with the templates that it sends."""
    async with caller.look() as db:
        row = await rows.read(db, rows.AUTOMATIONS, caller.workspace_id, automation_id)
        if row is None:
            raise errors.not_found()
        return await _with_templates(db, caller.workspace_id, row)


@router.delete("/automations/{automation_id}", operation_id="deleteAutomation", status_code=204)
async def delete_automation(caller: Member, automation_id: UUID) -> Response:
    """Deletes an automation with its runs."""
    async with caller.workspace() as db:
        if not await rows.delete(db, rows.AUTOMATIONS, caller.workspace_id, automation_id):
            raise errors.not_found()
    return Response(status_code=204)


@router.patch("/automations/{automation_id}", operation_id="updateAutomation", response_model=models.Automation)
async def update_automation(caller: Member, automation_id: UUID, body: models.AutomationChange) -> dict[str, Any]:
    """Changes the name or the steps of an automation."""
    async with caller.workspace() as db:
        values: dict[str, Any] = {} if body.name is None else {"name": body.name}
        if body.steps is not None:
            values["steps"] = await _checked(db, caller.workspace_id, body.steps)
        row = await rows.update(db, rows.AUTOMATIONS, caller.workspace_id, automation_id, values)
        if row is None:
            raise errors.not_found()
        return await _with_templates(db, caller.workspace_id, row)


@router.post(
    "/automations/{automation_id}/runs",
    operation_id="runAutomation",
    response_model=models.AutomationRun,
    status_code=201,
)
async def run_automation(caller: Member, automation_id: UUID, body: models.RunIn) -> dict[str, Any]:
    """Sends the templates of an automation's steps to a contact, in a conversation of their own."""
    async with caller.workspace() as db:
        automation = await rows.read(db, rows.AUTOMATIONS, caller.workspace_id, automation_id)
        contact = await rows.read(db, rows.CONTACTS, caller.workspace_id, body.contact_id)
        if automation is None or contact is None:
            raise errors.not_found()
        ids = [UUID(step["template_id"]) for step in automation["steps"]]
        templates = await rows.templates_by_id(db, caller.workspace_id, ids)
        texts = [templates[id_]["body"] for id_ in ids if id_ in templates]
        conversation = await rows.insert(db, rows.CONVERSATIONS, caller.workspace_id, {"contact_id": body.contact_id})
        for text in texts:
            values = {"conversation_id": conversation["id"], "text": text}
            await rows.insert(db, rows.MESSAGES, caller.workspace_id, values)
            await rows.insert(db, rows.MESSAGE_LOGS, caller.workspace_id, {"content": text})
        values = {
            "automation_id": automation_id,
            "outcome": "completed" if len(texts) == len(ids) else "incomplete",
            "detail": f"{len(texts)} of {len(ids)} templates sent",
        }
        run = await rows.insert(db, rows.AUTOMATION_RUNS, caller.workspace_id, values)
        told = {"automation_id": automation_id, "run_id": run["id"]}
        await queue.enqueue(db, caller.workspace_id, "automation.run", told)
    caller.services.worker.wake()
    for text in texts:
        await deliver(caller, contact["phone_number"], text)
    return run


@router.get(
    "/automations/{automation_id}/runs", operation_id="listAutomationRuns", response_model=list[models.AutomationRun]
)
async def list_automation_runs(caller: Member, automation_id: UUID, page: Page) -> list[dict[str, Any]]:
    """The runs of one automation."""
    async with caller.look() as db:
        if await rows.read(db, rows.AUTOMATIONS, caller.workspace_id, automation_id) is None:
            raise errors.not_found()
        where = {"automation_id": automation_id}
        return await rows.listing(db, rows.AUTOMATION_RUNS, caller.workspace_id, page, where)


async def _checked(db: Connection, workspace_id: UUID, steps: Sequence[models.StepIn]) -> Jsonb:
    """The steps as they are stored; raises a 404 unless all of their templates are of the workspace."""
    wanted = {step.template_id for step in steps}
    if wanted - (await rows.templates_by_id(db, workspace_id, list(wanted))).keys():
        raise errors.not_found()
    return Jsonb([{"template_id": str(step.template_id)} for step in steps])


async def _with_templates(db: Reader, workspace_id: UUID, automation: dict[str, Any]) -> dict[str, Any]:
    ids = [UUID(step["template_id"]) for step in automation["steps"]]
    templates = await rows.templates_by_id(db, workspace_id, ids)
    return {**automation, "steps": [{"template_id": id_, "template": templates.get(id_)} for id_ in ids]}
