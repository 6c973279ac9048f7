"""What a backup program's catalogue says: reading entries out of JSON as the target describes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from upheld.target.backups import BackupCatalogue

LARGEST = 256 * 1024 * 1024
"""Bytes that a catalogue may have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Sizes are in bytes; what the catalogue does not tell is None or empty."""

    name: str
    kind: str
    finished: datetime | None
    size: int | None
    plain_size: int | None
    start_segment: str


def entries_in(text: str, described: BackupCatalogue) -> list[Entry]:
    """The entries of a catalogue; raises Unobservable when it is not as described, or has none."""
    found = [_entry(data, described) for data in _data(text, described)]
    if not found:
        raise Unobservable(f"the backup catalogue {described.path} has no entries")
    return found


def _data(text: str, described: BackupCatalogue) -> Iterator[Any]:
    if described.format == "jsonl":
        lines = text.splitlines()[described.header_lines :]
        for number, line in enumerate(lines, described.header_lines + 1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                if number == described.header_lines + len(lines) and not text.endswith("\n"):
                    return  # It is being written.
                raise Unobservable(f"line {number} of the backup catalogue {described.path} is no JSON") from None
        return
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise Unobservable(f"the backup catalogue {described.path} is no JSON") from None
    for listed in _all(data, [part for part in described.entries.split("/") if part]):
        if not isinstance(listed, list):
            raise Unobservable(
                f"{described.entries or 'the whole'} of the backup catalogue {described.path} is no list"
            )
        yield from listed


def _all(data: Any, parts: list[str]) -> Iterator[Any]:
    if not parts:
        yield data
    elif parts[0] == "*" and isinstance(data, list):
        for one in data:
            yield from _all(one, parts[1:])
    else:
        yield from _all(_step(data, parts[0]), parts[1:])


def _step(data: Any, part: str) -> Any:
    part = part.replace("~1", "/").replace("~0", "~")
    if isinstance(data, dict):
        return data.get(part)
    if isinstance(data, list) and part.isdecimal() and int(part) < len(data):
        return data[int(part)]
    return None


def _at(data: Any, pointer: str | None) -> Any:
    if pointer is None:
        return None
    for part in pointer.split("/")[1:]:
        data = _step(data, part)
    return data


def _entry(data: Any, described: BackupCatalogue) -> Entry:
    name = _at(data, described.name)
    if not isinstance(name, str) or not name:
        raise Unobservable(f"an entry of the backup catalogue {described.path} has no name at {described.name}")
    said = _at(data, described.kind)
    kind = "base" if described.kind is None else described.kinds.get(str(said), "other")
    segment = str(_at(data, described.start_segment) or "")
    return Entry(
        name=name,
        kind=kind,
        finished=_moment(_at(data, described.finished), described.path),
        size=_number(_at(data, described.size)),
        plain_size=_number(_at(data, described.plain_size)),
        start_segment=segment if re.fullmatch(r"[0-9A-F]{24}", segment) else "",
    )


def _moment(value: Any, path: str) -> datetime | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise Unobservable(f"the backup catalogue {path} has a time that is none: {value[:40]!r}") from None
    if at.tzinfo is None:
        raise Unobservable(f"the backup catalogue {path} has a time without a time zone: {value[:40]!r}")
    return at.astimezone(UTC)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
