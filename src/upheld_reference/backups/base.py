"""Taking a base backup with pg_basebackup, as a stream."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from upheld_reference import postgres_binaries

_CHUNK_BYTES = 1 << 18
_START = re.compile(r"write-ahead log start point: (?P<lsn>[0-9A-F]+/[0-9A-F]+) on timeline (?P<timeline>\d+)")
_END = re.compile(r"write-ahead log end point: (?P<lsn>[0-9A-F]+/[0-9A-F]+)")


class BackupError(Exception):
    """A backup was not taken; the message has what pg_basebackup said."""


@dataclass(frozen=True)
class Span:
    """From where to where recovery needs the write-ahead log."""

    timeline: int
    start_lsn: str
    end_lsn: str


class BaseBackup:
    """One run of pg_basebackup; its output is a tar archive with the manifest and the WAL that makes it consistent."""

    def __init__(self, url: str) -> None:
        """Plans to connect to ``url``, whose role needs the attribute REPLICATION and nothing else."""
        parts = conninfo_to_dict(url)
        self._password = str(parts.pop("password", ""))
        self._conninfo = make_conninfo("", **{**parts, "dbname": None})
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self.plain_bytes = 0
        """How much it has given so far."""
        self.span: Span | None = None
        """Known once the stream has ended."""

    def stream(self) -> Iterator[bytes]:
        """The archive, piece by piece; raises BackupError at its end when pg_basebackup did not end well."""
        program = postgres_binaries.folder(postgres_binaries.account()) / "pg_basebackup"
        arguments = [
            "--format=tar",
            "--pgdata=-",
            "--wal-method=fetch",
            "--checkpoint=fast",
            "--verbose",
            "--no-password",
        ]
        with tempfile.TemporaryFile() as said:
            self._process = process = subprocess.Popen(
                [program, *arguments, "--dbname", self._conninfo],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                # The password is not an argument, for everybody on the host may read those.
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "PGPASSWORD": self._password},
            )
            try:
                if self._stopping:
                    process.kill()
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                while piece := process.stdout.read(_CHUNK_BYTES):
                    self.plain_bytes += len(piece)
                    yield piece
                code = process.wait()
            finally:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()
            said.seek(0)
            text = said.read().decode("utf-8", "replace")
        start, end = _START.search(text), _END.search(text)
        if code != 0 or start is None or end is None:
            raise BackupError(f"pg_basebackup ended with {code}: {text.strip()}")
        self.span = Span(int(start["timeline"]), start["lsn"], end["lsn"])

    def stop(self) -> None:
        """Ends it, so that the stream fails; it may be called in another thread."""
        self._stopping = True
        if self._process is not None:
            self._process.kill()
