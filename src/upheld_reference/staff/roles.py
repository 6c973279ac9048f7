"""What there is to do on the staff console, who may, and what the audit log calls it: the whole matrix, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from upheld_reference.people import StaffRole

_SUPPORT: frozenset[StaffRole] = frozenset({"support", "security"})
_EVERYONE: frozenset[StaffRole] = frozenset({"support", "engineer", "security"})
_ON_CALL: frozenset[StaffRole] = frozenset({"engineer", "security"})
_SECURITY: frozenset[StaffRole] = frozenset({"security"})


@dataclass(frozen=True)
class Operation:
    """One operation."""

    action: str
    """What the audit log calls it."""
    roles: frozenset[StaffRole] | None
    """Who may; None for what is done before there is a session."""


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "startLogin": Operation("staff.check_password", None),
        "finishLogin": Operation("staff.log_in", None),
        "requestPasswordReset": Operation("staff.request_password_reset", None),
        "completePasswordReset": Operation("staff.reset_password", None),
        "getStaffMe": Operation("staff.see_own_account", _EVERYONE),
        "logOut": Operation("staff.log_out", _EVERYONE),
        "listWorkspaces": Operation("staff.list_workspaces", _EVERYONE),
        "listWorkspaceConversations": Operation("staff.list_conversations", _SUPPORT),
        "listWorkspaceMessages": Operation("staff.list_messages", _SUPPORT),
        "searchMetadata": Operation("staff.search", _SUPPORT),
        "readMessage": Operation("staff.read_message", _SUPPORT),
        "listStaffAccounts": Operation("staff.list_accounts", _SECURITY),
        "disableStaffAccount": Operation("staff.disable_account", _SECURITY),
        "enableStaffAccount": Operation("staff.enable_account", _SECURITY),
        "changeStaffRole": Operation("staff.change_role", _SECURITY),
        "requestBreakGlass": Operation("break_glass.request", _ON_CALL),
        "listBreakGlass": Operation("break_glass.list", _ON_CALL),
        "approveBreakGlass": Operation("break_glass.approve", _SECURITY),
        "startBreakGlass": Operation("break_glass.start", _ON_CALL),
        "endBreakGlass": Operation("break_glass.end", _ON_CALL),
        "readPlatformConfiguration": Operation("break_glass.read_configuration", _ON_CALL),
        "listAuditEntries": Operation("audit_log.list", _SECURITY),
        "verifyAuditLog": Operation("audit_log.verify", _SECURITY),
    }
)
"""Every operation by its operationId; one that is not listed is nobody's."""

PUBLIC_OPERATIONS = frozenset(name for name, operation in OPERATIONS.items() if operation.roles is None)
"""The operations that need no session."""
