"""deployment.json: what a running deployment tells about itself."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upheld_reference.platform import Platform

FILE_NAME = "deployment.json"
"""The name of the file in the deployment's folder."""


def gather(platform: Platform, postgres: dict[str, Any], sabotages: Sequence[str]) -> dict[str, Any]:
    """Every fact, of plain JSON types; it holds passwords, as it is the deployment's own key ring."""
    settings = dataclasses.asdict(platform.settings) | {"folder": str(platform.folder)}
    return {
        "version": 1,
        "pid": os.getpid(),
        "started_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sabotages": list(sabotages),
        "folder": str(platform.folder),
        "ca_file": str(platform.ca_file),
        "logs": str(platform.logs),
        "exports": str(platform.exports),
        "secrets": str(platform.secrets),
        "settings": settings,
        "listeners": {
            name: {
                "host_name": listener.host_name,
                "address": listener.address,
                "port": listener.port,
                "scheme": listener.url.partition(":")[0],
                "url": listener.url,
                "public": listener.public,
                "audience": listener.audience,
            }
            for name, listener in platform.listeners.items()
        },
        "postgres": {**postgres, "urls": dict(platform.urls)},
        **platform.facts,
    }


def write(folder: Path, facts: dict[str, Any]) -> None:
    """Writes the file so that whoever sees it sees all of it; only the owner may read it."""
    path = folder / FILE_NAME
    partial = path.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(facts, indent=2), encoding="utf-8")
    partial.replace(path)
