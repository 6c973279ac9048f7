"""What `upheld run` adds to the ledger by itself, and what it says where that cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upheld.model import Run
from upheld.state import named_ledger

if TYPE_CHECKING:
    from upheld.ledger import Entry, Ledger
    from upheld.ledger.place import Place

ledger_option = click.option(
    "--ledger",
    metavar="URL|PATH",
    help="The ledger of runs: a file, or postgresql://… (env:NAME and file:PATH stand for what is there); none for no ledger. "
    "[UPHELD_LEDGER, else the user's own]",
)


class Recording:
    """One run on its way into the ledger; without a ledger it does nothing."""

    def __init__(self, named: str | None, folder: Path, say: Callable[[str], None]) -> None:
        """`named` is what `--ledger` says; raises InputError where it names no ledger."""
        self._place: Place | None = None
        if named_ledger(named) is not None:
            from upheld.ledger import find_place  # noqa: PLC0415  (not needed without a ledger)

            self._place = find_place(named)
        self._folder = folder
        self._say = say
        self._ledger: Ledger | None = None

    def begin(self, run: Run) -> None:
        """Note that the run has begun; where that cannot be done now the run goes on, for its end may find the ledger."""
        if self._place is None:
            return
        from upheld.ledger import LedgerFault  # noqa: PLC0415  (not needed without a ledger)

        try:
            self._opened(self._place).begin(run, self._folder)
        except LedgerFault as error:
            self._say(f"{error}; the run goes on, and is added at its end if that can be done then")

    def finish(self, run: Run) -> bool:
        """Add the run; says why, how to do it later, and gives False where that cannot be done."""
        if self._place is None:
            return True
        from upheld.ledger import LedgerFault  # noqa: PLC0415  (likewise)

        try:
            entry: Entry = self._opened(self._place).add(run, self._folder)
        except LedgerFault as error:
            self._say(f"{error}")
            self._say(f"the run is NOT in the ledger; {self._folder} keeps all of it: upheld ledger add {self._folder}")
            return False
        self._say(f"ledger: entry {entry.seq} of {self._place} ({entry.digest[:16]}…)")
        return True

    def _opened(self, place: Place) -> Ledger:
        from upheld.ledger import Ledger  # noqa: PLC0415  (likewise)

        if self._ledger is None:
            self._ledger = Ledger.open(place)
        return self._ledger
