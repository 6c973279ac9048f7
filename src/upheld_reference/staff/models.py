"""What the staff console takes and gives, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from upheld_reference.api.bodies import Email, Password
from upheld_reference.api.bodies import Incoming as _In
from upheld_reference.api.bodies import Outgoing as _Out
from upheld_reference.people import StaffRole

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL cannot store it in a text

Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,100}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
NewPassword = Annotated[str, StringConstraints(min_length=12, max_length=200)]
Reason = Annotated[str, StringConstraints(max_length=1000, pattern=_NO_NUL)]
Ticket = Annotated[str, StringConstraints(max_length=40, pattern=_NO_NUL)]


class PasswordIn(_In):
    """The first factor."""

    email: Email
    password: Password


class Challenge(_Out):
    """What the right password gives: no session, but the right to show the second factor, once and soon."""

    challenge: str
    expires_in: int


class CodeIn(_In):
    """The second factor, for a challenge."""

    challenge: Secret
    code: Code | None = None


class Session(_Out):
    """A session, to be shown as a bearer token."""

    session: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - no secret, the type's name
    expires_in: int
    idle_timeout: int


class ResetIn(_In):
    """Whose password is to be set anew."""

    email: Email


class Sent(_Out):
    """The answer to every request for a link, whether there is such an account or not."""

    status: Literal["sent if there is such an account"] = "sent if there is such an account"


class NewPasswordIn(_In):
    """A new password, with the link's token and the second factor."""

    token: Secret
    new_password: NewPassword
    code: Code | None = None


class Reset(_Out):
    """A password was set; nobody is logged in by that."""

    next: Literal["log in"] = "log in"


class StaffMe(_Out):
    """The caller."""

    id: UUID
    name: str
    email: str
    role: str


class WorkspaceMetadata(_Out):
    """A workspace, without anything that it holds."""

    id: UUID
    name: str
    plan: str
    retention_days: int
    created_at: datetime


class ConversationMetadata(_Out):
    """A conversation, without content."""

    id: UUID
    workspace_id: UUID
    contact_id: UUID
    created_at: datetime


class MessageMetadata(_Out):
    """A message, without its text."""

    id: UUID
    workspace_id: UUID
    conversation_id: UUID
    direction: str
    created_at: datetime


class Hit(_Out):
    """Something that a search found, by its identifiers."""

    kind: Literal["workspace", "conversation", "message"]
    id: UUID
    workspace_id: UUID
    label: str
    created_at: datetime


class JustificationIn(_In):
    """Why a message must be read; what it must say is told by the rules of `staff.justifications`."""

    justification: Reason | None = None


class StaffMessage(MessageMetadata):
    """A message with its text."""

    text: str


class Account(_Out):
    """An account of the console."""

    id: UUID
    name: str
    email: str
    role: str
    kind: str
    enrolled: bool
    disabled_at: datetime | None
    last_login_at: datetime | None


class RoleIn(_In):
    """A new role."""

    role: StaffRole


class BreakGlassIn(_In):
    """What break-glass access is asked for."""

    ticket: Ticket | None = None
    reason: Annotated[str, StringConstraints(min_length=10, max_length=1000, pattern=_NO_NUL)]
    duration_seconds: Annotated[int, Field(ge=1, le=3600)] = 1800


class BreakGlass(_Out):
    """A break-glass session in whatever state it is."""

    id: UUID
    requested_by: UUID
    ticket: str | None
    reason: str
    duration_seconds: int
    requested_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    started_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None


class ConfigurationValue(_Out):
    """One choice of the platform's database."""

    name: str
    value: str | None


class ChainBreak(_Out):
    """A place where the log is not what it was."""

    sequence: int
    problem: str


class Verification(_Out):
    """What came of verifying the whole log."""

    holds: bool
    entries: int
    anchors: int
    breaks: list[ChainBreak]
