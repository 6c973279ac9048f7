"""What one command printed on the host, and the manifest over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

HOST = "rivet-prod-1"
"""The host that the sample speaks of."""
MANIFEST = "facts.yaml"
"""The name of the manifest."""
LABEL = "sample"
"""What the facts are: nothing of this machine was looked at."""
_NOTE = (
    "A recorded sample of a production host, in the formats of the tools named here. It was collected on no live host."
)


@dataclass(frozen=True)
class Recording:
    """The output of one command."""

    tool: str
    """The program and its version."""
    command: str
    """The command line that printed it."""
    text: str
    """What it printed."""
    age_hours: float = 3.0
    """How long before the start of the deployment it was collected."""


def write(folder: Path, recordings: Mapping[str, Recording], now: datetime) -> None:
    """Writes each recording to the file that it is named for, and the manifest."""
    folder.mkdir(mode=0o700)
    files = {}
    for name, recording in recordings.items():
        path = folder / name
        path.write_text(recording.text, encoding="utf-8")
        files[name] = {
            "tool": recording.tool,
            "command": recording.command,
            "collected_at": _moment(now.timestamp() - recording.age_hours * 3600),
        }
    manifest = {
        "format": "rivet-host-facts/1",
        "label": LABEL,
        "note": _NOTE,
        "host": HOST,
        "collected_at": max(file["collected_at"] for file in files.values()),
        "files": files,
    }
    text = yaml.safe_dump(manifest, sort_keys=False, width=120)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
