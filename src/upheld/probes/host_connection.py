"""Connections of testinfra that lead where the target says, and nowhere else that a client's own configuration may name."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlsplit

from upheld.errors import TimedOut, Unobservable
from upheld.probes.fence import Fence

if TYPE_CHECKING:
    from upheld.probes.scope import Scope

_SSH_PORT = 22
_CLUSTER_PORT = 443
_HOST_NAME = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:-]*")
_QUIET = (
    *(
        "CanonicalizeHostname=no",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "GSSAPIAuthentication=no",
    ),
    *("VerifyHostKeyDNS=no", "PermitLocalCommand=no", "ControlMaster=no", "ControlPath=none", "BatchMode=yes"),
)
"""What would contact others than the host, or would ask at the terminal."""
_ELSEWHERE = ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINER_CONNECTION", "LXD_DIR")
"""Variables that lead the clients of container engines to another machine."""


class Way(Protocol):
    """How a part of the target is reached: a host's description is one, and a log's."""

    @property
    def connection(self) -> str | None:
        """The testinfra URL."""

    @property
    def address(self) -> str | None:
        """The IP address that pins it."""

    @property
    def jump(self) -> str | None:
        """The jump host on the way."""

    @property
    def cluster(self) -> str | None:
        """The URL of the cluster's API."""


class Connection:
    """One connection to the host; a command through it ends with the time limit."""

    def __init__(self, description: Way, scope: Scope, seconds: float) -> None:
        """Resolves the host, and connects to nothing yet. Raises Unobservable for a place that the target does not declare."""
        self._description = description
        self._scope = scope
        self._seconds = seconds
        url = urlsplit(description.connection or "")
        self._kind = url.scheme
        options: dict[str, Any] = {}
        self._cluster: list[str] = []
        if self._kind in {"ssh", "paramiko"}:
            host, port = _place(description.connection or "")
            if self._kind == "ssh":
                options["ssh_extra_args"] = self._ssh(host, port)
                options["controlpersist"] = 0
            elif description.jump is not None:
                raise Unobservable("host.jump goes with ssh://, not with paramiko://")
            else:
                self._scope.reach("the host", host, port, description.address)
        elif self._kind == "kubectl":
            given = parse_qs(url.query)
            named: dict[str, str] = {name: given[name][0] for name in ("kubeconfig", "context") if name in given}
            self._cluster = cluster_flags(description, scope, seconds, named)
        elif self._kind == "lxc" and ":" in url.netloc:
            raise Unobservable("lxc:// names a remote of its own configuration, which is not declared by the target")
        import testinfra  # type: ignore[import-untyped]  # noqa: PLC0415  (an extra, and slow to import)

        self._host: Any = testinfra.get_host(description.connection, **options)
        self._host.backend.run_local = self._run_local

    def run(self, command: str) -> Any:
        """What testinfra gives for the command: rc, stdout and stderr."""
        with self._fenced():
            return self._host.run(command)

    def line(self, command: str) -> str:
        """The line for a shell of this machine that runs the command through the connection; nothing is run by this."""
        lines: list[str] = []
        backend = self._host.backend

        def kept(text: str, *arguments: str) -> Any:
            lines.append(self._text(text, *arguments))
            return backend.result(0, b"", b"", b"")

        backend._encoding = "utf-8"  # noqa: SLF001  (else it would ask the host for it)
        backend.run_local = kept
        try:
            self._host.run(command)
        finally:
            backend.run_local = self._run_local
        if len(lines) != 1:
            raise Unobservable(f"{self._kind}:// takes no commands whose output is read while they run")
        return lines[0]

    def _fenced(self) -> AbstractContextManager[None]:
        if self._kind != "paramiko":
            return contextlib.nullcontext()
        # A ProxyCommand of somebody's own configuration would be a program that connects elsewhere.
        inner = self._scope.fence
        return Fence(inner.permits, inner.addresses, processes=False).up()

    def _ssh(self, host: str, port: int) -> str:
        """Arguments that outrank ~/.ssh/config (ssh_config(5): the first value counts) and pin the address."""
        jump = self._description.jump
        if jump is None:
            address = self._scope.reach("the host", host, port, self._description.address)[0]
            return _arguments(_pinned(host, port, address))
        bastion, bastion_port = _place(f"ssh://{jump}")
        first = self._scope.reach("the jump host", bastion, bastion_port)[0]
        user = jump.rpartition("@")[0]
        # As ssh has it for its own ProxyJump: the same configuration says which key is used there.
        given = parse_qs(urlsplit(self._description.connection or "").query).get("ssh_config", [])[:1]
        way = [
            "ssh",
            *(part for one in given for part in ("-F", one)),
            *_flags(_pinned(bastion, bastion_port, first)),
            *(["-l", user] if user else []),
        ]
        # Behind a jump host the name is for the jump host to resolve.
        inner = self._description.address or host
        way += ["-W", f"[{inner}]:{port}" if ":" in inner else f"{inner}:{port}", bastion]
        return _arguments(
            [f"HostKeyAlias={_alias(host, port)}", f"Port={port}", f"ProxyCommand={shlex.join(way)}", *_QUIET]
        )

    def _run_local(self, command: str, *arguments: str) -> Any:
        """In place of testinfra's own, which has no time limit, and gives programs all of this process's environment."""
        backend = self._host.backend
        text = self._text(command, *arguments)
        done = _done(text, self._seconds)
        return backend.result(done.returncode, backend.encode(text), done.stdout, done.stderr)

    def _text(self, command: str, *arguments: str) -> str:
        text = str(self._host.backend.quote(command, *arguments))
        if self._cluster:
            text = f"kubectl {shlex.join(self._cluster)} {text.removeprefix('kubectl ')}"
        return text


