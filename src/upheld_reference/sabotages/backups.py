"""Backups that cannot be restored, or that anybody can read."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from psycopg import AsyncConnection

from upheld_reference import postgres_binaries
from upheld_reference.backups import schedule, wal
from upheld_reference.backups.agent import Agent
from upheld_reference.backups.catalogue import Entry
from upheld_reference.backups.store import compressed
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_RESTORED, _ENCRYPTED, _ROLL_UP = "backups-pitr", "backups-encrypted", ("sensitive-encrypted",)
_WAIT_SECONDS = 5.0


def _after_beginning(platform: Platform, change: Callable[[Agent, datetime], None]) -> None:
    """Has ``change`` done in the same thread as the first base backup and the history, after them."""
    begin = schedule.begin

    def begin_and_change(agent: Agent, now: datetime) -> None:
        begin(agent, now)
        change(agent, now)

    platform.replace(schedule, "begin", begin_and_change)


@sabotage(breaks=(_RESTORED,), shows=("newest backup: finished 72",))
def newest_backup_three_days_old(platform: Platform) -> None:
    """No base backup has been taken for three days."""

    def lose(agent: Agent, now: datetime) -> None:
        young = timedelta(days=2, hours=12)
        agent.forget(e for e in agent.catalogue.entries if e.kind == "base" and now - e.finished < young)

    _after_beginning(platform, lose)
    platform.replace(schedule, "due", lambda *_arguments: False)


@sabotage(
    breaks=(_RESTORED,),
    shows=(
        "1 missing of",
        "the restore ended with code 1",
    ),
)
def wal_segment_missing(platform: Platform) -> None:
    """One segment of write-ahead log, written after the newest base backup, never got to the backup store."""
    keep = Agent.keep
    lost: list[str] = []

    def keep_all_but_one(self: Agent, path: Path) -> None:
        ends = [entry.end_segment for entry in self.catalogue.entries if entry.kind == "base"]
        if not lost and ends and wal.SEGMENT.fullmatch(path.name) and path.name > max(ends):
            lost.append(path.name)
        else:
            keep(self, path)

    async def fill_segments(platform: Platform) -> None:
        async with await AsyncConnection.connect(platform.urls["superuser"], autocommit=True) as superuser:
            for _ in range(3):
                await superuser.execute("UPDATE operations.heartbeat SET beaten_at = clock_timestamp()")
                await superuser.execute("SELECT pg_switch_wal()")
        archived = platform.folder / "backup-store" / "wal"
        async with asyncio.timeout(_WAIT_SECONDS):
            while not lost or max(path.name[:24] for path in archived.iterdir()) <= lost[0]:
                await asyncio.sleep(0.05)

    platform.replace(Agent, "keep", keep_all_but_one)
    platform.on("settled", fill_segments)


@sabotage(breaks=(_RESTORED,), shows=("0 bytes before compression",))
def backup_of_zero_bytes(platform: Platform) -> None:
    """The newest base backup has nothing in it: the backup program failed, and nobody looked at its exit code."""

    def emptied(agent: Agent, entry: Entry) -> None:
        stored = agent.store.put(entry.name, agent.key.seal(entry.name, compressed([])))
        agent.catalogue.add([replace(entry, size_bytes=stored.size_bytes, sha256=stored.sha256, plain_bytes=0)])

    def empty_newest(agent: Agent, _now: datetime) -> None:
        emptied(agent, max((e for e in agent.catalogue.entries if e.kind == "base"), key=lambda entry: entry.finished))

    take = Agent.take_base_backup

    def take_nothing(self: Agent) -> Entry:
        entry = take(self)
        emptied(self, entry)
        return entry

    _after_beginning(platform, empty_newest)
    platform.replace(Agent, "take_base_backup", take_nothing)


# With no write-ahead log in the store, nobody sees whether it would have been encrypted.
@sabotage(
    breaks=(_RESTORED,),
    blinds=(_ENCRYPTED,),
    shows=(
        "the store holds no write-ahead log",
        "the store does not have it",
    ),
)
def archive_command_always_succeeds(platform: Platform) -> None:
    """The archive command says success and copies nothing, so that PostgreSQL throws its write-ahead log away."""
    platform.replace(wal, "archive_command", lambda _spool: "true")


@sabotage(breaks=(_ENCRYPTED,), also=_ROLL_UP, shows=("readable as gzip",))
def backup_plain_gzip(platform: Platform) -> None:
    """A dump of the database goes to the backup store as a plain gzip, beside the encrypted backups."""

    def dump(agent: Agent, now: datetime) -> None:
        program = postgres_binaries.folder(postgres_binaries.account()) / "pg_dump"
        command = [str(program), "--dbname", platform.urls["superuser"]]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        plain = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
        agent.store.put(f"dump/{now:%Y%m%dT%H%M%SZ}.sql.gz", [gzip.compress(plain, 1)])

    _after_beginning(platform, dump)


@sabotage(breaks=(_ENCRYPTED,), also=_ROLL_UP, shows=("holds the key",))
def backup_key_beside_backups(platform: Platform) -> None:
    """The key that opens the backups lies in the backup store, beside them."""

    def copy_key(agent: Agent, _now: datetime) -> None:
        key = agent.key.file(platform.secrets)
        shutil.copy(key, agent.store.path(key.name))

    _after_beginning(platform, copy_key)


@sabotage(
    breaks=(_ENCRYPTED,),
    also=_ROLL_UP,
    shows=(
        "readable as write-ahead log",
        "holds the word that was written",
    ),
)
def wal_archived_plain(platform: Platform) -> None:
    """Each segment of write-ahead log lies in the backup store as PostgreSQL wrote it, beside its encrypted object."""
    keep = Agent.keep

    def keep_twice(self: Agent, path: Path) -> None:
        keep(self, path)
        self.store.put(f"wal/{path.name}", [path.read_bytes()])

    platform.replace(Agent, "keep", keep_twice)
