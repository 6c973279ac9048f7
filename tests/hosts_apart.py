"""Hosts of their own on this machine: network namespaces joined by a bridge, any of which can be cut off from the others.

Whoever makes them is in a namespace of its own (`in_namespace`), in which it is root, and from which nothing else is reached.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_APART = ("unshare", "--map-root-user", "--net")
_PREFIX = "10.77.0"
HERE = f"{_PREFIX}.1"
"""The address of whoever makes the hosts."""
OWN = "10.99.0.1"
"""An address that each host has for itself, as where a service stands beside it: cut off, it still reaches that one."""


def why_not() -> str:
    """Why there can be no such hosts on this machine; empty where there can."""
    try:
        tried = subprocess.run(
            [
                *_APART,
                "sh",
                "-c",
                "ip link add name b type bridge && ip link add name c type veth peer name d && nsenter -V",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except FileNotFoundError as error:
        return f"{error.filename} is not installed (util-linux and iproute2)"
    return (tried.stderr.strip() or "it failed") if tried.returncode else ""


def in_namespace(script: Path, *arguments: str, seconds: float, environ: Mapping[str, str] | None = None) -> str:
    """What a script prints that runs in a namespace of its own; whatever becomes of it, all that it started is ended."""
    paths = os.pathsep.join(filter(None, [str(script.parent), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        [*_APART, "--kill-child", sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **(environ or {}), "PYTHONPATH": paths},
    )
    try:
        out, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, said = process.communicate()
        raise AssertionError(f"it did not end within {seconds} s: {out[-2000:]}{said[-3000:]}") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said[-6000:]
    return out


@dataclass(frozen=True, slots=True)
class Host:
    """One of the hosts; what it runs ends with the block in which the hosts were made."""

    name: str
    address: str
    folder: Path
    _pid: int
    _stack: ExitStack

    def start(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program on it; what it says goes to a file of the host's folder."""
        return _started(
            ["nsenter", "--target", str(self._pid), "--net", *command], self.folder / "said", self._stack, environ
        )

    def cut_off(self) -> None:
        """Take its cable out: from now on it reaches nobody but itself, and nobody reaches it, or is told so."""
        _ip("link", "set", f"to-{self.name}", "down")


@contextmanager
def hosts(folder: Path, *names: str) -> Iterator[tuple[Host, ...]]:
    """Hosts of those names (a few letters each), for the block."""
    with ExitStack() as stack:
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "name", "between", "type", "bridge")
        _ip("address", "add", f"{HERE}/24", "dev", "between")
        _ip("link", "set", "between", "up")
        yield tuple(_host(folder / name, name, number, stack) for number, name in enumerate(names, 2))


def here(command: Sequence[str], said: Path, stack: ExitStack, environ: Mapping[str, str] | None = None) -> None:
    """Start a program where the hosts are made, which ends with `stack`."""
    _started(command, said, stack, environ)


def _host(folder: Path, name: str, number: int, stack: ExitStack) -> Host:
    folder.mkdir()
    # A process that does nothing holds the namespace, until whoever started it is gone; it says that it has entered it.
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    stack.callback(_end, holder)
    assert holder.stdout is not None
    holder.stdout.readline()
    address = f"{_PREFIX}.{number}"
    _ip("link", "add", "name", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
    _ip("link", "set", f"to-{name}", "master", "between", "up")
    for words in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("address", "add", f"{OWN}/32", "dev", "lo"),
    ):
        _run("nsenter", "--target", str(holder.pid), "--net", "ip", *words)
    return Host(name, address, folder, holder.pid, stack)


def _started(
    command: Sequence[str], said: Path, stack: ExitStack, environ: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    stream = stack.enter_context(said.open("ab"))
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        env={**os.environ, **(environ or {})},
        cwd=said.parent,
    )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in filter(None, (process.stdin, process.stdout)):
        stream.close()


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