def cluster_flags(description: Way, scope: Scope, seconds: float, named: Mapping[str, str]) -> list[str]:
    """The flags that hold kubectl to the declared server, once its configuration, as `named`, names the same one."""
    declared = description.cluster
    if declared is None:
        raise Unobservable("the target does not say at which URL the cluster's API is (host.cluster)")
    flags = [f"--{name}={value}" for name, value in named.items()]
    asked = _done(["kubectl", *flags, "config", "view", "--minify", "--output=json"], seconds)
    try:
        server = str(json.loads(asked.stdout)["clusters"][0]["cluster"]["server"])
    except (ValueError, LookupError, TypeError):
        raise Unobservable("kubectl does not say which server its configuration names") from None
    there, here = urlsplit(server), urlsplit(declared)
    if (there.scheme, there.hostname, there.port or _CLUSTER_PORT) != (
        here.scheme,
        here.hostname,
        here.port or _CLUSTER_PORT,
    ):
        raise Unobservable(f"kubectl is configured for {server}, which is not the cluster that the target declares")
    host, port = here.hostname or "", here.port or _CLUSTER_PORT
    address = scope.reach("the cluster", host, port, description.address)[0]
    shown = f"[{address}]" if ":" in address else address
    return [f"--server={here.scheme}://{shown}:{port}{here.path}", f"--tls-server-name={host}"]


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _SSH_PORT
    except ValueError:
        raise Unobservable(f"{url} is no connection to a host") from None
    if not _HOST_NAME.fullmatch(host):
        raise Unobservable(f"{url} names no host")
    return host, port


def _pinned(host: str, port: int, address: str) -> list[str]:
    way = [
        f"HostName={address}",
        f"HostKeyAlias={_alias(host, port)}",
        f"Port={port}",
        "ProxyJump=none",
        "ProxyCommand=none",
    ]
    return [*way, *_QUIET]


def _alias(host: str, port: int) -> str:
    """What known_hosts calls the host."""
    return host if port == _SSH_PORT else f"[{host}]:{port}"


def _flags(options: list[str]) -> list[str]:
    return [part for one in options for part in ("-o", one)]


def _arguments(options: list[str]) -> str:
    return shlex.join(_flags(options))


def kept_environment() -> dict[str, str]:
    """This process's environment without variables that lead clients to another machine."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if "proxy" not in key.lower() and (key not in _ELSEWHERE or value.startswith("unix://"))
    }
    if "DOCKER_HOST" not in environment:
        environment["DOCKER_CONTEXT"] = "default"
    return environment


def _done(command: str | list[str], seconds: float) -> subprocess.CompletedProcess[bytes]:
    """Run a program (or a shell's line, as testinfra has it) to its end, without variables that lead it elsewhere."""
    with subprocess.Popen(
        command,
        shell=isinstance(command, str),  # nosec B602  (a line that the target file gives)
        env=kept_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimedOut(f"the host gave no answer within {seconds:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
