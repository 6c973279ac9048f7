"""Contacts, conversations and messages."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from upheld_reference.api import errors, models
from upheld_reference.api.routes import WORKSPACE, Page
from upheld_reference.api.routing import PathRoute
from upheld_reference.api.session import Caller, Member
from upheld_reference.database import rows
from upheld_reference.logs import app_log
from upheld_reference.vault.errors import VaultError
from upheld_reference.webhooks import queue

router = APIRouter(prefix=WORKSPACE, responses=errors.RESPONSES, route_class=PathRoute)


@router.get("/contacts", operation_id="listContacts", response_model=list[models.Contact])
async def list_contacts(
    caller: Member, page: Page, name: Annotated[str, Query(max_length=120, pattern=r"^[^\x00]*$")] = ""
) -> list[dict[str, Any]]:
    """The contacts of the workspace, or those whose name contains a text, in any case."""
    async with caller.workspace() as db:
        if name:
            return await rows.contacts_named(db, caller.workspace_id, name, page)
        return await rows.listing(db, rows.CONTACTS, caller.workspace_id, page)


@router.post("/contacts", operation_id="createContact", response_model=models.Contact, status_code=201)
async def create_contact(caller: Member, body: models.ContactIn) -> dict[str, Any]:
    """Creates a contact."""
    async with caller.workspace() as db:
        return await rows.insert(db, rows.CONTACTS, caller.workspace_id, body.model_dump())


@router.get("/contacts/{contact_id}", operation_id="getContact", response_model=models.Contact)
async def get_contact(caller: Member, contact_id: UUID) -> dict[str, Any]:
    """One contact."""
    async with caller.look() as db:
        row = await rows.read(db, rows.CONTACTS, caller.workspace_id, contact_id)
    if row is None:
        raise errors.not_found()
    return row


@router.patch("/contacts/{contact_id}", operation_id="updateContact", response_model=models.Contact)
async def update_contact(caller: Member, contact_id: UUID, body: models.ContactChange) -> dict[str, Any]:
    """Changes the fields of a contact that are given."""
    async with caller.workspace() as db:
        values = body.model_dump(exclude_none=True)
        row = await rows.update(db, rows.CONTACTS, caller.workspace_id, contact_id, values)
    if row is None:
        raise errors.not_found()
    return row


@router.delete("/contacts/{contact_id}", operation_id="deleteContact", status_code=204)
async def delete_contact(caller: Member, contact_id: UUID) -> Response:
    """Deletes a contact with its conversations and messages."""
    async with caller.workspace() as db:
        if not await rows.delete(db, rows.CONTACTS, caller.workspace_id, contact_id):
            raise errors.not_found()
    return Response(status_code=204)


@router.get("/conversations", operation_id="listConversations", response_model=list[models.Conversation])
async def list_conversations(caller: Member, page: Page) -> list[dict[str, Any]]:
    """The conversations of the workspace."""
    async with caller.look() as db:
        return await rows.listing(db, rows.CONVERSATIONS, caller.workspace_id, page)


@router.post("/conversations", operation_id="createConversation", response_model=models.Conversation, status_code=201)
async def create_conversation(caller: Member, body: models.ConversationIn) -> dict[str, Any]:
    """Creates a conversation with a contact."""
    async with caller.workspace() as db:
        if await rows.read(db, rows.CONTACTS, caller.workspace_id, body.contact_id) is None:
            raise errors.not_found()
        return await rows.insert(db, rows.CONVERSATIONS, caller.workspace_id, body.model_dump())


@router.get("/conversations/{conversation_id}", operation_id="getConversation", response_model=models.Conversation)
async def get_conversation(caller: Member, conversation_id: UUID) -> dict[str, Any]:
    """One conversation."""
    async with caller.look() as db:
        row = await rows.read(db, rows.CONVERSATIONS, caller.workspace_id, conversation_id)
    if row is None:
        raise errors.not_found()
    return row


@router.delete("/conversations/{conversation_id}", operation_id="deleteConversation", status_code=204)
async def delete_conversation(caller: Member, conversation_id: UUID) -> Response:
    """Deletes a conversation with its messages."""
    async with caller.workspace() as db:
        if not await rows.delete(db, rows.CONVERSATIONS, caller.workspace_id, conversation_id):
            raise errors.not_found()
    return Response(status_code=204)


@router.get("/messages", operation_id="listMessages", response_model=list[models.Message])
async def list_messages(caller: Member, page: Page, conversation_id: UUID | None = None) -> list[dict[str, Any]]:
    """The messages of the workspace, or those of one conversation."""
    where = {"conversation_id": conversation_id} if conversation_id else {}
    async with caller.look() as db:
        if conversation_id and await rows.read(db, rows.CONVERSATIONS, caller.workspace_id, conversation_id) is None:
            raise errors.not_found()
        return await rows.listing(db, rows.MESSAGES, caller.workspace_id, page, where)


@router.post("/messages", operation_id="createMessage", response_model=models.Message, status_code=201)
async def create_message(caller: Member, body: models.MessageIn) -> dict[str, Any]:
    """Sends a message in a conversation."""
    async with caller.workspace() as db:
        conversation = await rows.read(db, rows.CONVERSATIONS, caller.workspace_id, body.conversation_id)
        if conversation is None:
            raise errors.not_found()
        contact = await rows.read(db, rows.CONTACTS, caller.workspace_id, conversation["contact_id"])
        message = await rows.insert(db, rows.MESSAGES, caller.workspace_id, body.model_dump())
        await rows.insert(db, rows.MESSAGE_LOGS, caller.workspace_id, {"content": body.text})
        told = {"message_id": message["id"], "conversation_id": body.conversation_id}
        await queue.enqueue(db, caller.workspace_id, "message.created", told)
    caller.services.worker.wake()
    if contact is not None:
        await deliver(caller, contact["phone_number"], body.text)
    return message


@router.get("/messages/{message_id}", operation_id="getMessage", response_model=models.Message)
async def get_message(caller: Member, message_id: UUID) -> dict[str, Any]:
    """One message."""
    async with caller.look() as db:
        row = await rows.read(db, rows.MESSAGES, caller.workspace_id, message_id)
    if row is None:
        raise errors.not_found()
    return row


async def deliver(caller: Caller, to: str, text: str) -> None:
    """Hands a message to WhatsApp by the number that was connected last; a failure is logged."""
    async with caller.look() as db:
        accounts = await rows.listing(db, rows.WHATSAPP_ACCOUNTS, caller.workspace_id, rows.Page(1))
    for account in accounts:
        try:
            await caller.services.vault.send_message(
                caller.workspace_id, account["id"], account["phone_number_id"], to, text
            )
        except VaultError as error:
            app_log.error("a message could not be handed to WhatsApp: %s", error)
