"""How an auditor uses the API: the parts of the target file that name its operations, objects and identities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PASSWORDS = "passwords"
"""The folder, beside the target file, of the files that hold the identities' passwords."""


def api_parts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts `api`, `tenants`, `identities` and `vantage` of the target; writes the passwords that they refer to."""
    return {
        "vantage": {
            "name": "the same host, over loopback",
            # The whole of 127.0.0.0/8 is this host, so that the harness can be several clients.
            "source_addresses": [f"127.0.0.{number}" for number in range(2, 8)],
        },
        "api": _api(),
        "tenants": _tenants(facts),
        "identities": _identities(facts),
    }


def _api() -> dict[str, Any]:
    return {
        "endpoint": "api",
        "openapi": "/openapi.json",
        "logins": {
            "password": {
                "path": "/v1/tokens",
                "json": {"email": "{email}", "password": "{password}"},
                "token": "/access_token",
            }
        },
        "refused": {"statuses": [401, 403, 404]},
        "limited": {"statuses": [429]},
        "tenant_parameter": "workspace_id",
        "parameters": {
            "contact_id": "contact",
            "conversation_id": "conversation",
            "message_id": "message",
            "template_id": "template",
            "automation_id": "automation",
            "webhook_id": "webhook",
            "export_id": "export",
            "account_id": "whatsapp account",
            "member_id": "member",
            "invoice_id": "invoice",
            "Workspace-Id": "tenant",
        },
        "objects": _objects(),
        "operations": _operations(),
        "excluded": {
            "terminateWorkspace": "it ends the workspace that everything else is looked at in",
        },
        "acting_role": "owner",
    }


def _objects() -> dict[str, Any]:
    return {
        "contact": {
            "create": "createContact",
            "json": {"name": "{search} {canary}", "phone_number": "+27{digits}", "note": "made by an audit"},
            "read": "getContact",
            "delete": "deleteContact",
        },
        "conversation": {
            "create": "createConversation",
            "json": {"contact_id": "{contact}"},
            "read": "getConversation",
            "delete": "deleteConversation",
        },
        "message": {
            "create": "createMessage",
            "json": {"conversation_id": "{conversation}", "text": "{search} {canary}"},
            "read": "getMessage",
        },
        "template": {
            "create": "createTemplate",
            "json": {"name": "{search} {canary}", "body": "made by an audit"},
            "read": "getTemplate",
            "delete": "deleteTemplate",
        },
        "automation": {
            "create": "createAutomation",
            "json": {"name": "{canary}", "steps": [{"template_id": "{template}"}]},
            "read": "getAutomation",
            "delete": "deleteAutomation",
        },
        "member": {
            "create": "inviteMember",
            "json": {"email": "{canary}@example.com", "name": "{search} {canary}", "role": "viewer"},
            "read": "getMember",
            "delete": "removeMember",
        },
        "webhook": {
            "create": "createWebhook",
            "json": {"url": "https://hooks.example.com/{canary}"},
            "read": "getWebhook",
            "delete": "deleteWebhook",
        },
        "export": {
            "create": "createExport",
            "json": {"kind": "contacts"},
            "read": "getExport",
            "delete": "deleteExport",
            "after": ["contact"],
        },
    }


def _operations() -> dict[str, Any]:
    account = {"whatsapp account": "getWhatsApp /0/id"}
    return {
        # What has the right shape and does nothing, because no such token and no such password exist.
        "refreshToken": {"harmless": {"refresh_token": "{random}{random}nobodys-one"}},
        "revokeToken": {"harmless": {"token": "{random}"}},
        "acceptInvitation": {
            "harmless": {"invitation_token": "{random}{random}nobodys-one", "password": "{random}{random}"}
        },
        "changePassword": {"harmless": {"password": "{random}", "new_password": "{random}{random}"}},
        "searchWorkspace": {"query": {"q": "{search}"}},
        "updateContact": {"json": {"name": "{search} {canary}"}},
        "updateMe": {"json": {"name": "{search}"}, "read_back": "getMe"},
        "setRetention": {"json": {"days": 90}, "read_back": "getWorkspace"},
        "changeMemberRole": {"json": {"role": "agent"}},
        "getInvoice": {"existing": {"invoice": "tenant"}},
        "updateAutomation": {"json": {"name": "{search} {canary}", "steps": [{"template_id": "{template}"}]}},
        "runAutomation": {"json": {"contact_id": "{contact}"}, "read_back": "listAutomationRuns"},
        "updateWebhook": {"json": {"url": "https://hooks.example.com/{canary}"}},
        "updateTemplate": {"json": {"name": "{search} {canary}"}},
        # A new automation has not run yet; those that the workspace had before have.
        "listAutomationRuns": {"existing": {"automation": "tenant"}},
        "signUpWhatsApp": {
            "json": {"code": "AQ{random}{random}", "phone_number": "+27{digits}"},
            "read_back": "getWhatsApp",
        },
        "rotateWhatsAppToken": {
            "json": {"code": "AQ{random}{random}"},
            "existing": account,
            "read_back": "getWhatsApp",
        },
    }


def _tenants(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": one["name"],
            "id": one["id"],
            "objects": {"automation": one["objects"]["automations"][0], "invoice": one["objects"]["invoices"][0]},
            # Two are compared, for every further one multiplies the pairs that must not reach each other.
            "compared": one["plan"] != "starter",
        }
        for one in facts["workspaces"]
    ]


def _identities(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    folder = Path(facts["folder"]) / PASSWORDS
    folder.mkdir(mode=0o700, exist_ok=True)
    found = []
    starters = {one["name"] for one in facts["workspaces"] if one["plan"] == "starter"}
    for identity in facts["identities"]:
        if identity["tenant"] in starters and identity["role"] != "owner":
            continue
        name = identity["name"]
        file = folder / f"{name}.txt"
        file.touch(mode=0o600)
        file.write_text(identity["password"], encoding="utf-8")
        found.append(
            {
                "name": name,
                "tenant": identity["tenant"],
                "role": identity["role"],
                "login": "password",
                "values": {"email": identity["email"]},
                "secrets": {"password": f"file:{PASSWORDS}/{file.name}"},
                "throwaway": identity["throwaway"],
            }
        )
    return found
