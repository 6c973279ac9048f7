"""Write-ahead log: the names of its segments, and how PostgreSQL hands finished ones over to the spool."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from psycopg import AsyncConnection, sql

SEGMENT_BYTES = 1 << 20
"""The size of a segment, as initdb is told by ``--wal-segsize 1``."""
_SEGMENTS_EACH = (1 << 32) // SEGMENT_BYTES
SEGMENT = re.compile(r"[0-9A-F]{24}")
"""The name of a segment: timeline, and its number in two parts."""
ARCHIVED = re.compile(r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history")
"""The name of whatever PostgreSQL archives: segments, the labels of base backups, histories of timelines."""


def lsn(text: str) -> int:
    """The log sequence number written as ``0/900028``."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(number: int) -> str:
    """``number`` as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def segment_name(timeline: int, number: int) -> str:
    """The name of the segment with that number on ``timeline``."""
    return f"{timeline:08X}{number // _SEGMENTS_EACH:08X}{number % _SEGMENTS_EACH:08X}"


def segment_number(name: str) -> int:
    """The number of the segment ``name`` within its timeline."""
    return int(name[8:16], 16) * _SEGMENTS_EACH + int(name[16:24], 16)


def gaps(segments: set[str]) -> list[str]:
    """The segments that are missing between the first and the last of each timeline."""
    missing = []
    for timeline in sorted({name[:8] for name in segments}):
        numbers = {segment_number(name) for name in segments if name.startswith(timeline)}
        missing += [
            segment_name(int(timeline, 16), number)
            for number in range(min(numbers), max(numbers))
            if number not in numbers
        ]
    return missing


def archive_command(spool: Path) -> str:
    """The shell command that copies one finished segment into ``spool``.

    It fails, and PostgreSQL then keeps the segment and tries again, when the file cannot be copied whole and when one of
    that name is there already. The file appears under its name when all of it is there.
    """
    place = shlex.quote(str(spool)).replace("%", "%%")
    return f"test ! -e {place}/%f && cp %p {place}/%f.partial && mv {place}/%f.partial {place}/%f"


async def configure(superuser_url: str, spool: Path, timeout_seconds: int) -> None:
    """Has PostgreSQL archive every segment from now on, those that are finished already too.

    Every ``timeout_seconds`` a segment that has anything in it counts as finished.
    """
    settings = {"archive_command": archive_command(spool), "archive_timeout": f"{timeout_seconds}s"}
    async with await AsyncConnection.connect(superuser_url, autocommit=True) as superuser:
        for name, value in settings.items():
            statement = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            await superuser.execute(statement)
        await superuser.execute("SELECT pg_reload_conf()")
