"""When base backups are taken, which are kept, and the history that a deployment starts with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from upheld_reference.backups import wal
from upheld_reference.backups.agent import Agent
from upheld_reference.backups.catalogue import Entry

HISTORY_DAYS = (7, 6, 5, 4, 3, 2, 1)
"""The ages of the base backups that a deployment starts with, beside the one that it takes at its start."""


def due(entries: Iterable[Entry], now: datetime, interval: timedelta) -> bool:
    """Whether a base backup is to be taken: there is none, or the newest was finished ``interval`` ago."""
    newest = max((entry.finished for entry in entries if entry.kind == "base"), default=None)
    return newest is None or now - newest >= interval


def expired(entries: Iterable[Entry], now: datetime, window: timedelta) -> list[Entry]:
    """What is needed no longer to restore any instant of the last ``window``.

    Kept are the base backups finished within the window, the newest one before it (from which its first hours are restored),
    and the write-ahead log from where the oldest of these begins.
    """
    known = list(entries)
    bases = sorted((entry for entry in known if entry.kind == "base"), key=lambda entry: entry.finished)
    before = [entry for entry in bases if entry.finished <= now - window]
    gone = before[:-1]
    kept = bases[len(gone) :]
    if not kept:
        return []
    first = min(wal.segment_number(entry.start_segment) for entry in kept)
    logs = [entry for entry in known if entry.kind != "base" and entry.start_segment]
    return [*gone, *(entry for entry in logs if wal.segment_number(entry.start_segment) < first)]


def begin(agent: Agent, now: datetime) -> None:
    """Takes the first base backup and enters it after a history of restorable backups under earlier dates."""
    first = agent.stream_base_backup()
    took = first.finished - datetime.fromisoformat(first.taken_at)
    begun = [now - timedelta(days=age) for age in HISTORY_DAYS]
    history = agent.history(first, [(taken, taken + took) for taken in begun])
    agent.catalogue.add([*history, first])
