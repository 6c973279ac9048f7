"""The description of a running deployment as a target file, as its operators would write one for an auditor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from upheld_reference.target_access import access_parts
from upheld_reference.target_api import api_parts
from upheld_reference.target_backups import backup_parts
from upheld_reference.target_code import code_parts
from upheld_reference.target_credentials import credential_parts
from upheld_reference.target_data import data_parts
from upheld_reference.target_host import host_parts
from upheld_reference.target_network import network_parts
from upheld_reference.target_privileges import privilege_parts
from upheld_reference.target_registers import register_parts
from upheld_reference.target_staff import staff_parts

FILE_NAME = "target.yaml"
"""The name of the file in the deployment's folder."""


def describe(facts: dict[str, Any]) -> dict[str, Any]:
    """The target description of the deployment that told these facts; secrets are references to files of its folder."""
    listeners = facts["listeners"]
    pages = {"www": ["/", "/security", "/privacy"], "app": ["/login"], "status": ["/", "/status.json"]}
    description: dict[str, Any] = {
        "upheld": "target/1",
        "name": "Rivet (embedded reference deployment)",
        "environment": "reference",
        "check_seconds": 180,
        "ca": facts["ca_file"],
        "vantage": {
            "name": "the same host, over loopback",
            # The whole of 127.0.0.0/8 is this host, so that the harness can be several clients.
            "source_addresses": ["127.0.0.2", "127.0.0.3", "127.0.0.4"],
        },
        "endpoints": [
            {
                "name": name,
                "url": listener["url"],
                "address": listener["address"],
                "public": listener["public"],
                **({"pages": pages[name]} if name in pages else {}),
            }
            for name, listener in listeners.items()
            if listener["public"] or name == "staff"
        ],
        "publication": {
            "page": f"{listeners['www']['url']}/security",
            "security_txt_key": facts["security_txt_key"],
        },
    }
    return {
        **description,
        **api_parts(facts),
        **access_parts(facts),
        **data_parts(facts),
        **credential_parts(facts),
        **privilege_parts(facts),
        **host_parts(facts),
        **network_parts(facts),
        **code_parts(facts),
        **backup_parts(facts),
        **register_parts(facts),
        **staff_parts(facts),
    }


def write(folder: Path, facts: dict[str, Any]) -> Path:
    """Write the target file into the deployment's folder and return its path."""
    path = folder / FILE_NAME
    path.touch(mode=0o600)
    # JSON is YAML, and quotes every text: of a random identifier such as 336e1892 no reader makes a number.
    path.write_text(json.dumps(describe(facts), indent=2, ensure_ascii=False), encoding="utf-8")
    return path
