"""How a result travels from a worker to the controller: as JSON text in the report, or as a file when it is large.

pytest-xdist dies of values that it cannot serialise and grows by gigabytes with large ones, and `workeroutput` is lost with
a worker that crashes; measured, so: plain text of up to 100 kB in the report, else a file named by its SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from upheld.execution import unfinished
from upheld.model import CheckResult, PlannedCheck

INLINE_LIMIT = 100_000
"""Characters of JSON that travel inside a report."""

_RESULT = TypeAdapter(CheckResult)
_FILE = "file:"


def pack(result: CheckResult, folder: Path) -> str:
    """The result as text for a report; written to `folder` when it is larger than INLINE_LIMIT."""
    data = _RESULT.dump_json(result)
    if len(data) <= INLINE_LIMIT:
        return data.decode()
    digest = hashlib.sha256(data).hexdigest()
    (folder / f"{digest}.json").write_bytes(data)
    return f"{_FILE}{result.key}:{digest}"


def unpack(packed: str, folder: Path, plan: Mapping[str, PlannedCheck]) -> CheckResult | None:
    """The result that was packed. None when it is of no planned check; inconclusive when its evidence is not intact."""
    if not packed.startswith(_FILE):
        result = _RESULT.validate_json(packed)
        return result if result.key in plan else None
    _, key, digest = packed.split(":")
    if key not in plan:
        return None
    path = folder / f"{digest}.json"
    try:
        data = path.read_bytes()
    except OSError as error:
        return unfinished(plan[key], f"the worker's evidence could not be read: {error.strerror or error}")
    if hashlib.sha256(data).hexdigest() != digest:
        return unfinished(plan[key], "the worker's evidence was altered on its way")
    try:
        return _RESULT.validate_json(data)
    except ValidationError:
        return unfinished(plan[key], "the worker's evidence is not a result")
    finally:
        path.unlink(missing_ok=True)
