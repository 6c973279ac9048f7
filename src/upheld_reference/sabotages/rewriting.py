"""How the defects of the registers and lists come about: what they are written from is changed, or a file once it is written.

Whatever is changed before it is written goes through the same hands as the rest: documents say the same as the register,
digests fit, and statements are signed. So nothing is wrong but what the defect says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from upheld_reference.database import grants
from upheld_reference.platform import Platform
from upheld_reference.registers import sources, writing
from upheld_reference.registers.clock import Clock

Entry = dict[str, Any]
"""One entry of a register."""


def registers(platform: Platform, change: Callable[[dict[str, Any], Clock], None]) -> None:
    """Has ``change`` made to all registers by name before anything is written."""
    right = writing.contents

    def contents(clock: Clock) -> dict[str, dict[str, Any]]:
        books = right(clock)
        change(books, clock)
        return books

    platform.replace(writing, "contents", contents)


def entry(platform: Platform, register: str, key: str, value: str, change: Callable[[Entry, Clock], None]) -> None:
    """Has ``change`` made to the one entry of ``register`` whose ``key`` is ``value``; raises ValueError without it."""
    registers(platform, lambda books, clock: change(find(books[register], key, value), clock))


def inventory(platform: Platform, table: str, columns: Mapping[str, str], category: str) -> None:
    """Has the data inventory list further ``columns`` of ``table``, with the purpose of each, kept as long as their workspace."""
    right = sources.text

    def text(name: str) -> str:
        content = right(name)
        if name != f"{writing.INVENTORY}.yaml":
            return content
        lines = "".join(
            f"    {column}: {{purpose: {json.dumps(purpose)}, category: {category}, retention: workspace}}\n"
            for column, purpose in columns.items()
        )
        heading = f"  {table}:\n"
        if heading in content:
            return content.replace(heading, heading + lines)
        return f"{content.rstrip()}\n{heading}{lines}"

    platform.replace(sources, "text", text)


def granted(platform: Platform, role: str, places: Mapping[str, Sequence[str]]) -> None:
    """Has the list of grants name the privileges that ``role`` has at further places."""
    of_role = {**grants.GRANTED[role], **{place: tuple(privileges) for place, privileges in places.items()}}
    platform.replace(grants, "GRANTED", {**grants.GRANTED, role: of_role})


def find(book: dict[str, Any], key: str, value: str) -> Entry:
    """The one entry of a register whose ``key`` is ``value``; raises ValueError when there is none or several."""
    (entries,) = book.values()
    (one,) = [found for found in entries if found[key] == value]
    chosen: Entry = one
    return chosen


def file(platform: Platform, path: str, change: Callable[[Path], object]) -> None:
    """Has ``change`` made to the file ``path`` below the folder of the registers, once everything is written."""
    platform.on("settled", lambda built: _change(built.folder / "registers" / path, change))


def _change(path: Path, change: Callable[[Path], object]) -> None:
    if not path.is_file():
        raise FileNotFoundError(path)
    change(path)


def replaced(before: str, after: str) -> Callable[[Path], object]:
    """A change of a file's text, of every place where it says ``before``; raises ValueError if it does not."""

    def change(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        if before not in text:
            raise ValueError(f"{path.name} has no {before!r} to change")
        path.write_text(text.replace(before, after), encoding="utf-8")

    return change


def appended(addition: str) -> Callable[[Path], object]:
    """A change of a file that adds ``addition`` at its end."""

    def change(path: Path) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(addition)

    return change
