"""How many requests a run sent to each host, in a file of its own beside run.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from upheld.reporting.files import write_atomically

NAME = "sent.json"
FORMAT = "upheld-sent/1"
_LARGEST = 16 << 20


def write_sent(folder: Path, run: str, hosts: Mapping[str, int]) -> None:
    """Write it into the run's folder; raises OSError as the file system does."""
    whole = {"format": FORMAT, "run": run, "hosts": dict(sorted(hosts.items()))}
    write_atomically(folder / NAME, (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode())


def read_sent(folder: Path) -> dict[str, int] | None:
    """The requests by host; None where there is no such file, or none that can be read."""
    try:
        with (folder / NAME).open("rb") as stream:
            whole = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    hosts = whole.get("hosts") if isinstance(whole, dict) and whole.get("format") == FORMAT else None
    if not isinstance(hosts, dict) or not all(type(count) is int and count >= 0 for count in hosts.values()):
        return None
    return {str(host): count for host, count in hosts.items()}
