"""Which role may do what: the whole matrix, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_EVERYONE = frozenset({"owner", "admin", "agent", "viewer"})
_AGENTS = frozenset({"owner", "admin", "agent"})
_MANAGERS = frozenset({"owner", "admin"})

PUBLIC_OPERATIONS = frozenset({"createToken", "refreshToken", "revokeToken"})
"""The operations that need no access token."""

ALLOWED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "getMe": _EVERYONE,
        "getWorkspace": _EVERYONE,
        "listMembers": _MANAGERS,
        "listContacts": _EVERYONE,
        "createContact": _AGENTS,
        "getContact": _EVERYONE,
        "updateContact": _AGENTS,
        "deleteContact": _MANAGERS,
        "listConversations": _EVERYONE,
        "createConversation": _AGENTS,
        "getConversation": _EVERYONE,
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
        "deleteAutomation": _MANAGERS,
        "listAutomationRuns": _EVERYONE,
        "listWebhooks": _MANAGERS,
        "createWebhook": _MANAGERS,
        "getWebhook": _MANAGERS,
        "deleteWebhook": _MANAGERS,
        "listWebhookDeliveries": _MANAGERS,
        "pingWebhook": _MANAGERS,
        "searchWorkspace": _EVERYONE,
        "createExport": _MANAGERS,
        "getExport": _MANAGERS,
        "downloadExport": _MANAGERS,
        "listMessageLogs": _AGENTS,
        "signUpWhatsApp": _MANAGERS,
        "getWhatsApp": _AGENTS,
        "rotateWhatsAppToken": _MANAGERS,
    }
)
"""The roles that may call each operation, by operationId; an operation that is not listed is nobody's."""


def may(role: str, operation: str) -> bool:
    """Whether ``role`` may call ``operation``."""
    return role in ALLOWED.get(operation, frozenset())
