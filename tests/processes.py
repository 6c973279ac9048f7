"""Python started apart from the tests: upheld as a user types it, and readings whose memory is bounded or measured."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from loopback import ROOT

COMMAND = [sys.executable, "-c", "from upheld.cli.main import main; main()"]


def upheld(folder: Path, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `upheld` in that folder, with nobody to answer its questions."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def hear_interruptions() -> None:
    """For a process that is about to begin: a shell lets its background jobs ignore SIGINT, and with them the tests that such a job runs."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def peak_bytes() -> int:
    """The most memory that this process had so far. What getrusage tells begins with that of the process that it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def said(script: str, *, seconds: float = 600, environ: Mapping[str, str] | None = None) -> str:
    """What a script printed that may import the tests; it must come to its end."""
    paths = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, **(environ or {})},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def inside(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same command in this process, for the many that need no process of their own; the words of a run's engine are not caught."""
    from upheld.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    code: object = None
    argv, sys.argv = sys.argv, ["upheld", *arguments]
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as left:
        code = left.code
    finally:
        sys.argv = argv
    return subprocess.CompletedProcess(
        ["upheld", *arguments], code if isinstance(code, int) else 0, out.getvalue(), err.getvalue()
    )
