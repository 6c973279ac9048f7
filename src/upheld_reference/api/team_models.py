"""What the API takes and gives of workspaces, the people in them, and what they pay."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from upheld_reference.api.bodies import Email, Incoming, Name, NewPassword, Outgoing, Password, RandomToken
from upheld_reference.api.plans import RETENTION_DAYS_AT_LEAST, RETENTION_DAYS_AT_MOST

Role = Literal["owner", "admin", "agent", "viewer"]
ShownName = Annotated[str, StringConstraints(max_length=120, pattern=r"^[^\x00]*$")]
RetentionDays = Annotated[int, Field(strict=True, ge=RETENTION_DAYS_AT_LEAST, le=RETENTION_DAYS_AT_MOST)]


class Workspace(Outgoing):
    """A customer's workspace."""

    id: UUID
    name: str
    plan: str
    retention_days: int


class RetentionIn(Incoming):
    """For how many days message logs, automation runs and exports are to be kept."""

    days: RetentionDays


class TerminationIn(Incoming):
    """The confirmation that a workspace is to be terminated: its own name."""

    name: Name


class Termination(Outgoing):
    """When a workspace was terminated, and by when nothing of it that says whose it was is left."""

    terminated_at: datetime
    gone_by: datetime


class Notice(Outgoing):
    """Something that the platform tells the people of a workspace."""

    id: UUID
    kind: str
    title: str
    body: str
    created_at: datetime


class Me(Outgoing):
    """The caller."""

    id: UUID
    email: str
    name: str
    role: str
    workspace_id: UUID


class MeChange(Incoming):
    """What the caller may change of their own account."""

    name: ShownName


class PasswordChange(Incoming):
    """A new password, with the present one as a proof."""

    password: Password
    new_password: NewPassword


class Member(Outgoing):
    """Somebody who works in a workspace."""

    id: UUID
    email: str
    name: str
    role: str
    disabled_at: datetime | None
    created_at: datetime


class InvitationIn(Incoming):
    """Whom to invite, and as what."""

    email: Email
    role: Role
    name: ShownName = ""


class InvitedMember(Member):
    """A new member with the token that lets them choose a password; it is shown this once, and works once."""

    invitation_token: str
    expires_at: datetime


class Acceptance(Incoming):
    """The token of an invitation, and the password that was chosen."""

    invitation_token: RandomToken
    password: NewPassword


class RoleIn(Incoming):
    """The role that a member is to have."""

    role: Role


class Usage(Outgoing):
    """What a workspace has and has done since the month began."""

    id: UUID
    """The workspace's own."""
    plan: str
    members: int
    contacts: int
    messages: int
    automation_runs: int


class Invoice(Outgoing):
    """What a month cost."""

    id: UUID
    account: str
    billed_to: str
    plan: str
    cents: int
    currency: str
    created_at: datetime
