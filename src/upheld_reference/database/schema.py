"""The SQL scripts that make the schema, and running them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection


def scripts() -> list[str]:
    """The scripts of the folder `scripts`, in the order of their names; each says what it adds for one part."""
    folder = Path(__file__).with_name("scripts")
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))]


async def run(superuser: AsyncConnection[Any], scripts: Sequence[str]) -> None:
    """Runs each script as the superuser, whole or not at all; raises psycopg.Error."""
    for script in scripts:
        async with superuser.transaction():
            await superuser.execute(script.encode("utf-8"))
