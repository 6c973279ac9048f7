"""Defects of what is collected: more than the inventory knows, or with no end."""

from __future__ import annotations

from upheld_reference.platform import Platform
from upheld_reference.registers import sources
from upheld_reference.sabotages import sabotage

_CLAIMS = ("minimal-collection",)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "app.contacts",
        "date_of_birth is not in the inventory",
    ),
)
def column_not_in_inventory(platform: Platform) -> None:
    """The database keeps the dates of birth of contacts, which the data inventory does not know and nothing needs."""
    platform.schema.append("ALTER TABLE app.contacts ADD COLUMN date_of_birth date")
    platform.seed.append("UPDATE app.contacts SET date_of_birth = date '1990-01-01' + (random() * 7000)::integer")


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "app.contacts",
        "note has no retention",
    ),
)
def inventory_entry_without_retention(platform: Platform) -> None:
    """The data inventory does not say how long the notes about contacts are kept."""
    right = sources.text
    before = "note: {purpose: What the customer notes about the contact, category: content, retention: workspace}"
    if before not in right("data-inventory.yaml"):
        raise ValueError(f"the data inventory has no {before!r} to change")

    def text(name: str) -> str:
        return right(name).replace(before, before.replace(", retention: workspace", ""))

    platform.replace(sources, "text", text)
