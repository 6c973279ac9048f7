"""How an auditor looks at roles, sessions, plans and what browsers are served: those parts of the target file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def access_parts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The target's parts `access`, `sessions`, `browsing`, `plans` and `deletion`; writes the token that `sessions` refers to."""
    return {
        "access": _access(facts),
        "sessions": _sessions(facts),
        "browsing": _browsing(facts),
        "plans": _plans(facts),
        "deletion": _deletion(facts),
    }


def _access(facts: Mapping[str, Any]) -> dict[str, Any]:
    roles = {role for may in facts["roles"].values() for role in may}
    return {
        "roles": {operation: may for operation, may in facts["roles"].items() if set(may) != roles},
        "everyone": [operation for operation, may in facts["roles"].items() if set(may) == roles],
        "profile": {"read": "getMe", "change": "updateMe"},
        "role_change": {
            "kind": "member",
            "change": "changeMemberRole",
            "disable": "disableMember",
            "enable": "enableMember",
        },
    }


def _sessions(facts: Mapping[str, Any]) -> dict[str, Any]:
    file = Path(facts["secrets"]) / "expired-access-token.txt"
    file.touch(mode=0o600)
    file.write_text(facts["expired_access_token"], encoding="utf-8")
    return {
        "whoami": "getMe",
        "identity": "acme-admin",
        "refresh": {"operation": "refreshToken"},
        "revoke": {"operation": "revokeToken", "json_body": {"token": "{token}"}},
        "expired": [f"file:{file.relative_to(facts['folder'])}"],
    }


def _browsing(facts: Mapping[str, Any]) -> dict[str, Any]:
    web = facts["web_app"]
    return {
        "endpoint": "app",
        "identity": "acme-owner",
        "login": {
            "page": web["login"],
            "fields": {"email": "{email}", "password": "{password}"},
            "hidden": ["csrf"],
        },
        # With the conversation named, another that began in the meantime does not stand in the way.
        "pages": [_with_conversation(one) for one in web["pages"]],
        "data": [_with_conversation(one) for one in web["data"]],
        "echoes": [
            {"page": web["login"], "parameter": "email"},
            *({"page": page, "parameter": "q"} for page in web["pages"] if page == "/inbox"),
        ],
        "stores": ["message", "contact"],
    }


def _with_conversation(path: str) -> str:
    return f"{path}?conversation={{conversation}}" if path.startswith("/inbox") else path


def _plans(facts: Mapping[str, Any]) -> dict[str, Any]:
    shortest, longest = facts["retention_bounds_days"]
    return {
        "holders": [
            {"plan": one["plan"], "tenant": one["name"], "identity": f"{one['name']}-owner"}
            for one in facts["workspaces"]
        ],
        "set": "setRetention",
        "read": "getWorkspace",
        "shortest_days": shortest,
        "longest_days": longest,
    }


def _deletion(facts: Mapping[str, Any]) -> dict[str, Any]:
    told, started = facts["deletion"], datetime.fromisoformat(facts["started_at"])
    return {
        "terminated": [
            {
                "name": one["name"],
                "at": (started - timedelta(days=one["terminated_days_ago"])).isoformat(),
                "traces": one["traces"],
            }
            for one in told["terminated_workspaces"]
        ],
        "living": [text for one in facts["workspaces"] for text in (one["id"], one["name"])],
        "folders": [{"name": "export files", "folder": str(Path(facts["exports"]).relative_to(facts["folder"]))}],
        "anonymised": [{"table": table, "columns": ["account", "billed_to"]} for table in told["anonymised_tables"]],
        "kept_tables": told["kept_tables"],
    }
