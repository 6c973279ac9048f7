"""The part of the target file that describes the host, by the facts that were recorded of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILES = {
    "block devices": "lsblk.json",
    "mounts": "findmnt.json",
    "data directory": "postgres-data.txt",
    "write-ahead log": "postgres-wal.txt",
    "temporary space": "postgres-temp.txt",
    "sshd settings": "sshd-T.txt",
    "accounts": "passwd.txt",
    "authorized keys": "authorized_keys.txt",
    "processes": "ps.txt",
    "upgrade settings": "apt-config.txt",
    "upgrade log": "unattended-upgrades.log",
    "pending updates": "apt-upgradable.txt",
    "changelogs": "apt-changelogs.txt",
    "provider metadata": "provider-metadata.yaml",
    "firmware": "dmidecode.txt",
}
"""Which recording holds which kind of fact."""


def host_parts(facts: dict[str, Any]) -> dict[str, Any]:
    """The target's part `host`, and among its `samples` that these facts are one."""
    recorded = facts["host_facts"]
    return {
        "host": {
            "name": recorded["host"],
            "recorded": {
                "folder": str(Path(recorded["folder"]).relative_to(facts["folder"])),
                "manifest": Path(recorded["manifest"]).name,
                "files": FILES,
            },
            "maximum_age_hours": 30 * 24,
            "services": recorded["services"],
            "service_accounts": recorded["service_accounts"],
            "break_glass_accounts": recorded["break_glass_accounts"],
            "authorized_fingerprints": recorded["authorized_fingerprints"],
        },
        "samples": [f"host facts ({recorded['label']} of a production host)"],
    }
