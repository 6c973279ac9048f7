"""The parts of the target file that follow credentials: how they enter, where they end, and where a copy of one would lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TOKENS, SECRETS = "WhatsApp access token", "webhook signing secret"
"""The kinds of credential, as policies name them."""


def credential_parts(facts: dict[str, Any]) -> dict[str, Any]:
    """The target's parts `credential_flows`, `age_advice`, `stores_searched` and `stored_passwords`."""
    folder = Path(facts["folder"])
    acme = next(one for one in facts["workspaces"] if one["name"] == "acme")
    return {
        "credential_flows": [_tokens(acme), _secrets()],
        "age_advice": [_advice(facts)],
        "stores_searched": {
            "write_ahead_log": _below(folder, Path(facts["postgres"]["data"], "pg_wal")),
            "files": [
                {"name": "exports", "path": _below(folder, Path(facts["exports"], "**/*"))},
                {"name": "mail", "path": _below(folder, Path(facts["staff_mail"], "**/*"))},
                {
                    "name": "temporary files",
                    "path": _below(folder, Path(facts["postgres"]["data"], "base/**/pgsql_tmp*/*")),
                },
            ],
            "repositories": [{"name": "repository", "path": _below(folder, Path(facts["codebase"]["repository"]))}],
        },
        "stored_passwords": {
            "columns": [
                {"table": "app.members", "column": "password_hash", "what": "members' passwords"},
                {"table": "staff.accounts", "column": "password_hash", "what": "staff passwords"},
            ],
            "digests": [
                {"table": "app.refresh_tokens", "column": "digest", "what": "refresh tokens"},
                {"table": "app.invitations", "column": "digest", "what": "invitations"},
                {"table": "staff.sessions", "column": "digest", "what": "staff sessions"},
                {"table": "staff.challenges", "column": "digest", "what": "challenges of staff logins"},
                {"table": "staff.password_resets", "column": "digest", "what": "staff reset links"},
            ],
        },
    }


def _below(folder: Path, path: Path) -> str:
    """The path relative to the deployment's folder where it lies in it."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _tokens(acme: dict[str, Any]) -> dict[str, Any]:
    text = {"conversation_id": acme["objects"]["conversations"][0], "text": "sent by an audit"}
    return {
        "name": TOKENS,
        "enter": {
            "operation": "signUpWhatsApp",
            "identity": "acme-owner",
            "json": {"code": "AQ{canary}", "phone_number": "+27{digits}"},
            "statuses": [201],
        },
        "sealed_in": "vault.whatsapp_tokens.sealed",
        "reads": [{"operation": "getWhatsApp"}],
        "rotate": {
            "operation": "rotateWhatsAppToken",
            "parameters": {"account_id": "{id}"},
            "json": {"code": "AQ{canary}"},
            "statuses": [200],
        },
        "use": {
            "call": {"operation": "createMessage", "json": text, "statuses": [201]},
            "log": "graph-access",
            "mark": "token-sha256={sha256:16}",
        },
    }


def _secrets() -> dict[str, Any]:
    of_webhook = {"webhook_id": "{id}"}
    return {
        "name": SECRETS,
        "enter": {
            "operation": "createWebhook",
            "identity": "acme-owner",
            "json": {"url": "https://hooks.example.com/{random}"},
            "statuses": [201],
        },
        "sealed_in": "vault.webhook_secrets.sealed",
        "shown": "/secret",
        "reads": [{"operation": "getWebhook", "parameters": of_webhook}, {"operation": "listWebhooks"}],
        "rotate": {"operation": "rotateWebhookSecret", "parameters": of_webhook},
        "remove": {"operation": "deleteWebhook", "parameters": of_webhook, "statuses": [204]},
    }


def _advice(facts: dict[str, Any]) -> dict[str, Any]:
    # Of a workspace on the starter plan only the owner is described.
    starters = {one["name"] for one in facts["workspaces"] if one["plan"] == "starter"}
    told = [
        one["name"]
        for one in facts["identities"]
        if not one["throwaway"] and one["role"] in ({"owner"} if one["tenant"] in starters else {"owner", "admin"})
    ]
    return {
        "name": TOKENS,
        "table": "vault.whatsapp_tokens",
        "received": "received_at",
        "belongs_to": "account_id",
        "tenant_column": "workspace_id",
        "places": [
            {"operation": "getWhatsApp", "identities": told, "id": "/id", "flag": "/rotation_advised"},
            {"operation": "listNotices", "identities": told, "equals": {"/kind": "token_rotation"}},
        ],
    }
