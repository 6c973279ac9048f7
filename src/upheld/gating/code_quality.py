"""GitLab's report of code quality: an entry for each finding that counts, in the file and line where it stands.

GitLab compares the reports of a merge request and of its target by fingerprints, so these are those of findings.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from urllib.parse import unquote

from upheld.exporting.writing import words
from upheld.gating.outcome import Outcome
from upheld.model import Severity

_SEVERITIES = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
}
_TEXT = 600
_NO_FILE = ("policies.yaml", 1)
"""Where what stands in no file is shown: GitLab refuses an entry without a file and a line."""


def dumps(outcome: Outcome) -> bytes:
    """What counts, as JSON."""
    alike: Counter[str] = Counter()
    entries = []
    for one in outcome.broken:
        if not one.counts:
            continue
        alike[one.fingerprint] += 1
        path, number = (unquote(one.place.uri), one.place.line) if one.place else _NO_FILE
        text = f"Breaks “{one.statement}”: {one.subject}: {one.observed}"
        entries.append(
            _entry(text, one.check, f"{one.fingerprint}:{alike[one.fingerprint]}", one.severity, path, number)
        )
    for undecided in outcome.undecided:
        if undecided.counts:
            text = f"Not told whether “{undecided.statement}” holds: {undecided.reason}"
            identity = "\0".join((undecided.claim, undecided.check, undecided.reason))
            entries.append(_entry(text, undecided.check or undecided.claim, identity, None, *_NO_FILE))
    return (json.dumps(entries, indent=1, ensure_ascii=False) + "\n").encode()


def _entry(text: str, check: str, identity: str, severity: Severity | None, path: str, line: int) -> dict[str, object]:
    return {
        "description": words(text, _TEXT),
        "check_name": words(check),
        "fingerprint": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest(),
        "severity": _SEVERITIES[severity] if severity is not None else "info",
        "location": {"path": words(path), "lines": {"begin": line}},
    }
