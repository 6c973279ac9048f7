"""What a worker does with a job: the audit in a process of its own, which ends with the lease, whatever else happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from upheld import __version__
from upheld.fleet import guard
from upheld.fleet.archives import NotPacked, pack_folder
from upheld.fleet.jobs import RUN, Job, Kind, Outcome, lay_out, machine
from upheld.fleet.leases import Beats, Following, Lease, Lost
from upheld.probes.meter import sent_in
from upheld.sent import read_sent

Work = Callable[[Job, Path, Lease], int]

GRACE = 10.0
"""Seconds in which an audit that is asked to end may undo what it planted; never more than the lease leaves."""
_ELSEWHERE = (
    "the target has parts that are looked at on the machine itself (a connection local://, docker://, podman:// or lxc://, or a "
    "log without one), and this worker is on another machine than the controller"
)
_TEMPORARY = "tmp"
_SHOWN = 2_000
_AUDIT = "from upheld.cli.main import main; main()"
_DECIDED = frozenset({0, 1, 3})
_FAULT = 4


class NotDone(Exception):
    """The work came to no answer: why not, and what that makes of the attempt."""

    def __init__(self, kind: Kind, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.code = kind, reason, code


def carry_out(job: Job, beats: Beats, work: Work | None = None) -> Outcome:
    """Do one attempt, as the task of a Dask worker; whatever happens is an outcome, and nothing is raised.

    `work` is given the job, the folder that its files lie in and its lease, writes the folder of a run to `RUN` below it, and gives the exit
    code; it raises NotDone, and ends with its lease. By default it is `audit`.
    """
    began, started = time.monotonic(), datetime.now(UTC)

    def came_to(kind: Kind, reason: str, code: int | None = None) -> Outcome:
        return Outcome(
            job.member,
            job.attempt,
            kind,
            reason,
            code,
            b"",
            _worker(),
            socket.gethostname(),
            started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            round(time.monotonic() - began, 3),
            {},
        )

    if job.version != __version__:
        return came_to("failed", f"the worker has upheld {__version__}, and the controller {job.version}")
    if job.machine and job.machine != machine():
        return came_to("failed", _ELSEWHERE)
    try:
        with Following(beats, job.ticket, job.lease) as lease, _scratch() as folder:
            kind, reason, code = _done(job, folder, lease, work or audit)
            sent, known = _sent(folder, code)
            archive = b""
            try:
                archive = pack_folder(folder / RUN)
            except (NotPacked, OSError) as error:
                if kind == "ran":
                    kind, reason = "failed", f"the folder of the run cannot be sent: {error}"
            outcome = replace(came_to(kind, reason, code), archive=archive, sent=sent, sent_known=known)
    except Lost as error:
        return came_to("lost", str(error))
    except Exception as error:  # Of this very function, or of the disk: it is told, and the attempt is not a verdict.
        return replace(came_to("failed", f"the worker failed: {type(error).__name__}: {error}"), sent_known=False)
    return outcome


def _done(job: Job, folder: Path, lease: Lease, work: Work) -> tuple[Kind, str, int | None]:
    try:
        lay_out(job, folder)
        code = work(job, folder, lease)
    except NotDone as error:
        return error.kind, error.reason, error.code
    except Exception as error:  # Whatever work was given: it did not come to its end.
        return "failed", f"the audit failed: {type(error).__name__}: {error}", None
    if not lease.holds():
        # It may have ended in time, but nobody counts on it any more.
        return "stopped", lease.reason, code
    there = (folder / RUN / "run.json").is_file()
    if code in _DECIDED and there:
        return "ran", "", code
    return "failed", f"the audit ended with exit code {code}" + ("" if there else " and left no run.json"), code


def audit(job: Job, folder: Path, lease: Lease) -> int:
    """Run `upheld run` under a guard, and give its exit code; raises NotDone where it was ended, or said that nothing was run."""
    temporary = folder / _TEMPORARY
    temporary.mkdir(mode=0o700)
    command = [sys.executable, "-c", _AUDIT, "run", "--policy", job.policy, "--target", job.target]
    command += ["--out", RUN, "--ledger", "none", "--no-color", "-n", str(job.processes)]
    if job.waivers:
        command += ["--waivers", job.waivers]
    if job.claims:
        command += ["--claims", ",".join(job.claims)]
    environment = {
        **os.environ,
        "TMPDIR": str(temporary),  # So that nothing is left of an audit that is killed, but what it planted and noted.
        "PYTHONSAFEPATH": "1",  # What lies in the job's folder is no module of Python's.
        "PYTHONUNBUFFERED": "1",
    }
    ended = guarded(command, folder, environment, lease, job.time_limit)
    if ended.how in {"stopped", "lease"}:
        lease.holds()
        raise NotDone("stopped", lease.reason or "the lease ended", ended.code)
    if ended.how == "time":
        raise NotDone("failed", _with(f"the audit did not end within {job.time_limit:g} s", ended.said), ended.code)
    if ended.how != "ended":
        raise NotDone("failed", _with("the process that guards the audit was ended", ended.said), ended.code)
    if ended.code not in _DECIDED:
        how = f"was ended by {_signal(ended.code)}" if ended.code < 0 else f"ended with exit code {ended.code}"
        raise NotDone("failed", _with(f"the audit {how}", ended.said), ended.code)
    return ended.code


class Ended:
    """How a guarded process ended: `ended` by itself, `time`, `lease`, `stopped`, or `unguarded` when its guard was ended."""

    def __init__(self, how: str, code: int, said: str) -> None:
        self.how, self.code, self.said = how, code, said


def guarded(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    lease: Lease,
    limit: float,
    grace: float = GRACE,
) -> Ended:
    """Run a program in that folder for `limit` seconds and as long as the lease holds, and end all that it started.

    Nothing here waits for the network, and not even for this process: its guard is one of its own, and goes by a clock.
    """
    order = {
        "command": command,
        "folder": str(folder),
        "until": lease.until,
        "limit": limit,
        "grace": grace,
    }
    with subprocess.Popen(
        [sys.executable, "-I", guard.__file__, json.dumps(order)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101  (they are pipes)
        assert process.stdout is not None  # noqa: S101
        told = _Told(process.stdin)
        lease.listen(lambda: told.tell(lease))
        group: int | None = None
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "group" in said:
                group = int(said["group"])
            else:
                told.close()
                return Ended(said["how"], int(said["code"]), said["said"])
        told.close()
    if group is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    return Ended("unguarded", -signal.SIGKILL, "")


class _Told:
    """What a guard is told, by whichever thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def tell(self, lease: Lease) -> None:
        with self._lock, suppress(OSError, ValueError):  # It has ended by itself.
            self._stream.write(b"stop\n" if lease.reason else f"until {lease.until}\n".encode())
            self._stream.flush()

    def close(self) -> None:
        with self._lock, suppress(OSError):
            self._stream.close()


