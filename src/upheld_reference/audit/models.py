"""The audit log as it is published, as a pydantic model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from upheld_reference.api.bodies import Outgoing


class AuditEntry(Outgoing):
    """An entry of the audit log, exactly as its digest covers it."""

    sequence: int
    at: str
    actor: str
    action: str
    target: str
    workspace_id: UUID | None
    outcome: str
    reason: str | None
    details: dict[str, Any]
    previous: str
    digest: str


class WorkspaceAuditEntry(AuditEntry):
    """An entry as a workspace sees it, with an identifier as all that it lists; the digest does not cover that."""

    id: str
    """The entry's digest: no other entry, of whatever workspace, has the same."""
