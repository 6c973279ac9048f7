"""What each check is known to catch: the sabotages of the reference deployment under which it found the defect.

The table is made by `upheld calibrate` and shipped as `calibration.json`. It holds for the code that was calibrated: a check
whose digest differs is shown as uncalibrated, whatever the table says of an earlier version.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from upheld.errors import InternalFault
from upheld.model import CheckResult
from upheld.resources import builtin

FORMAT = "upheld-calibration/2"
FILE = "calibration.json"


@dataclass(frozen=True, slots=True)
class Calibration:
    """The sabotages that a check refuted, by name, and the SHA-256 of the code that did so."""

    code_digest: str
    caught: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All that calibration.json says: what each check caught, and which claims each seeded defect breaks."""

    checks: Mapping[str, Calibration]
    breaks: Mapping[str, tuple[str, ...]]

    def caught_by(self, check: str, code_digest: str) -> tuple[str, ...]:
        """The sabotages that this very code of the check is known to catch."""
        entry = self.checks.get(check)
        return entry.caught if entry is not None and entry.code_digest == code_digest else ()

    def seeded(self, claim: str) -> tuple[str, ...]:
        """The sabotages that break the claim, caught or not."""
        return tuple(name for name, claims in self.breaks.items() if claim in claims)


def calibrated(result: CheckResult) -> CheckResult:
    """The result with the sabotages that the very code of its check is known to catch."""
    caught = table().caught_by(result.id, result.code_digest)
    return dataclasses.replace(result, sabotages_caught=caught, calibrated=bool(caught)) if caught else result


@cache
def table(path: Path | None = None) -> Table:
    """The shipped table; empty where there is none. Raises InternalFault when the file is broken."""
    file = path or builtin() / FILE
    if not file.is_file():
        return Table({}, {})
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise InternalFault(f"{file} is of format {data['format']!r}, expected {FORMAT!r}")
        return Table(
            {name: Calibration(one["code_digest"], tuple(one["caught"])) for name, one in data["checks"].items()},
            {name: tuple(one["breaks"]) for name, one in data["sabotages"].items()},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InternalFault(f"{file} is no calibration table: {error}") from error
