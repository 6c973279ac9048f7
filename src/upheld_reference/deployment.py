"""Starting and stopping a deployment from another process; light to import."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

_READY_SECONDS = 30.0
_STOP_SECONDS = 15.0
_TAIL_LINES = 30


class DeploymentError(Exception):
    """A deployment did not get ready; the message has the last that its process said."""


class Deployment:
    """A running deployment; as a context manager it is stopped at the end of the block."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], facts: dict[str, Any]) -> None:
        """For ``start`` only."""
        self.folder = folder
        """The folder that holds everything of it."""
        self.facts = facts
        """What deployment.json says: ports, names, URLs, identities, paths."""
        self._process = process

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Waits until its process ends and returns the exit code; raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout_seconds)

    def stop(self) -> None:
        """Stops it and removes what it left; does nothing to one that is stopped already."""
        _end(self._process)
        shutil.rmtree(self.facts["postgres"]["home"], ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill_postgres(self) -> None:
        """Ends its PostgreSQL at once, as a crash of the database would; the rest goes on."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.facts["postgres"]["pid"], signal.SIGQUIT)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()


class Starting:
    """A deployment that comes up in a process of its own, while whoever began it does something else."""

    def __init__(self, sabotages: Sequence[str] = (), folder: Path | None = None) -> None:
        """Begins one; ``folder`` must be new or empty, else DeploymentError is raised. Without it there is a new temporary one."""
        if folder is not None and folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise DeploymentError(f"{folder} is not an empty folder; it would be removed when the deployment stops")
        self._folder = Path(tempfile.mkdtemp(prefix="rivet-")) if folder is None else folder.absolute()
        try:
            self._process = _launch(self._folder, sabotages)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def ready(self) -> Deployment:
        """The deployment, once it is ready; raises DeploymentError as ``start`` does."""
        try:
            return Deployment(self._folder, self._process, _await_ready(self._folder, self._process))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Gives it up and removes what it left."""
        _end(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)


def start(sabotages: Sequence[str] = (), folder: Path | None = None) -> Deployment:
    """Starts a deployment with the named sabotages and returns when it is ready.

    ``folder`` must be new or empty; without it there is a new temporary one. Raises DeploymentError, with the last lines
    that the process wrote to standard error, when it does not get ready within 30 s.
    """
    return Starting(sabotages, folder).ready()


def _launch(folder: Path, sabotages: Sequence[str]) -> subprocess.Popen[str]:
    chosen = [part for name in sabotages for part in ("--sabotage", name)]
    return subprocess.Popen(
        [sys.executable, "-m", "upheld_reference.server", "--folder", str(folder), *chosen],
        stdin=subprocess.PIPE,  # it stops when this pipe closes, which it does when this process ends
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # a Ctrl-C in the terminal is for this process, which then stops it in order
    )


def _await_ready(folder: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """The facts of a deployment once it is ready; raises DeploymentError when it ends or takes too long instead."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
    errors = _drain(process.stderr, tail.append)
    _drain(process.stdout, said.put, at_end=lambda: said.put(""))
    try:
        ready = said.get(timeout=_READY_SECONDS).strip() == "ready"
        what = "ended"
    except queue.Empty:
        ready, what = False, f"was not ready after {_READY_SECONDS:.0f} s"
    if ready:
        facts: dict[str, Any] = json.loads((folder / "deployment.json").read_text(encoding="utf-8"))
        return facts
    _end(process)
    errors.join(1.0)
    code = process.returncode
    raise DeploymentError(f"the deployment {what} (exit code {code}):\n{''.join(tail).strip() or 'it said nothing'}")


def _drain(
    stream: IO[str] | None, put: Callable[[str], None], at_end: Callable[[], None] | None = None
) -> threading.Thread:
    """Reads ``stream`` to its end in a thread, so that its writer never waits."""

    def read() -> None:
        with stream or contextlib.nullcontext(()) as lines:
            for line in lines:
                put(line)
        if at_end is not None:
            at_end()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the process in order if it lets itself, and else by force."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
