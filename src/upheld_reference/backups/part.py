"""Backups, as a part of the deployment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from upheld_reference import postgres_binaries
from upheld_reference.backups import catalogue, schedule, sealing, wal
from upheld_reference.backups.agent import FAILURES, Agent
from upheld_reference.backups.catalogue import Catalogue
from upheld_reference.backups.sealing import BackupKey
from upheld_reference.backups.store import Store
from upheld_reference.logs import app_log
from upheld_reference.parts import Part

HEARTBEAT_TABLE = "operations.heartbeat"
"""A row that is written after others wrote, so that there is a transaction to stop at after any instant."""
_BEAT = "UPDATE operations.heartbeat SET beaten_at = clock_timestamp()"
_RETRY_SECONDS = 2.0
_NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"


class BackupPart(Part):
    """Archives the write-ahead log, takes base backups, and tells where they are."""

    _agent: Agent
    _beginning: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Turns archiving on; the first base backup is taken while the other parts get ready."""
        platform, settings = self.platform, self.platform.settings
        spool = self.spool
        spool.mkdir(mode=0o700)
        if (account := postgres_binaries.account()) is not None:
            os.chown(spool, account.uid, account.gid)
        key = BackupKey.create(platform.secrets)
        store = Store(platform.folder / "backup-store")
        store.folder.mkdir(mode=0o700)
        self._head.parent.mkdir(mode=0o700)
        entries = Catalogue(store.path(catalogue.FILE_NAME), key, self._head)
        self._agent = Agent(platform.urls["backup"], spool, store, entries, key)
        await wal.configure(platform.urls["superuser"], spool, settings.wal_archive_timeout_seconds)
        begin = asyncio.to_thread(schedule.begin, self._agent, datetime.now(UTC))
        self._beginning = asyncio.create_task(begin, name="first base backup")

    @property
    def spool(self) -> Path:
        """Where PostgreSQL puts finished segments, beside its data: its account must write there, and nobody else may."""
        return Path(str(conninfo_to_dict(self.platform.urls["superuser"])["host"])) / "wal-spool"

    @property
    def _head(self) -> Path:
        """What the host remembers of the catalogue."""
        return self.platform.folder / "backup-state" / "catalogue.head"

    async def settle(self) -> None:
        """Waits for the first base backup, empties the spool, and lets go of write-ahead log from before that backup."""
        if self._beginning is not None:
            await self._beginning
        await asyncio.to_thread(self._agent.drain)
        await self._expire()

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """The agent, the daily backup and the heartbeat."""
        return {"WAL agent": self._archive(), "base backups": self._back_up(), "heartbeat": self._beat()}

    def facts(self) -> dict[str, Any]:
        """Where backups are, what opens them, and what is promised of them."""
        settings = self.platform.settings
        agent = self._agent
        return {
            "backups": {
                "store": str(agent.store.folder),
                "catalogue": str(agent.catalogue.path),
                "catalogue_head": str(self._head),
                "spool": str(self.spool),
                "keys": [{"id": agent.key.key_id, "file": str(agent.key.file(self.platform.secrets))}],
                "format": {
                    "cipher": "AES-256-GCM",
                    "header_bytes": sealing.HEADER_BYTES,
                    "key_id_offset": len(sealing.VERSION),
                    "key_id_bytes": sealing.KEY_ID_BYTES,
                    "nonce_bytes": sealing.NONCE_BYTES,
                    "tag_bytes": sealing.TAG_BYTES,
                    "associated_data": "{name}",
                    "compression": "zlib",
                    "base": "tar",
                },
                "interval_hours": settings.backup_interval_hours,
                "window_days": settings.backup_window_days,
                "archive_timeout_seconds": settings.wal_archive_timeout_seconds,
                "segment_bytes": wal.SEGMENT_BYTES,
                "heartbeat_table": HEARTBEAT_TABLE,
            }
        }

    async def close(self) -> None:
        """Ends the agent's work, so that nothing is written any more."""
        if hasattr(self, "_agent"):
            await asyncio.to_thread(self._agent.stop)
        if self._beginning is not None:
            await asyncio.gather(self._beginning, return_exceptions=True)

    async def _archive(self) -> None:
        while True:
            await asyncio.sleep(self.platform.settings.spool_poll_seconds)
            try:
                await asyncio.to_thread(self._agent.drain)
            except FAILURES:  # the files stay in the spool, and the next round tries again
                app_log.exception("write-ahead log did not get from the spool to the store")
                await asyncio.sleep(_RETRY_SECONDS)

    async def _back_up(self) -> None:
        settings = self.platform.settings
        interval = timedelta(hours=settings.backup_interval_hours)
        while True:
            await asyncio.sleep(settings.backup_poll_seconds)
            try:
                if schedule.due(self._agent.catalogue.entries, datetime.now(UTC), interval):
                    await asyncio.to_thread(self._agent.take_base_backup)
                await self._expire()
            except FAILURES:
                app_log.exception("the base backup failed")

    async def _expire(self) -> None:
        window = timedelta(days=self.platform.settings.backup_window_days)
        gone = schedule.expired(self._agent.catalogue.entries, datetime.now(UTC), window)
        await asyncio.to_thread(self._agent.forget, gone)

    async def _beat(self) -> None:
        """Writes the heartbeat whenever somebody else has written since, so that an idle deployment stays quiet."""
        seen = ""
        while True:
            try:
                async with await AsyncConnection.connect(self.platform.urls["backup"], autocommit=True) as db:
                    while True:
                        await asyncio.sleep(self.platform.settings.heartbeat_seconds)
                        [newest] = await (await db.execute(_NEXT_TRANSACTION)).fetchone() or [""]
                        if newest != seen:
                            await db.execute(_BEAT)
                            [seen] = await (await db.execute(_NEXT_TRANSACTION)).fetchone() or [""]
            except Exception:
                app_log.exception("the heartbeat failed")
            await asyncio.sleep(_RETRY_SECONDS)
