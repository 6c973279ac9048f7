"""The part of the target file that describes the backups."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def backup_parts(facts: dict[str, Any]) -> dict[str, Any]:
    """The target's part `backups`; keys are references, and the restore command is the deployment's own."""
    folder, told = Path(facts["folder"]), facts["backups"]
    store = Path(told["store"])
    key = told["keys"][0]
    command = ["-m", "upheld_reference", "restore", "--store", str(store), "--key", key["file"], "--at", "{time}"]
    return {
        "backups": {
            "store": str(store.relative_to(folder)),
            "base": ["base/*.sealed"],
            "wal": ["wal/{segment}.zlib.sealed"],
            "readable": {
                Path(told["catalogue"])
                .relative_to(store)
                .as_posix(): "names, times, sizes and digests of objects, authenticated; nothing of the database"
            },
            "catalogue": {
                "path": Path(told["catalogue"]).relative_to(store).as_posix(),
                "format": "jsonl",
                "header_lines": 1,
                "kind": "/kind",
                "kinds": {"base": "base", "wal": "wal"},
                "size": "/size_bytes",
                "plain_size": "/plain_bytes",
                "start_segment": "/start_segment",
            },
            "keys": {one["id"]: f"file:{Path(one['file']).relative_to(folder)}" for one in told["keys"]},
            # Many times what it takes: a machine that is busy with an audit may be slow.
            "archive_within_seconds": 15.0 + told["archive_timeout_seconds"],
            "restore": {"command": [sys.executable, *command], "within_seconds": 60.0},
            "marker": {
                "table": "app.message_logs",
                "column": "content",
                "values": {"workspace_id": facts["workspaces"][0]["id"], "content": "restore marker {canary}"},
            },
        }
    }