class _scratch:  # noqa: N801  (used as a context manager, named like one)
    """A folder that only this user reads, and that is gone at the end."""

    def __enter__(self) -> Path:
        self._folder = Path(tempfile.mkdtemp(prefix="upheld-job-"))
        return self._folder

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _sent(folder: Path, code: int | None) -> tuple[dict[str, int], bool]:
    """What was sent to each host, and whether that is all: as the run tells it, else as its meters stood when it was killed."""
    told = read_sent(folder / RUN)
    if told is not None:
        return told, True
    counted: dict[str, int] = {}
    scratches = list((folder / _TEMPORARY).glob("upheld-run-*")) if (folder / _TEMPORARY).is_dir() else []
    for scratch in scratches:
        for host, count in sent_in(scratch).items():
            counted[host] = counted.get(host, 0) + count
    # One that told nothing, and left no scratch folder, had not come so far that it sends; unless it failed to tell.
    return counted, bool(scratches) or code != _FAULT


def _with(what: str, said: str) -> str:
    from upheld.redaction import clean  # noqa: PLC0415  (only for what went wrong)

    last = said.strip()[-_SHOWN:].strip()
    return f"{what}; it said last: {clean(last)}" if last else what


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _worker() -> str:
    from distributed import get_worker  # noqa: PLC0415  (only where there is a cluster)

    try:
        return str(get_worker().address)
    except ValueError:
        return ""
