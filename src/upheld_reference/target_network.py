"""The parts of the target file about the network: the status page, internal services, receivers, webhooks, outbound calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

_PATHS = {"vault": "/v1/workspaces", "worker": "/health"}
"""What the API may ask each internal service for."""


def network_parts(facts: dict[str, Any]) -> dict[str, Any]:
    """The parts `domains`, `status_page`, `internal`, `receivers`, `webhooks`, `outbound` and `shared_roles` of the target."""
    folder = Path(facts["folder"])
    return {
        "domains": ["rivet.example"],
        "status_page": _status_page(facts),
        "internal": _internal(facts, folder),
        "receivers": _receivers(facts, folder),
        "webhooks": _webhooks(facts),
        "outbound": _outbound(facts, folder),
        "shared_roles": _shared_roles(facts, folder),
    }


def _status_page(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "url": f"{facts['listeners']['status']['url']}/status.json",
        "updated": "/checked_at",
        "interval_seconds": facts["status"]["interval_seconds"],
        "components": "/components",
        "name": "/name",
        "host": "/host_name",
        "samples": "/samples",
        "at": "/at",
    }


def _internal(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    told, listeners = facts["internal"], facts["listeners"]
    kinds = {"expired": "expired", "other_authority": "other authority"}

    def client(name: str, files: dict[str, str]) -> dict[str, str]:
        return {"name": name, "certificate": _below(files["certificate"], folder), "key": _file(files["key"], folder)}

    def place(name: str) -> dict[str, Any]:
        listener = listeners[name]
        found = {"name": name, "host": listener["host_name"], "port": listener["port"], "address": listener["address"]}
        return {**found, "client": client("api", told["certificates"]["api"])}

    login = conninfo_to_dict(facts["postgres"]["urls"]["application"])
    database = {
        "protocol": "postgresql",
        "user": login["user"],
        "database": login["dbname"],
        "direct": True,
    }
    return {
        "ca": _below(told["ca_file"], folder),
        "services": [
            *({**place(name), "path": _PATHS.get(name, "/")} for name in sorted(told["callers"])),
            {**place("database"), **database},
        ],
        "refused": [
            {**client(name.replace("_", " "), files), "kind": kinds[name]}
            for name, files in told["refused_certificates"].items()
        ],
    }


def _receivers(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    internet = facts["internet"]
    return {
        # A block of the public network, and one outside of it.
        "addresses": ["127.80.192.0/18"],
        "inside": ["127.81.192.0/18"],
        "port": internet["receiver"]["ports"][-1],
        "names": internet["receiver"]["certificate_names"].replace("*", "{random}"),
        "zone_file": _below(internet["zone_file"], folder),
        "trusted": _file(internet["receiver"]["trusted_pem"], folder),
    }


def _webhooks(facts: dict[str, Any]) -> dict[str, Any]:
    told = facts["webhooks"]
    return {
        "identity": "acme-owner",
        "object": "webhook",
        "url": "url",
        "secret": "/secret",
        "ping": "pingWebhook",
        "update": "updateWebhook",
        "deliveries": "listWebhookDeliveries",
        "status": "/0/status",
        "delivery": "/id",
        "pending": ["pending"],
        "delivery_seconds": 15,
        "signature": {
            "header": told["signature_header"],
            "value": "t=(?P<timestamp>[0-9]+),v1=(?P<signature>[0-9a-f]{64})",
            "algorithm": "sha256",
            "encoding": "hex",
            "content": "{timestamp}.{body}",
            "id_header": told["delivery_header"],
        },
    }


def _outbound(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    graph = facts["listeners"]["graph"]
    return {
        "record": _below(facts["outbound_log"], folder),
        "destinations": [
            {"purpose": purpose, "host": host, "port": graph["port"]}
            for purpose, hosts in facts["outbound_hosts"].items()
            for host in hosts
        ],
        "to_customers": facts["outbound_to_customers"],
        "code": {"graph": ["rivet/graph", "rivet/network"]},
        "exercised_by": {"graph": ["sign-up with a good code", "sign-up that Graph fails"]},
    }


def _shared_roles(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    secrets = Path(facts["secrets"])
    roles = {}
    for name in ("application", "worker"):
        path = secrets / f"database-{name}-role.url"
        path.touch(mode=0o600)
        path.write_text(facts["postgres"]["urls"][name], encoding="utf-8")
        roles[name] = _file(str(path), folder)
    return {
        "setting": "rivet.workspace_id",
        "roles": roles,
        "tables": ["app.contacts", "app.templates", "app.webhooks", "app.webhook_deliveries"],
    }


def _below(path: str, folder: Path) -> str:
    return str(Path(path).relative_to(folder))


def _file(path: str, folder: Path) -> str:
    return f"file:{_below(path, folder)}"
