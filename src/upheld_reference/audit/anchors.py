"""Digests of the audit log noted outside the database: whoever cuts off or rewrites its end cannot reach these.

A line of JSON for each: ``{"sequence": 17, "digest": "…"}``. A platform of full size would send them to another provider.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection

_HEAD = "SELECT sequence, digest FROM audit.entries ORDER BY sequence DESC LIMIT 1"


async def note(db: Connection, path: Path, already: int) -> int:
    """Notes the newest entry unless it is ``already`` noted, and returns its sequence; 0 for an empty log."""
    head = await (await db.execute(_HEAD)).fetchone()
    if head is None or head["sequence"] == already:
        return already
    line = json.dumps({"sequence": head["sequence"], "digest": head["digest"]})
    path.touch(mode=0o600)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    return int(head["sequence"])


def read(path: Path) -> dict[int, str]:
    """The noted digests by sequence."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {int(noted["sequence"]): str(noted["digest"]) for noted in map(json.loads, lines)}
