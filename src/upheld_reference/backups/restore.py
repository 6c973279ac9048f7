"""Restoring the database as it was at an instant, into a scratch server."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from upheld_reference import postgres
from upheld_reference.backups import catalogue, wal
from upheld_reference.backups.catalogue import Catalogue, CatalogueError, Entry
from upheld_reference.backups.sealing import BackupKey, SealError
from upheld_reference.backups.store import Store
from upheld_reference.postgres import Postgres
from upheld_reference.postgres_binaries import PostgresError

_CHUNK_BYTES = 1 << 18
_TAIL_LINES = 12
# Python 3.11.4 and newer can refuse members that point elsewhere; older ones do not know the argument.
_CAREFULLY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


class RestoreError(Exception):
    """The database could not be restored as it was at that instant; the message says what was in the way."""


class Restored:
    """A scratch server with the restored database; as a context manager it is stopped at the end of the block."""

    def __init__(self, server: Postgres, base: Entry) -> None:
        """For `restore` only."""
        self._server = server
        self.base = base
        """The base backup that recovery began with."""

    @property
    def url(self) -> str:
        """The URL of the superuser; whoever may enter the server's folder needs no password."""
        return postgres.url(postgres.SUPERUSER, "", self._server.home)

    def stop(self) -> None:
        """Stops the server and removes its folder."""
        self._server.stop()

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()


def restore(store: Path, key: Path, target: datetime, folder: Path) -> Restored:
    """A running server with the database as it was at ``target``, from the backups in the folder ``store``.

    ``key`` is the file of the backup key. ``folder`` is made; what is decrypted lies in it, or in a temporary folder when
    PostgreSQL's account cannot enter it. Raises RestoreError when the catalogue or an object is not as it was written, when
    no base backup was finished by then, when write-ahead log is missing, or when the archive does not reach ``target`` yet.
    """
    if target.tzinfo is None:
        raise RestoreError("the instant has no time zone")
    try:
        backup_key = BackupKey.load(key)
        objects = Store(store)
        entries = Catalogue(objects.path(catalogue.FILE_NAME), backup_key).load().entries
    except (OSError, SealError, CatalogueError) as error:
        raise RestoreError(f"the backups cannot be read: {error}") from error
    bases = [entry for entry in entries if entry.kind == "base" and entry.finished <= target]
    if not bases:
        raise RestoreError(f"no base backup was finished by {target.isoformat()}")
    base = max(bases, key=lambda entry: entry.finished)
    folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    server = _Scratch(folder, objects, backup_key, base, entries, target)
    try:
        server.start()
        server.wait()
    except PostgresError as error:
        log = server.log_file.read_text(encoding="utf-8", errors="replace") if server.log_file.exists() else ""
        server.stop()
        tail = "\n".join(log.splitlines()[-_TAIL_LINES:])
        gaps = wal.gaps({entry.start_segment for entry in entries if entry.kind == "wal"})
        missing = f" (the archive lacks {', '.join(gaps)})" if gaps else ""
        raise RestoreError(f"not restored to {target.isoformat()}{missing}: {error}\n{tail}") from error
    return Restored(server, base)


class _Scratch(Postgres):
    """A server that recovers instead of beginning empty."""

    def __init__(
        self, folder: Path, store: Store, key: BackupKey, base: Entry, entries: tuple[Entry, ...], target: datetime
    ) -> None:
        super().__init__(folder, folder / "recovery.log")
        self._store, self._key, self._base, self._target = store, key, base, target
        first = wal.segment_number(base.start_segment)
        self._segments = [e for e in entries if e.kind == "wal" and wal.segment_number(e.start_segment) >= first]

    def _create(self, log: IO[bytes]) -> None:
        del log  # nothing is run before the server itself
        self.home.mkdir(mode=0o700, exist_ok=True)
        archive = self.home / "archive"
        archive.mkdir(mode=0o700)
        try:
            with self._plain(self._base) as plain, tarfile.open(fileobj=plain) as packed:
                packed.extractall(self.data, **_CAREFULLY)  # noqa: S202 - it authenticated, so this platform wrote it  # nosec B202
            for entry in self._segments:
                with self._plain(entry) as plain, (archive / entry.start_segment).open("wb") as file:
                    shutil.copyfileobj(plain, file)
        except (OSError, SealError, tarfile.TarError, zlib.error) as error:
            raise PostgresError(f"a backup object cannot be used: {error}") from error
        self.data.chmod(0o700)
        (self.data / "recovery.signal").touch(mode=0o600)
        at = self._target.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
        place = str(archive).replace("%", "%%").replace("'", "''")
        settings = {
            "restore_command": f'cp "{place}/%f" "%p"',
            "recovery_target_time": at,
            "recovery_target_action": "promote",
            "recovery_target_timeline": "current",
            "archive_mode": "off",
            "archive_command": "",
            "hot_standby": "off",
            "log_statement": "none",
            "unix_socket_directories": str(self.home).replace("'", "''"),
        }
        with (self.data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        # Nobody knows the passwords of an old backup by heart; the folder around the socket decides who may come in.
        (self.data / "pg_hba.conf").write_text("local all all trust\n", encoding="ascii")
        if self._account is not None:
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)

    def _name_database(self) -> None:
        """It has its name."""

    def _plain(self, entry: Entry) -> IO[bytes]:
        """The content of an object, in a file without a name; nothing is read from it before it has authenticated."""
        with tempfile.TemporaryFile(dir=self.home) as packed:
            with self._store.path(entry.name).open("rb") as sealed:
                self._key.open_into(entry.name, sealed, packed)
            packed.seek(0)
            plain: IO[bytes] = tempfile.TemporaryFile(dir=self.home)  # noqa: SIM115 - the caller closes it
            unpacker = zlib.decompressobj()
            while piece := packed.read(_CHUNK_BYTES):
                plain.write(unpacker.decompress(piece))
            plain.write(unpacker.flush())
            if not unpacker.eof:
                plain.close()
                raise zlib.error(f"{entry.name} is incomplete")
        plain.seek(0)
        return plain
