"""Tools of others, run as processes of their own under a deadline from outside, and judged by the JSON that they write."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from upheld.errors import TimedOut, Unobservable

_LEADS_OUT = re.compile(r"(?i).*proxy|semgrep_|pip_|sentry_|otel_")
"""Variables that lead a tool out, or make it report to somebody."""
_FENCE = Path(__file__).parent / "tool_fence"
_NOWHERE = "http://127.0.0.1:1"
"""A proxy that nothing can listen on: port 1 is the system's (tcpmux), and nobody serves it."""
LARGEST = 256 * 1024 * 1024
"""Bytes of one report."""


def find_tool(name: str, install: str) -> str:
    """The path of a tool: beside this Python, else on PATH; raises Unobservable with the command that installs it."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise Unobservable(f"{name} is not installed: {install}")
    return found


@functools.cache
def tool_mark(name: str) -> str:
    """What tells this installation of a tool from others: its version, its Python's, and a digest of all packages beside it.

    Empty where the tool is not there, or cannot be told from others.
    """
    try:
        program = Path(find_tool(name, "")).resolve()
    except Unobservable:
        return ""
    for packages in sorted((program.parent.parent / "lib").glob("python3*/site-packages")):
        installed = sorted(one.name for one in packages.glob("*.dist-info"))
        own = [one for one in installed if one.lower().replace("_", "-").startswith(f"{name}-")]
        settings = program.parent.parent / "pyvenv.cfg"
        if own:
            python = settings.read_text("utf-8", "replace") if settings.is_file() else sys.version
            versions = sorted(line for line in python.splitlines() if line.startswith(("version", "3.")))
            around = hashlib.sha256("\n".join([*installed, *versions]).encode()).hexdigest()[:16]
            return f"{own[0].removesuffix('.dist-info')} {packages.parent.name} {around}"
    return ""


def run_tool(
    command: Sequence[str],
    *,
    folder: Path,
    report: Path,
    seconds: float,
    more: Mapping[str, str] | None = None,
    places: Iterable[tuple[str, int]] = (),
) -> Any:
    """Run a tool in `folder` and give the JSON that it wrote to `report`.

    It may connect to `places` (IP addresses and ports) only: Python within it is fenced in, and the usual libraries are
    pointed at a proxy that is not there. Its exit code says nothing: tools succeed on what they could not read. Raises TimedOut at the deadline, when it and
    all that it started is ended, and Unobservable when there is no report.
    """
    name = Path(command[0]).name
    # Registries, accounts and settings of whoever runs the audit are none of the tool's business.
    environment = {key: value for key, value in os.environ.items() if not _LEADS_OUT.match(key)}
    # What this process imports is none of the tool's business, and the other way round.
    environment.pop("PYTHONPATH", None)
    environment |= _fenced(places)
    environment |= {"PATH": f"{Path(command[0]).parent}{os.pathsep}{environment.get('PATH', '')}", **(more or {})}
    with contextlib.suppress(FileNotFoundError):
        report.unlink()
    said = report.with_suffix(".said")
    try:
        with said.open("wb") as stream:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
            try:
                code = process.wait(seconds)
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"{name} did not end within {seconds:g} s") from error
    except OSError as error:
        raise Unobservable(f"{name} cannot be run: {error.strerror or error}") from error
    try:
        if report.stat().st_size > LARGEST:
            raise Unobservable(f"the report of {name} is larger than {LARGEST // 1024**2} MiB")
        return json.loads(report.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        with said.open("rb") as stream:
            stream.seek(max(0, said.stat().st_size - 2000))
            last = stream.read().decode("utf-8", "replace").strip().splitlines()
        why = f": {last[-1][:300]}" if last else ""
        raise Unobservable(f"{name} ended with {code} and left no report{why}") from error


def _fenced(places: Iterable[tuple[str, int]]) -> dict[str, str]:
    allowed = tuple(places)
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), _NOWHERE)
    proxies |= {name.upper(): value for name, value in proxies.items()}
    around = ",".join(dict.fromkeys(host for host, _ in allowed))
    return {
        **proxies,
        "no_proxy": around,
        "NO_PROXY": around,
        "PYTHONPATH": str(_FENCE),
        "UPHELD_FENCE": " ".join(f"{host}:{port}" for host, port in allowed),
    }
