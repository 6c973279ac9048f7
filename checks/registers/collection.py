"""Whether the company knows what it collects, what for, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import RECORDED, Finding, LeftOut, NotObserved, check
from upheld.probes.clock import Clock
from upheld.probes.database import Database
from upheld.probes.registers import Inventory, Registers

from ._shared import state

_SHOWN = 5


@check(basis=RECORDED)
def every_stored_column_is_in_the_inventory(
    registers: Registers, database: Database, clock: Clock
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every column of every table stands in the data inventory, with a purpose and a retention.

    Decides: whether the database keeps only what the inventory knows, and whether the inventory says of each column what it is for and
    how long it is kept. Where the inventory explains its kinds of retention, each must be one of those.

    How: compares the database's catalogue, all tables of it, with the register.

    Refuted by: a column or table that is not in the inventory; an entry without purpose or retention, or with one that is not explained.

    Cannot see: what a column of free text or JSON holds, data that is kept elsewhere, and whether a purpose is a good one.

    References: GDPR Art. 5(1)(b), (c) and (e) and Art. 30(1), POPIA s10, s13 and s14(1).
    """
    yield from state(registers.inventory_register(), clock.now())
    inventory = registers.inventory()
    stored = database.stored_columns()
    left_out = dict(inventory.left_out)
    expected = "each column is in the inventory with purpose and retention"
    for table in stored:
        if reason := left_out.get(table.table) or left_out.get(table.table.removeprefix("public.")):
            yield LeftOut(table, reason)
            continue
        flaws = _flaws(inventory, table.table, table.columns)
        more = f" and {len(flaws) - _SHOWN} more" if len(flaws) > _SHOWN else ""
        observed = "; ".join(flaws[:_SHOWN]) + more if flaws else f"{len(table.columns)} columns"
        yield Finding(table, not flaws, expected, observed, seen=(inventory, stored))
    known = {(table.table, column) for table in stored for column in table.columns}
    for one in inventory.columns:
        if not {(one.table, one.column), (f"public.{one.table}", one.column)} & known:
            yield LeftOut(f"{one.table}.{one.column}", "the inventory lists it and the database does not have it")


def _flaws(inventory: Inventory, table: str, columns: tuple[str, ...]) -> list[str]:
    names = {table, table.removeprefix("public.")}
    listed = {one.column: one for one in inventory.columns if one.table in names}
    flaws = []
    for column in columns:
        entry = listed.get(column)
        if entry is None:
            flaws.append(f"{column} is not in the inventory")
        elif not entry.purpose:
            flaws.append(f"{column} has no purpose")
        elif not entry.retention:
            flaws.append(f"{column} has no retention")
        elif inventory.retentions and entry.retention not in inventory.retentions:
            flaws.append(f"{column} has the retention {entry.retention!r}, which the inventory does not explain")
    return flaws
