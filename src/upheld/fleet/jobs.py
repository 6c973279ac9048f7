"""What travels between a fleet's controller and its workers: a job with the files that it needs, and what became of it.

Nothing secret is in a job. References (`env:NAME`, `file:PATH`) travel as they are written, and are resolved where the audit runs.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

from upheld import __version__
from upheld.errors import InputError, Mistake

RUN = "run"
"""The folder of the run within a job's folder."""
LEASE_SECONDS = 30.0
"""How long a worker that hears nothing of its controller goes on."""
TIME_LIMIT = 1800.0
"""Seconds after which an audit is ended."""

Kind = Literal["ran", "failed", "lost", "stopped"]


class Packable(Protocol):
    """What of a member of a fleet is packed (`upheld.fleet.members.Member`)."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def base(self) -> Path: ...  # noqa: D102
    @property
    def policy(self) -> Path: ...  # noqa: D102
    @property
    def claims(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def waivers(self) -> Path | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at the audit of one target: all that a worker needs for it which is no secret.

    `files` are (path, content); `policy`, `target` and `waivers` (those besides the policy's own; empty where there are none) name some of them. `share` has the
    shape of a target's `limits`: what this attempt may send at the most. `ticket` lets it be started once.
    """

    fleet: str
    member: str
    attempt: int
    ticket: str
    files: tuple[tuple[str, bytes], ...] = field(repr=False)
    policy: str
    target: str
    waivers: str
    claims: tuple[str, ...]
    share: Mapping[str, Any]
    processes: int = 0
    lease: float = LEASE_SECONDS
    time_limit: float = TIME_LIMIT
    modified: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    """When files were changed, in nanoseconds since 1970, where that says something of them (how old a register is)."""
    machine: str = ""
    """The machine that it must run on, for a target whose host is the controller's own; empty for any."""
    version: str = __version__


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt.

    `ran`: the audit came to its end, and `archive` holds its folder; `code` is its exit code (0, 1 or 3). `failed`: it did not
    (the time limit, wrong input, a fault); the archive holds what stands of its folder, or is empty. `lost`: this start of the attempt
    did nothing, because another one has its ticket, or none was to be had. `stopped`: the controller took it back, or was not heard
    of for the length of the lease. `sent` is how many requests went to each host; where `sent_known` is false it may have been more.
    """

    member: str
    attempt: int
    kind: Kind
    reason: str
    code: int | None
    archive: bytes = field(repr=False)
    worker: str
    host: str
    started: str
    seconds: float
    sent: Mapping[str, int]
    sent_known: bool = True
    version: str = __version__


def lay_out(job: Job, folder: Path) -> None:
    """Put a job's files into a folder, with the share of the limits in the target's description; raises InputError, or OSError."""
    for path, content in job.files:
        file = folder.joinpath(*_parts(path))
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(content)
    for path, moment in job.modified:
        os.utime(folder.joinpath(*_parts(path)), ns=(moment, moment))
    target = folder.joinpath(*_parts(job.target))
    if job.share:
        from upheld.fleet.merging import shared  # noqa: PLC0415  (only where an audit begins)

        target.write_bytes(shared(target, job.share))


def machine() -> str:
    """What tells this machine, as long as it runs, from others."""
    said = [socket.gethostname()]
    for place in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with suppress(OSError):
            said.append(Path(place).read_text("ascii", "replace").strip())
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _parts(path: str) -> tuple[str, ...]:
    """A job's path in parts; raises InputError for one that leads out of its folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise InputError([Mistake(path, 0, 0, "is no path within a job")])
    return parts
