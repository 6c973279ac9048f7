"""A real systemd-journald of its own, whose journal is written as that of a system is, and not the system's."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

DAEMON = Path("/usr/lib/systemd/systemd-journald")
_SETTINGS = """[Journal]
Storage=volatile
ReadKMsg=no
Audit=
ForwardToSyslog=no
ForwardToWall=no
"""
_START = """
set -e
mount --bind "$1/systemd" /run/systemd
mount --bind "$1/log" /run/log
mount --bind "$1/journald.conf" /etc/systemd/journald.conf
exec "$2"
"""


def cannot() -> str:
    """Why no journald can be started here; empty where one can."""
    for program in ("journalctl", "unshare"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not DAEMON.exists() or not Path("/etc/systemd/journald.conf").exists():
        return "systemd-journald is not installed"
    if os.geteuid() != 0:
        return "only root lets journald take entries for other units"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 and Path("/run/systemd").is_dir() else "no mounts of one's own can be made here"


class Journald:
    """The daemon, and what is sent to it."""

    def __init__(self, folder: Path) -> None:
        """Starts it, and waits until it listens."""
        (folder / "systemd" / "journal").mkdir(parents=True)
        (folder / "log").mkdir()
        (folder / "journald.conf").write_text(_SETTINGS)
        self.directory = folder / "log" / "journal"
        self._socket = folder / "systemd" / "journal" / "socket"
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "sh", "-c", _START, "sh", str(folder), str(DAEMON)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until(lambda: self._socket.exists() and bool(self._files("system.journal")), "journald did not start")

    def send(self, unit: str, message: str, **fields: str) -> None:
        """An entry of that unit, once it is in the journal: root may send what concerns another unit (systemd.journal-fields(7))."""
        word = os.urandom(8).hex()
        lines = {"MESSAGE": message, "OBJECT_SYSTEMD_UNIT": unit, "PRIORITY": "6", "WORD": word, **fields}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(str(self._socket))
            client.send("".join(f"{name}={value}\n" for name, value in lines.items()).encode())
        _until(lambda: word in self._printed(f"WORD={word}"), "journald did not take an entry")

    def rotate(self) -> None:
        """Begin a new file of the journal; what was in the present one stays beside it."""
        before = len(self._files("system@*.journal"))
        self._process.send_signal(signal.SIGUSR2)
        _until(lambda: len(self._files("system@*.journal")) > before, "journald did not rotate")

    def vacuum(self) -> None:
        """Remove all files but the present one, as a full journal does."""
        for path in self._files("system@*.journal"):
            path.unlink()

    def stop(self) -> None:
        """End the daemon."""
        self._process.terminate()
        self._process.wait(10)

    def _files(self, pattern: str) -> list[Path]:
        return list(self.directory.rglob(pattern))

    def _printed(self, *match: str) -> str:
        command = ["journalctl", f"--directory={self.directory}", "--output=json", "--no-pager", *match]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.01)
