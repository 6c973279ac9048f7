"""The programs and libraries that probes stand on beside those that upheld always brings, and how to install them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from upheld.errors import Unobservable
from upheld.probes.chromium import INSTALL, PROGRAMS
from upheld.probes.tools import find_tool
from upheld.target.model import Target


@dataclass(frozen=True, slots=True)
class Tool:
    """A program (one of `programs`) or a library (importable as `module`), the probes that need it, and how to install it.

    `only` and `applies` narrow that down: to checks whose code holds these words, to targets of which it is true.
    """

    name: str
    install: str
    probes: tuple[str, ...]
    programs: tuple[str, ...] = ()
    module: str = ""
    only: tuple[str, ...] = ()
    applies: Callable[[Target], bool] = lambda _: True

    def find(self) -> str:
        """Where it is or of which version; raises Unobservable with how to install it."""
        if self.module:
            if importlib.util.find_spec(self.module) is None:
                raise Unobservable(f"{self.name} is not installed: {self.install}")
            try:
                return version(self.name)
            except PackageNotFoundError:
                return "installed"
        for program in self.programs:
            try:
                return find_tool(program, self.install)
            except Unobservable:
                continue
        raise Unobservable(f"{self.name} is not installed: {self.install}")


def _connects(*schemes: str) -> Callable[[Target], bool]:
    def applies(target: Target) -> bool:
        connection = target.host.connection if target.host else None
        return bool(connection) and (not schemes or urlsplit(connection or "").scheme in schemes)

    return applies


def _reads_logs(*kinds: str, by: tuple[str, ...] = ()) -> Callable[[Target], bool]:
    """Whether a log is of one of these kinds and read by this machine's own program, or is read through such a connection."""

    def applies(target: Target) -> bool:
        return any(
            urlsplit(one.connection).scheme in by if one.connection else any(getattr(one, kind) for kind in kinds)
            for one in target.logs
        )

    return applies


def _engine(kind: str) -> Callable[[Target], bool]:
    """Whether this machine's engine of that kind keeps a log, or leads to one."""

    def applies(target: Target) -> bool:
        kept = (one.docker for one in target.logs if one.docker is not None and one.connection is None)
        return any(one.podman is (kind == "podman") for one in kept) or _reads_logs(by=(kind,))(target)

    return applies


def _forge_is(kind: str) -> Callable[[Target], bool]:
    return lambda target: target.forge is not None and target.forge.kind == kind


def _extra(name: str) -> str:
    return f"pip install 'upheld[{name}]'"


_READ_GIT = ("git", "code", "codebase", "dependencies", "tls_in_code")

TOOLS = (
    Tool("sslyze", "pip install sslyze", ("tls",), module="sslyze"),
    Tool("pysequoia", "pip install pysequoia", ("publication",), module="pysequoia", only=("security_txt_signature",)),
    Tool("chromium", INSTALL, ("browsing",), programs=PROGRAMS),
    Tool("git", "apt-get install git", ("repositories",), programs=("git",)),
    Tool("dulwich", _extra("code"), _READ_GIT, module="dulwich"),
    Tool("pathspec", _extra("code"), ("codebase",), module="pathspec", only=("owners",)),
    Tool("bandit", _extra("code"), ("code",), programs=("bandit",), only=("bandit",)),
    Tool(
        "semgrep",
        "pipx install semgrep, in an environment of its own",
        ("code",),
        programs=("semgrep",),
        only=("semgrep",),
    ),
    Tool("pip-audit", _extra("code"), ("dependencies",), programs=("pip-audit",)),
    Tool("packaging", _extra("code"), ("dependencies",), module="packaging"),
    Tool("semver", _extra("code"), ("dependencies",), module="semver"),
    Tool("python-gitlab", _extra("gitlab"), ("forge",), module="gitlab", applies=_forge_is("gitlab")),
    Tool("pytest-testinfra", _extra("host"), ("host",), module="testinfra", applies=_connects()),
    Tool("ssh", "apt-get install openssh-client", ("host",), programs=("ssh",), applies=_connects("ssh")),
    Tool("docker", "apt-get install docker.io", ("host",), programs=("docker",), applies=_connects("docker")),
    Tool("podman", "apt-get install podman", ("host",), programs=("podman",), applies=_connects("podman")),
    Tool("lxc", "apt-get install lxd-client", ("host",), programs=("lxc",), applies=_connects("lxc")),
    Tool(
        "kubectl",
        "see kubernetes.io/docs/tasks/tools",
        ("host",),
        programs=("kubectl",),
        applies=_connects("kubectl"),
    ),
    Tool(
        "pytest-testinfra",
        _extra("host"),
        ("logs",),
        module="testinfra",
        applies=_reads_logs(by=("local", "ssh", "docker", "podman", "kubectl")),
    ),
    Tool("ssh", "apt-get install openssh-client", ("logs",), programs=("ssh",), applies=_reads_logs(by=("ssh",))),
    Tool("journalctl", "apt-get install systemd", ("logs",), programs=("journalctl",), applies=_reads_logs("journald")),
    Tool("docker", "apt-get install docker.io", ("logs",), programs=("docker",), applies=_engine("docker")),
    Tool("podman", "apt-get install podman", ("logs",), programs=("podman",), applies=_engine("podman")),
    Tool(
        "kubectl",
        "see kubernetes.io/docs/tasks/tools",
        ("logs",),
        programs=("kubectl",),
        applies=_reads_logs("kubectl", by=("kubectl",)),
    ),
    Tool("fsspec", _extra("backups"), ("backups",), module="fsspec"),
    Tool("jsonschema", _extra("input"), ("api_input",), module="jsonschema"),
    Tool("holidays", _extra("registers"), ("calendar",), module="holidays"),
    Tool("pycountry", _extra("registers"), ("registers",), module="pycountry", only=("privacy_policy",)),
    Tool("pyotp", _extra("staff"), ("staff", "staff_changes"), module="pyotp"),
)


def needed_by(probe: str, target: Target) -> Iterator[Tool]:
    """The tools that a probe stands on for such a target."""
    return (one for one in TOOLS if probe in one.probes and one.applies(target))
