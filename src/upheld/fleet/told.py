"""What the report of a fleet reads of a run.json: what its claims came to, and no observation, so that hundreds of runs are read in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from upheld.errors import InputError, Mistake
from upheld.model import FindingRecord, Plain, Severity, Status, Verdict, Waiver
from upheld.reporting.run_json import FORMAT


@dataclass(frozen=True, slots=True)
class Check:
    """What one check came to, with its findings."""

    id: str
    title: str
    parameters: Mapping[str, Plain]
    verdict: Verdict
    reason: str
    findings: tuple[FindingRecord, ...]

    @property
    def set_to(self) -> str:
        """Its parameters as JSON, in one spelling."""
        return json.dumps(self.parameters, sort_keys=True, ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim came to."""

    id: str
    statement: str
    severity: Severity
    status: Status
    reason: str
    checks: tuple[Check, ...]
    decided_by: tuple[str, ...]
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A run, as far as it is read here."""

    format: str
    id: str
    started: str
    complete: bool
    planned: int
    policy: str
    claims: tuple[Claim, ...]
    selected: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the run says that it completed, and every planned check has its result."""
        return self.complete and sum(len(claim.checks) for claim in self.claims) == self.planned


def read(path: Path) -> Told:
    """What the run.json at `path` says; raises InputError when it is missing, no JSON, of another format or not shaped like a run."""
    try:
        told = _adapter().validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise InputError([Mistake(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError([Mistake(str(path), 0, 0, f"{where}: {first['msg']}" if where else first["msg"])]) from error
    if told.format != FORMAT:
        raise InputError([Mistake(str(path), 0, 0, "is of another format", repr(told.format), repr(FORMAT))])
    return told


@cache
def _adapter() -> TypeAdapter[Told]:
    # The model's `Plain` is a recursive alias that pydantic cannot follow; its name resolves to pydantic's own here.
    Plain = JsonValue  # noqa: F841, N806  (pydantic reads the names of the caller)
    return TypeAdapter(Told)
