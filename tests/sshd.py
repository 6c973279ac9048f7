"""A real sshd of its own on the loopback address, with keys that are made for it: what `ssh://` is tested against."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from loopback import free_port

DAEMON = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_SETTINGS = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
KexAlgorithms curve25519-sha256
MaxStartups 100
{more}
"""
_START = 'mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && exec "$@"'
"""Started by root sshd wants its folder in /run: a /run of its own holds it, and nothing of the system's is changed."""


NOISY = 'ForceCommand echo welcome; sh -c "$SSH_ORIGINAL_COMMAND"'
"""A setting by which every command first prints a word, as shells with a greeting in their start-up files do."""


def cannot() -> str:
    """Why no sshd can be started here; empty where one can."""
    for program in ("ssh", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if DAEMON is None:
        return "sshd is not installed"
    if os.geteuid() == 0:
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
        return "" if tried.returncode == 0 else "no mounts of one's own can be made here"
    return ""


class Sshd:
    """The daemon, the key that it takes, and a configuration of ssh that knows its own key."""

    def __init__(self, folder: Path, *settings: str) -> None:
        """Starts it, and waits until it answers. `settings` are lines of sshd_config(5)."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self._folder = folder
        for name in ("host", "key", "stranger"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True
            )
        shutil.copy(folder / "key.pub", folder / "authorized")
        (folder / "sshd_config").write_text(
            _SETTINGS.format(port=self.port, folder=folder, more="\n".join(settings)), encoding="utf-8"
        )
        self.known = folder / "known_hosts"
        self.known.write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        self.config = folder / "config"
        self.config.write_text(
            f"Host *\n IdentityFile {folder}/key\n IdentitiesOnly yes\n IdentityAgent none\n"
            f" UserKnownHostsFile {self.known}\n GlobalKnownHostsFile none\n StrictHostKeyChecking yes\n",
            encoding="utf-8",
        )
        command = [str(DAEMON), "-D", "-e", "-f", str(folder / "sshd_config")]
        if os.geteuid() == 0:
            command = ["unshare", "--mount", "--propagation=private", "sh", "-c", _START, "sh", *command]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = (folder / "log").read_text(encoding="utf-8", errors="replace")
                self.stop()
                raise RuntimeError(f"sshd did not start: {said}")
            time.sleep(0.01)

    @property
    def url(self) -> str:
        """What a target's `connection` says."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}?ssh_config={self.config}"

    def logged_in(self) -> int:
        """How many times somebody got in."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace").count("Accepted publickey")

    def trusts(self, other: Sshd) -> None:
        """The same person gets in there, and ssh knows its key too: what stands in one's configuration for a jump host."""
        with self.known.open("a") as known:
            known.write(other.known.read_text())
        with (other._folder / "authorized").open("a") as authorized:
            authorized.write((self._folder / "key.pub").read_text())

    def take_another_host_key(self) -> None:
        """What ssh knows of the host is of another key from now on, as when somebody stands between."""
        self.known.write_text(f"[127.0.0.1]:{self.port} {(self._folder / 'stranger.pub').read_text()}")

    def take_no_key(self) -> None:
        """Nobody's key is let in from now on."""
        shutil.copy(self._folder / "stranger.pub", self._folder / "authorized")

    def drop(self) -> None:
        """Every connection breaks off; new ones are still taken."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in map(int, children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it, and every session of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as tried:
            return tried.recv(4) == b"SSH-"
        return False
