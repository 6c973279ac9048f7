"""Restoring a backup by the program that the target names, and asking the restored database."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from upheld.errors import TimedOut, Unobservable
from upheld.probes import database_place

STOP_SECONDS = 20.0
"""How long the program may take to stop before it is killed."""
_TAIL = 4000
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Failed:
    """The program ended before it gave a database: its exit code, and the last lines that it said."""

    code: int
    said: str


@contextmanager
def restored(
    command: Sequence[str],
    environment: Mapping[str, str],
    url: str,
    within_seconds: float,
    at: datetime,
    folder: Path,
) -> Iterator[str | Failed]:
    """The URL of the database as it was `at`, for the block, or how the program failed; then the program is stopped.

    It runs in `folder`, in a process group of its own. Raises Unobservable when it cannot be started, gives a URL of another
    machine, or gives none in time.
    """
    scratch = Path(tempfile.mkdtemp(prefix="upheld-restore-"))
    values = {"{time}": at.astimezone(UTC).isoformat(timespec="microseconds"), "{folder}": str(scratch)}
    arguments = [_filled(argument, values) for argument in command]
    try:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise Unobservable(f"the restore command cannot be started: {arguments[0]}: {error.strerror}") from None
    try:
        yield _url(process, re.compile(url), within_seconds)
    finally:
        _stop(process)
        shutil.rmtree(scratch, ignore_errors=True)


def _url(process: subprocess.Popen[str], pattern: re.Pattern[str], within_seconds: float) -> str | Failed:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
    end, said = time.monotonic() + within_seconds, ""
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise TimedOut(f"the restore command gave no database within {within_seconds:g} s") from None
        if line is None:
            return Failed(process.wait(), said.strip())
        said = (said + line)[-_TAIL:]
        if found := pattern.search(line):
            given = found[1] if pattern.groups else found[0]
            _here(given)
            return given


def _pump(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Read all that the program says, also after its URL, so that it never waits for a reader."""
    with stream, contextlib.suppress(ValueError, OSError):
        for line in stream:
            lines.put(line)
    lines.put(None)


def _here(url: str) -> None:
    """Raises Unobservable for a database that is not on this machine: what a program prints moves no border."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415  (slow to import)
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        named = set(database_place.hosts(make_url(url)))
    except (SQLAlchemyError, ValueError):
        raise Unobservable("the restore command printed a URL that is none") from None
    if not named <= _HERE:
        raise Unobservable("the restore command gave a database on another machine, which is not looked at")


def on_this_machine(host: str, port: int) -> tuple[str, ...]:  # noqa: ARG001
    """The addresses of `localhost`, or the loopback address itself, whatever the resolver says."""
    return ("127.0.0.1", "::1") if host == "localhost" else (host,)


def _filled(argument: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace(name, value)
    return argument


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # Whatever it left behind.
    process.wait()
