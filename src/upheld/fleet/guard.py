"""The process between a worker and an audit: it ends the audit, and all that the audit started, when its time is over.

It knows no network and imports nothing of upheld: `python -I guard.py ORDER`, where ORDER is JSON. Its parent tells it on stdin until
when the audit may go on, as lines `until SECONDS` (of `CLOCK_BOOTTIME`) or `stop`. When stdin ends its parent is gone. On stdout it
says first which process group the audit has, and at the end, in one line of JSON, what became of it.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

KEPT = 64 * 1024
"""Bytes of the audit's output that are kept, the last ones."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_LOOK = 0.1
_PIECE = 1 << 16
_REAPING = 20.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> None:
    """Start what the order says, watch it to its end, and say how it ended."""
    order = json.loads(sys.argv[1])
    # Whatever the audit leaves behind in sessions of its own becomes a child of this process, which can end it then.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    process = subprocess.Popen(
        order["command"],
        cwd=order["folder"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  (this process has one thread)
    )
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # Not before: the audit would ignore it too, and not end when it is asked to.
    _say({"group": process.pid})
    watch = _Watch(process, order)
    watch.to_the_end()
    _end(process)
    said = (watch.said + _rest(process))[-KEPT:]
    _say({"how": watch.how, "code": process.returncode, "said": said.decode("utf-8", "replace")})


class _Watch:
    """The audit, until when it may go on, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], order: dict[str, Any]) -> None:
        self._process = process
        self._until: float = order["until"]
        self._ends: float = _now() + order["limit"]
        self._grace: float = order["grace"]
        self._kill_at = 0.0
        self._told = b""
        self.how = ""
        self.said = b""

    def to_the_end(self) -> None:
        """Wait for the end of the audit, or of what it is allowed; `how` says which it was."""
        assert self._process.stdout is not None  # noqa: S101  (it is a pipe)
        chosen = selectors.DefaultSelector()
        for stream in (self._process.stdout, sys.stdin):
            os.set_blocking(stream.fileno(), False)
            chosen.register(stream, selectors.EVENT_READ)
        while self._process.poll() is None:
            for key, _ in chosen.select(_LOOK):
                data = _read(key.fd)
                if data == b"":
                    chosen.unregister(key.fileobj)
                if key.fileobj is not sys.stdin:
                    self.said = (self.said + (data or b""))[-KEPT:]
                elif data == b"":
                    self.how = "orphaned"
                    return
                else:
                    self._hear(data or b"")
            if self._over():
                return
        self.how = self.how or "ended"

    def _hear(self, data: bytes) -> None:
        *lines, self._told = (self._told + data).split(b"\n")
        for line in lines:
            word, _, number = line.partition(b" ")
            if word == b"until":
                self._until = float(number)
            elif word == b"stop":
                self._ask("stopped")

    def _over(self) -> bool:
        if _now() >= self._until:
            self.how = self.how or "lease"
            return True
        if _now() >= self._ends:
            self._ask("time")
        return bool(self.how) and _now() >= self._kill_at

    def _ask(self, how: str) -> None:
        """Ask the audit to end: one that is interrupted undoes what it planted, and writes what it has found."""
        if not self.how:
            self.how, self._kill_at = how, _now() + self._grace
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)


def _read(descriptor: int) -> bytes | None:
    """What is there to be read; None where there is nothing yet, and nothing at all at the end."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


def _rest(process: subprocess.Popen[bytes]) -> bytes:
    """What the audit had said and nobody had read yet."""
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    rest = b""
    with suppress(BlockingIOError):
        while data := os.read(process.stdout.fileno(), _PIECE):
            rest = (rest + data)[-KEPT:]
    return rest


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the audit and all that comes of it, and wait until nothing is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    give_up = _now() + _REAPING
    while _now() < give_up:
        found = list(_below(os.getpid()))
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            if not found:
                return
            time.sleep(0.01)
            continue
        return  # There is no child left, and so nothing below one.


def _below(root: int) -> Iterator[int]:
    """All processes that come of one, which are told by the parents of those that there are."""
    children: dict[int, list[int]] = {}
    with suppress(OSError):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, ValueError, IndexError):
                    # The name stands in parentheses, and may hold any character.
                    parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            yield pid
            waiting.append(pid)


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def _say(what: dict[str, object]) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
