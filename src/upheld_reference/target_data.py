"""The parts of the target file that describe where data lies: database, encryption, retention, logs, and how secrets come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LOGS = ("access", "app", "error", "security", "debug", "postgres", "graph-access", "outbound")
"""The log files of a deployment, by their names without the ending."""
_NUMBER = "+27{digits}"


def data_parts(facts: dict[str, Any]) -> dict[str, Any]:
    """The target's parts `database`, `encryption`, `retention`, `logs` and `canary_flows`.

    Paths are relative to the deployment's folder, where the target file lies. The database URLs are written to files in the secrets
    folder, which the target refers to.
    """
    folder, secrets = Path(facts["folder"]), Path(facts["secrets"])
    return {
        "database": {
            "url": _kept(facts, "auditor", secrets, folder),
            "sealed_url": _kept(facts, "vault_auditor", secrets, folder),
            "application_url": _kept(facts, "application", secrets, folder),
            "planting_url": _kept(facts, "planter", secrets, folder),
            # Whoever makes dumps sees all; the search for copies reads as a dump does.
            "dump_url": _kept(facts, "superuser", secrets, folder),
            "tenant_column": "workspace_id",
        },
        "encryption": {
            "columns": [_column(one) for one in facts["sensitive_columns"]],
            # Version (1 byte), key identifier (8), nonce (12), ciphertext and tag.
            "header_bytes": 9,
            "key_id_offset": 1,
            "key_id_bytes": 8,
            "nonce_bytes": 12,
            "keys": {one["id"]: f"file:{Path(one['file']).relative_to(folder)}" for one in facts["vault_keys"]},
        },
        "retention": {
            "period_table": "app.workspaces",
            "period_tenant_column": "id",
            "period_column": "retention_days",
            # Many runs of the job: a machine that is busy with an audit may be slow.
            "job_within_seconds": max(6.0, 12 * facts["settings"]["retention_interval_seconds"]),
            "tables": _tables(),
            "files": [
                {
                    "name": "export files",
                    "folder": str(Path(facts["exports"]).relative_to(folder)),
                    "pattern": "{tenant}/*.json",
                    "plant": "{tenant}/{id}.json",
                    "plant_with": "exports",
                }
            ],
        },
        "logs": [_log(name, Path(facts["logs"]), folder) for name in LOGS],
        "canary_flows": _flows(),
    }


def _kept(facts: dict[str, Any], role: str, secrets: Path, folder: Path) -> str:
    """A reference to the file that now holds the role's database URL."""
    path = secrets / f"database-{role}.url"
    path.touch(mode=0o600)
    path.write_text(facts["postgres"]["urls"][role], encoding="utf-8")
    return f"file:{path.relative_to(folder)}"


def _column(fact: dict[str, str]) -> dict[str, str]:
    table = f"{fact['schema']}.{fact['table']}"
    return {
        "table": table,
        "column": fact["column"],
        "what": fact["table"].replace("_", " ").replace("whatsapp", "WhatsApp"),
        "id": fact["id_column"],
        "associated_data": f"{table}.{fact['column']}:{{{fact['id_column']}}}",
    }


def _tables() -> list[dict[str, Any]]:
    return [
        {
            "name": "message logs",
            "table": "app.message_logs",
            "timestamp": "created_at",
            "tenant_column": "workspace_id",
            "content": ["content"],
            "plant": {"content": "planted {canary}"},
        },
        {
            "name": "automation runs",
            "table": "app.automation_runs",
            "timestamp": "created_at",
            "tenant_column": "workspace_id",
            "content": ["detail"],
            "plant": {"detail": "planted {canary}"},
        },
        {
            "name": "messages",
            "table": "app.messages",
            "timestamp": "created_at",
            "tenant_column": "workspace_id",
            "content": ["text"],
        },
        {
            "name": "notices",
            "table": "app.notices",
            "timestamp": "created_at",
            "tenant_column": "workspace_id",
            "content": ["body"],
            "plant": {"kind": "planted", "title": "planted", "body": "planted {canary}"},
        },
        {
            "name": "exports",
            "table": "app.exports",
            "timestamp": "created_at",
            "tenant_column": "workspace_id",
            "plant": {"oldest_record_at": "{at}"},
        },
    ]


def _log(name: str, logs: Path, folder: Path) -> dict[str, Any]:
    path = logs / f"{name}.log"
    path.touch(mode=0o600)  # A log that nothing was written to yet is empty, not missing.
    # What Meta's server logs is Meta's.
    marks = {"security": {"security": True}, "graph-access": {"foreign": True}}.get(name, {})
    return {"name": name, "path": str(path.relative_to(folder)), **marks}


def _flows() -> list[dict[str, Any]]:
    """A sign-up code goes in on every way that the Graph API has of taking it."""
    ways = {
        "success": ("sign-up with a good code", "AQ{canary}", [201]),
        "validation error": ("sign-up with a malformed code", "AQ!{canary}", [400, 422]),
        "upstream error": ("sign-up that Graph fails", "AQfail{canary}", [502]),
        "crash": ("sign-up that Graph answers oddly", "AQgarbage{canary}", [502]),
    }
    return [
        {
            "name": name,
            "path": path,
            "identity": "acme-owner",
            "operation": "signUpWhatsApp",
            "json": {"code": code, "phone_number": _NUMBER},
            "statuses": statuses,
        }
        for path, (name, code, statuses) in ways.items()
    ]
