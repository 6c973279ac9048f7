"""A real Podman of its own: containers from a folder of this machine's files, without an image, a network or a download."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PROGRAMS = ("sh", "cat", "tail", "stat", "sleep", "env")
_CONTAINERS = """[engine]
cgroup_manager="cgroupfs"
events_logger="file"
runtime="crun"
lock_type="file"
tmp_dir="{folder}/tmp"
[containers]
cgroups="disabled"
default_ulimits=["nofile=256:256", "nproc=1024:1024"]
"""
_STORAGE = """[storage]
driver="vfs"
runroot="{folder}/run"
graphroot="{folder}/store"
"""
_AS_ROOT = """#!/bin/sh
# crun takes no mixture of both versions of cgroups: in these mounts there is the second only.
exec unshare --mount --propagation=private sh -c \\
  'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh \\
  env CONTAINERS_CONF={folder}/containers.conf CONTAINERS_STORAGE_CONF={folder}/storage.conf {program} "$@"
"""
_AS_USER = """#!/bin/sh
exec env CONTAINERS_CONF={folder}/containers.conf CONTAINERS_STORAGE_CONF={folder}/storage.conf {program} "$@"
"""
_SAYS = 'exec 3<>/words; while read -r line <&3; do case $line in end) exit 0;; e:*) echo "${line#e:}" >&2;; *) echo "$line";; esac; done'
_WHY: list[str] = []


def cannot() -> str:
    """Why no container can be run here, as one that was tried said it; empty where one can."""
    if not _WHY:
        _WHY.append(_tried())
    return _WHY[0]


def _tried() -> str:
    for program in ("podman", "crun", "unshare"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    # What cleans up behind a container may still write there while the folder is removed: that says nothing of the engine.
    with tempfile.TemporaryDirectory(prefix="upheld-podman-", ignore_cleanup_errors=True) as folder:
        engine = Podman(Path(folder))
        try:
            engine.start("tried")
        except RuntimeError as error:
            return f"podman runs no container here: {error}"
        finally:
            engine.stop()
    return ""


class Podman:
    """The engine with a store in a folder; `bin` is a folder for PATH in which `podman` is the real one with that store."""

    def __init__(self, folder: Path) -> None:
        """Lays out the files of the containers, and starts nothing."""
        self._folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        (folder / "containers.conf").write_text(_CONTAINERS.format(folder=folder))
        (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
        script = _AS_ROOT if os.geteuid() == 0 else _AS_USER
        (self.bin / "podman").write_text(script.format(folder=folder, program=shutil.which("podman")))
        (self.bin / "podman").chmod(0o755)
        self._names: list[str] = []

    def root(self, name: str) -> Path:
        """The root folder of a container's files."""
        return self._folder / f"root-{name}"

    def start(self, name: str, *options: str) -> None:
        """Start a container that says each line that it is told; RuntimeError says why there is none."""
        root = self.root(name)
        shutil.rmtree(root, ignore_errors=True)
        for one in ("proc", "sys", "dev", "etc", "tmp", "bin", "var/log"):
            (root / one).mkdir(parents=True)
        for program in _PROGRAMS:
            found = Path(shutil.which(program) or f"/bin/{program}").resolve()
            shutil.copy(found, root / "bin" / program)
            listed = subprocess.run(["ldd", str(found)], capture_output=True, text=True, check=False).stdout
            for library in map(Path, re.findall(r"(/\S+\.so\S*)", listed)):
                into = root / library.relative_to("/")
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library.resolve(), into)
        os.mkfifo(root / "words")
        self._names.append(name)
        self.run(
            "run", "--detach", f"--name={name}", "--network=none", *options, "--rootfs", str(root), "/bin/sh", "-c", _SAYS
        )  # fmt: skip

    def say(self, name: str, *lines: str, kept: bool = True) -> None:
        """Have it print the lines, to standard error those that begin with `e:`; they are in its log then, without `kept` the last one."""
        with (self.root(name) / "words").open("w", encoding="utf-8") as words:
            words.write("".join(f"{line}\n" for line in lines))
        wanted = {one.removeprefix("e:") for one in (lines if kept else lines[-1:])}
        deadline = time.monotonic() + 20
        while not wanted <= set(self.run("logs", name).splitlines()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not say {wanted}")
            time.sleep(0.01)

    def run(self, *arguments: str) -> str:
        """Run a command of it; RuntimeError has what it said of failing."""
        done = subprocess.run(
            [str(self.bin / "podman"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout.strip()[-300:] or f"it ended with {done.returncode}")
        return done.stdout

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """The URL of a socket at which it speaks the API of Docker's engine, for the block."""
        path = self._folder / "docker.sock"
        with subprocess.Popen(
            [str(self.bin / "podman"), "system", "service", "--time=0", f"unix://{path}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as service:
            try:
                deadline = time.monotonic() + 20
                while not path.exists():
                    if service.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("podman serves no socket")
                    time.sleep(0.01)
                yield f"unix://{path}"
            finally:
                os.killpg(service.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Remove every container that was started here."""
        for name in self._names:
            subprocess.run(
                [str(self.bin / "podman"), "rm", "--force", "--time=0", name], capture_output=True, check=False
            )
