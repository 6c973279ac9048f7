"""How an auditor uses the staff console, and where the audit log is: the parts `staff` and `audit_log` of the target file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

STAFF_SECRETS = "staff-secrets"
"""The folder, beside the target file, of the files that hold passwords and seeds of second factors."""
_POOR = ("SUP-1234", "SUP-1234 customer support request", "SUP-1234: please check this message for the customer")
"""What people write who have no reason."""
_BREAK_GLASS = {
    "request": "requestBreakGlass",
    "approve": "approveBreakGlass",
    "start": "startBreakGlass",
    "use": "readPlatformConfiguration",
    "end": "endBreakGlass",
}


def staff_parts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The target's parts `staff` and `audit_log`; writes the secrets that they refer to."""
    folder = Path(facts["folder"])
    return {"staff": _staff(facts, folder), "audit_log": _audit_log(facts, folder)}


def _staff(facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        "api": {
            "endpoint": "staff",
            "openapi": "/openapi.json",
            # A poor justification, and a request without a ticket, answer 422.
            "refused": {"statuses": [401, 403, 404, 409, 422]},
            "limited": {"statuses": [429]},
            "tenant_parameter": "workspace_id",
            "parameters": {
                "message_id": "message",
                "account_id": "account",
                "break_glass_id": "break_glass",
            },
            "operations": {
                "searchMetadata": {"query": {"q": "{search}"}},
                "readMessage": {"json": {}},
                "requestPasswordReset": {"json": {"email": "{email}"}},
                "completePasswordReset": {"json": {"token": "{token}", "new_password": "{password}", "code": "{code}"}},
                "changeStaffRole": {"json": {"role": "{role}"}},
                "requestBreakGlass": {
                    "json": {
                        "ticket": "OPS-4711",
                        "reason": "An audit shows how emergency access goes",
                        "duration_seconds": 60,
                    }
                },
            },
        },
        "login": {
            "steps": [
                {
                    "operation": "startLogin",
                    "json": {"email": "{email}", "password": "{password}"},
                    "gives": {"challenge": "/challenge"},
                },
                {"operation": "finishLogin", "json": {"challenge": "{challenge}", "code": "{code}"}},
            ],
            "token": "/session",
            "ends": "logOut",
        },
        "totp": {
            "step_seconds": facts["totp"]["step_seconds"],
            "digits": facts["totp"]["digits"],
            "window_steps": facts["totp"]["window_steps"],
        },
        "identities": _identities(facts, folder),
        "me": "getStaffMe",
        "my_id": "/id",
        "accounts": {
            "operation": "listStaffAccounts",
            "account": "/email",
            "enrolled": "/enrolled",
            "disabled": "/disabled_at",
        },
        "reading": {
            "operation": "readMessage",
            "kind": "message",
            "reason": "justification",
            "good": facts["justification"]["example"],
            "poor": list(_POOR),
        },
        "reset": {
            "request": "requestPasswordReset",
            "complete": "completePasswordReset",
            "mail": f"{Path(facts['staff_mail']).relative_to(folder)}/*.eml",
            "link": "#([A-Za-z0-9_-]+)",
        },
        "break_glass": _BREAK_GLASS,
        "role_change": {
            "kind": "account",
            "change": "changeStaffRole",
            "disable": "disableStaffAccount",
            "enable": "enableStaffAccount",
        },
        "roles": facts["staff_roles"],
        "actions": facts["staff_actions"],
    }


def _audit_log(facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    described = facts["audit_log"]
    actions = facts["staff_actions"]
    return {
        "table": described["table"],
        "columns": {"tenant": "workspace_id", "reason": "reason", "details": "details"},
        "done": ["done"],
        "refused": ["refused"],
        "staff": "staff:{id}",
        # As docs/reference-audit-log.md tells.
        "chain": {
            "covers": [
                "sequence",
                "at",
                "actor",
                "action",
                "target",
                "workspace_id",
                "outcome",
                "reason",
                "details",
                "previous",
            ],
            "first_previous": described["first_previous"],
        },
        "anchors": str(Path(described["anchors"]).relative_to(folder)),
        "append": "SELECT audit.append('service:audit', 'audit.control', 'audit:control', 'done', NULL, NULL, '{}')",
        "break_glass": {step: actions[operation] for step, operation in _BREAK_GLASS.items() if step != "use"},
    }


def _identities(facts: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    secrets = folder / STAFF_SECRETS
    secrets.mkdir(mode=0o700, exist_ok=True)
    found = []
    for one in facts["staff_identities"]:
        for what in ("password", "totp_seed"):
            file = secrets / f"{one['name']}.{what}"
            file.touch(mode=0o600)
            file.write_text(one[what], encoding="utf-8")
        found.append(
            {
                "name": one["name"],
                "role": one["role"],
                "values": {"email": one["email"]},
                "secrets": {"password": f"file:{STAFF_SECRETS}/{one['name']}.password"},
                "totp_seed": f"file:{STAFF_SECRETS}/{one['name']}.totp_seed",
                "throwaway": one["throwaway"],
                "disabled": one["disabled"],
            }
        )
    return found
