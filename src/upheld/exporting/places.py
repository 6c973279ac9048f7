"""Where in the code a finding stands: read from what its looks saw, never guessed from its words alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from upheld.model import CheckResult, FindingRecord, Plain

_LINE = re.compile(r":(\d{1,9})$")
_DEEPEST = 20
_CODE = frozenset({"code", "codebase", "dependencies", "tls_in_code"})
"""Probes that look at files of the audited repository."""
_KEYS = ("path", "file", "lock_file")
"""What their looks call a file."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the repository as a relative URI, and a line of it, counted from 1."""

    uri: str
    line: int


class Places:
    """The places that the looks of one check saw, to be asked for each of its findings."""

    def __init__(self, check: CheckResult) -> None:
        self._seen: dict[str, set[tuple[str, int]]] = {}
        for look in check.observations:
            if look.seen and look.probe in _CODE:
                self._seen[look.id] = set(_pairs(look.value, 0)) | set(_pairs(look.arguments, 0))

    def of(self, finding: FindingRecord) -> Place | None:
        """Where `finding` stands: a file and line that one of its looks saw and its subject names; None when there is none."""
        found = _LINE.search(finding.subject)
        named = int(found[1]) if found else 0
        for name in finding.observations:
            for path, line in sorted(self._seen.get(name, ())):
                exact = line == 0 and path == finding.subject
                # `B602 in app/run.py:12`; what stands before the path are words of the check.
                ends = line and line == named and f" {finding.subject}".endswith(f" {path}:{line}")
                uri = _uri(path) if exact or ends else ""
                if uri:
                    return Place(uri, max(line, 1))
        return None


def _pairs(value: Plain, depth: int) -> Iterator[tuple[str, int]]:
    """Each file that `value` names, with the line beside it, and with none."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        line = value.get("line")
        for path in filter(None, map(value.get, _KEYS)):
            if isinstance(path, str):
                yield path, 0
                if isinstance(line, int) and not isinstance(line, bool) and line > 0:
                    yield path, line
        for item in value.values():
            yield from _pairs(item, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _pairs(item, depth + 1)


def _uri(path: str) -> str:
    """`path` as a relative URI; empty for one that leads out of the repository or cannot be spelled."""
    parts = path.split("/")
    if not path or ".." in parts or not parts[0] or "\\" in path or "\0" in path:
        return ""
    return quote("/".join(part for part in parts if part != "."), safe="/", errors="replace")
