"""Running SQL scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

SCRIPT = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
"""The application's schema."""


async def run(superuser: AsyncConnection[Any], scripts: Sequence[str]) -> None:
    """Runs each script as the superuser, whole or not at all; raises psycopg.Error."""
    for script in scripts:
        async with superuser.transaction():
            await superuser.execute(script.encode("utf-8"))
