"""Which role may do what: the whole matrix, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RANKS: Mapping[str, int] = MappingProxyType({"owner": 3, "admin": 2, "agent": 1, "viewer": 0})
"""The roles, by how much they may do; nobody gives or takes a role above their own."""

_EVERYONE = frozenset(RANKS)
_AGENTS = frozenset({"owner", "admin", "agent"})
_MANAGERS = frozenset({"owner", "admin"})
_OWNERS = frozenset({"owner"})

PUBLIC_OPERATIONS = frozenset({"createToken", "refreshToken", "revokeToken", "acceptInvitation"})
"""The operations that need no access token."""

ALLOWED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "getMe": _EVERYONE,
        "updateMe": _EVERYONE,
        "changePassword": _EVERYONE,
        "getWorkspace": _EVERYONE,
        "setRetention": _MANAGERS,
        "terminateWorkspace": _OWNERS,
        "listNotices": _EVERYONE,
        "listAuditLog": _MANAGERS,
        "getUsage": _MANAGERS,
        "listInvoices": _OWNERS,
        "getInvoice": _OWNERS,
        "listMembers": _MANAGERS,
        "inviteMember": _MANAGERS,
        "getMember": _MANAGERS,
        "changeMemberRole": _MANAGERS,
        "disableMember": _MANAGERS,
        "enableMember": _MANAGERS,
        "removeMember": _MANAGERS,
        "listContacts": _EVERYONE,
        "createContact": _AGENTS,
        "getContact": _EVERYONE,
        "updateContact": _AGENTS,
        "deleteContact": _MANAGERS,
        "listConversations": _EVERYONE,
        "createConversation": _AGENTS,
        "getConversation": _EVERYONE,
        "deleteConversation": _MANAGERS,
        "listMessages": _EVERYONE,
        "createMessage": _AGENTS,
        "getMessage": _EVERYONE,
        "listTemplates": _EVERYONE,
        "createTemplate": _MANAGERS,
        "getTemplate": _EVERYONE,
        "updateTemplate": _MANAGERS,
        "deleteTemplate": _MANAGERS,
        "listAutomations": _EVERYONE,
        "createAutomation": _MANAGERS,
        "getAutomation": _EVERYONE,
        "updateAutomation": _MANAGERS,
        "deleteAutomation": _MANAGERS,
        "listAutomationRuns": _EVERYONE,
        "runAutomation": _AGENTS,
        "listWebhooks": _MANAGERS,
        "createWebhook": _MANAGERS,
        "getWebhook": _MANAGERS,
        "updateWebhook": _MANAGERS,
        "deleteWebhook": _MANAGERS,
        "rotateWebhookSecret": _MANAGERS,
        "listWebhookDeliveries": _MANAGERS,
        "pingWebhook": _MANAGERS,
        "searchWorkspace": _EVERYONE,
        "listExports": _MANAGERS,
        "createExport": _MANAGERS,
        "getExport": _MANAGERS,
        "deleteExport": _MANAGERS,
        "downloadExport": _MANAGERS,
        "listMessageLogs": _AGENTS,
        "signUpWhatsApp": _MANAGERS,
        "getWhatsApp": _AGENTS,
        "rotateWhatsAppToken": _MANAGERS,
    }
)
"""The roles that may call each operation, by operationId; an operation that is not listed is nobody's."""

PRIVILEGED: Mapping[str, str] = MappingProxyType(
    {
        "changePassword": "member.change_password",
        "setRetention": "workspace.set_retention",
        "terminateWorkspace": "workspace.terminate",
        "inviteMember": "member.invite",
        "changeMemberRole": "member.change_role",
        "disableMember": "member.disable",
        "enableMember": "member.enable",
        "removeMember": "member.remove",
        "createWebhook": "webhook.create",
        "updateWebhook": "webhook.update",
        "deleteWebhook": "webhook.delete",
        "rotateWebhookSecret": "webhook.rotate_secret",
        "createExport": "export.create",
        "deleteExport": "export.delete",
        "downloadExport": "export.download",
        "signUpWhatsApp": "whatsapp.sign_up",
        "rotateWhatsAppToken": "whatsapp.rotate_token",
    }
)
"""The action that the audit log knows each privileged operation by; refused attempts at them are in it too."""


def may(role: str, operation: str) -> bool:
    """Whether ``role`` may call ``operation``."""
    return role in ALLOWED.get(operation, frozenset())


def outranks(role: str, other: str) -> bool:
    """Whether ``role`` may do more than ``other``."""
    return RANKS[role] > RANKS[other]
