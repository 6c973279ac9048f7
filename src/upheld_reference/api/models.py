"""What the API takes and gives, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from upheld_reference.api.bodies import (
    Email,
    Name,
    Note,
    Password,
    PhoneNumber,
    RandomToken,
    SignUpCode,
    Text,
    WebhookUrl,
)
from upheld_reference.api.bodies import Incoming as _In
from upheld_reference.api.bodies import Outgoing as _Out


class ErrorBody(_Out):
    """Why a request was refused."""

    error: str
    details: list[dict[str, Any]] = Field(default_factory=list)


class Credentials(_In):
    """What a member logs in with."""

    email: Email
    password: Password


class Tokens(_Out):
    """A short-lived access token, and the refresh token that is exchanged, once, for the next two (RFC 6749 §5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - no secret, the type's name
    expires_in: int
    refresh_token: str


class RefreshIn(_In):
    """A refresh token to exchange (RFC 6749 §6)."""

    refresh_token: RandomToken


class RevocationIn(_In):
    """An access or refresh token to revoke; the hint is not needed (RFC 7009 §2.1)."""

    token: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,4096}$")]
    token_type_hint: Literal["access_token", "refresh_token"] | None = None


class Revoked(_Out):
    """Nothing: a token that is not valid any more is revoked, whatever it was."""


class ContactIn(_In):
    """A contact to create."""

    name: Name
    phone_number: PhoneNumber
    note: Note = ""


class ContactChange(_In):
    """The fields of a contact to change."""

    name: Name | None = None
    phone_number: PhoneNumber | None = None
    note: Note | None = None


class Contact(_Out):
    """Somebody that a workspace talks to."""

    id: UUID
    name: str
    phone_number: str
    note: str
    created_at: datetime


class ConversationIn(_In):
    """A conversation to create."""

    contact_id: UUID


class Conversation(_Out):
    """An exchange of messages with one contact."""

    id: UUID
    contact_id: UUID
    created_at: datetime


class MessageIn(_In):
    """A message to send."""

    conversation_id: UUID
    text: Text


class Message(_Out):
    """A message that was sent or received."""

    id: UUID
    conversation_id: UUID
    direction: str
    text: str
    created_at: datetime


class TemplateIn(_In):
    """A template to create."""

    name: Name
    body: Text


class TemplateChange(_In):
    """The fields of a template to change."""

    name: Name | None = None
    body: Text | None = None


class Template(_Out):
    """A prepared message."""

    id: UUID
    name: str
    body: str
    created_at: datetime


class StepIn(_In):
    """A step of an automation: sends a template."""

    template_id: UUID


class AutomationIn(_In):
    """An automation to create."""

    name: Name
    steps: Annotated[list[StepIn], Field(min_length=1, max_length=20)]


class Step(_Out):
    """A step with the template that it sends; null when that has been deleted."""

    template_id: UUID
    template: Template | None


class AutomationChange(_In):
    """The fields of an automation to change."""

    name: Name | None = None
    steps: Annotated[list[StepIn], Field(min_length=1, max_length=20)] | None = None


class RunIn(_In):
    """For whom to run an automation."""

    contact_id: UUID


class AutomationSummary(_Out):
    """An automation without its steps."""

    id: UUID
    name: str
    created_at: datetime


class Automation(AutomationSummary):
    """An automation with its steps."""

    steps: list[Step]


class AutomationRun(_Out):
    """One execution of an automation."""

    id: UUID
    automation_id: UUID | None
    outcome: str
    detail: str
    created_at: datetime


class WebhookIn(_In):
    """A webhook to register; https only."""

    url: WebhookUrl


class WebhookChange(_In):
    """Where a webhook's events are to go from now on; https only."""

    url: WebhookUrl


class Webhook(_Out):
    """Where events are delivered."""

    id: UUID
    url: str
    created_at: datetime


class CreatedWebhook(Webhook):
    """A new webhook with its signing secret, which is shown this once."""

    secret: str


class DeliveryAttempt(_Out):
    """One try to deliver an event: the status that came back, or why none did or it did not count."""

    at: datetime
    status: int | None
    error: str | None


class WebhookDelivery(_Out):
    """An event on its way to a webhook; what is sent is not shown, and not kept once it has arrived or was given up."""

    id: UUID
    webhook_id: UUID
    event: str
    status: Literal["pending", "delivered", "dead"]
    attempts: list[DeliveryAttempt]
    created_at: datetime


class SearchHit(_Out):
    """Something that contains the text that was searched for."""

    kind: Literal["contact", "message", "template", "message_log"]
    id: UUID
    text: str
    created_at: datetime


class ExportIn(_In):
    """An export to create."""

    kind: Literal["message_logs", "contacts"]


class Export(_Out):
    """An export that can be downloaded."""

    id: UUID
    kind: str
    created_at: datetime


class MessageLog(_Out):
    """The record of a message that was sent or received."""

    id: UUID
    direction: str
    content: str
    created_at: datetime


class SignUpIn(_In):
    """What Embedded Signup hands over."""

    code: SignUpCode
    phone_number: PhoneNumber


class RotationIn(_In):
    """A fresh code of Embedded Signup, to be exchanged for the token that replaces the present one."""

    code: SignUpCode


class WhatsAppAccount(_Out):
    """A connected WhatsApp number; its token is never shown."""

    id: UUID
    waba_id: str
    phone_number_id: str
    phone_number: str
    created_at: datetime
    token_age_days: int | None
    rotation_advised: bool
