"""The record of every call that left the platform: logs/outbound.log, one JSON object a line."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

from upheld_reference.logs import redact


@dataclass(frozen=True)
class Call:
    """One call, with no word of what was said."""

    purpose: str
    """What the platform called for, such as graph or webhook."""
    host: str
    """The name or literal in the URL."""
    address: str | None
    """Where the connection went, or was tried to; None when there was none to try."""
    port: int
    """The TCP port."""
    scheme: str
    """https, or what a fault of the platform has made of it."""
    outcome: str
    """``answered <status>``, or why there was no answer: one of the words of ``transport.failure``."""


class OutboundRecord:
    """Writes calls down as soon as they have ended, however they ended."""

    def __init__(self, path: Path) -> None:
        """Appends to the file ``path``."""
        self._path = path

    def add(self, call: Call) -> None:
        """Adds one line; a customer who puts a secret in a host name gets it masked."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"at": now, **dataclasses.asdict(call), "host": redact(call.host)}
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
