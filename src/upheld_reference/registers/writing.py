"""Writes the registers, their schemas and their documents."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from upheld_reference.registers import access, attestations, disclosure, documents, sources
from upheld_reference.registers.clock import Clock

SCHEMAS = "schemas"
"""The folder of the JSON Schemas, below that of the registers; one for each register, named like it."""
INVENTORY = "data-inventory"
"""The register that has no dates and is copied as it lies in the package."""
NAMES = (
    "rules",
    "staff",
    "access-reviews",
    "incidents",
    "sub-processors",
    "data-flows",
    INVENTORY,
    "vulnerability-reports",
)
"""The registers, each the file NAME.yaml."""
SCHEMA_NAMES = (*NAMES, "attestation")
"""What there is a schema of: each register, and one statement."""


def contents(clock: Clock) -> dict[str, dict[str, Any]]:
    """The registers and statements by name, before their documents are written."""
    read = {name: sources.load(name, clock) for name in ("rules", "incidents", "sub-processors", "data-flows")}
    return {
        **read,
        "staff": access.staff(clock),
        "access-reviews": access.reviews(clock),
        "vulnerability-reports": disclosure.reports(clock),
        "attestations": sources.load("attestations", clock),
    }


def write(folder: Path, clock: Clock) -> None:
    """Writes everything into the new folder ``folder``."""
    books = contents(clock)
    folder.mkdir(mode=0o700)
    for path, text in documents.attach(books).items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    for name in NAMES:
        text = sources.text(f"{name}.yaml") if name == INVENTORY else sources.dump(books[name])
        head = f"# yaml-language-server: $schema={SCHEMAS}/{name}.schema.json\n"
        (folder / f"{name}.yaml").write_text(head + text, encoding="utf-8")
    attestations.write(folder, books["attestations"], books["rules"]["attestations"], clock.now)
    (folder / SCHEMAS).mkdir()
    for name in SCHEMA_NAMES:
        (folder / SCHEMAS / f"{name}.schema.json").write_text(schema(name), encoding="utf-8")


def schema(name: str) -> str:
    """The JSON Schema (2020-12) of the register ``name``, or of an ``attestation``."""
    return resources.files(__package__).joinpath(SCHEMAS, f"{name}.schema.json").read_text(encoding="utf-8")
