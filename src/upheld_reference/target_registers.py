"""The parts of the target file that describe what the company keeps records of: registers, and what officers signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_ENTRIES = {
    "staff": "people",
    "access_reviews": "reviews",
    "incidents": "incidents",
    "sub_processors": "sub_processors",
    "data_flows": "flows",
    "data_inventory": "tables",
    "vulnerability_reports": "reports",
}
"""Under which key of its file the entries of each register stand."""


def register_parts(facts: dict[str, Any]) -> dict[str, Any]:
    """The target's parts `registers` and `attestations`; all paths in them are relative to the folder of the registers."""
    registers, deployment = facts["registers"], Path(facts["folder"])
    folder = Path(registers["folder"])
    schemas = Path(registers["schemas"]).relative_to(folder)
    statements = {
        claim: {"file": str(Path(one["file"]).relative_to(folder)), "namespace": one["namespace"]}
        for claim, one in registers["attestations"].items()
    }
    described = {
        name: {
            "file": str(Path(registers["files"][name]).relative_to(folder)),
            "entries": entries,
            "json_schema": str(schemas / f"{name.replace('_', '-')}.schema.json"),
        }
        for name, entries in _ENTRIES.items()
    }
    return {
        "registers": {
            "folder": str(folder.relative_to(deployment)),
            **described,
            "accounts": [
                # Accounts are made anew at every start: when somebody came stands in the register of staff.
                {"system": "staff-console", "table": "staff.accounts", "account": "email", "off": "disabled_at"}
            ],
            "database_roles": {"system": "database"},
            "privacy_policy": {"page": f"{facts['listeners']['www']['url']}/privacy"},
        },
        "attestations": {
            "folder": str(folder.relative_to(deployment)),
            "allowed_signers": str(Path(registers["allowed_signers"]).relative_to(folder)),
            "statements": statements,
        },
    }
