"""The TLS floor of one endpoint: what upheld's check takes to decide it, against testssl.sh on the same endpoint.

Promise: at least 10 x faster than testssl.sh. The endpoint is the reference's web site, over loopback. Four things are timed,
each in turn, and medians printed with every ratio:

- the check `tls.refuses_old_versions` in this process, with a probe that has seen nothing yet;
- `upheld run --claims transit-tls12 -n 0`, start of Python and reports included, which also judges certificates and HSTS;
- `testssl.sh -p`, the protocols only, which is the same question;
- `testssl.sh` as it is run without options, once, for it takes minutes.

upheld tries every cipher of a version that seems refused, and shows what its own client offered; testssl.sh tries its lists of ciphers in one
ClientHello for each version. Without testssl.sh (Debian: `apt-get install testssl.sh`) nothing is compared, which is said.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from upheld.model import Finding
from upheld.probes.base import Session
from upheld.probes.scope import Scope
from upheld.probes.tls import Tls
from upheld.redaction import Redactor
from upheld.target.model import Target
from upheld_reference import deployment

PROMISED = 10.0
ROOT = Path(__file__).parents[1]
VERSIONS = 4
"""Versions that are older than TLS 1.2, each of which must be found refused."""


def check_of(family: str) -> ModuleType:
    """The module of checks/FAMILY.py."""
    spec = importlib.util.spec_from_file_location(f"bench_{family}", ROOT / "checks" / f"{family}.py")
    if spec is None or spec.loader is None:
        sys.exit(f"checks/{family}.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def in_process(target: Target, checks: ModuleType, folder: Path) -> float:
    """Seconds in which the check decides the floor with a session of its own; exits unless it found every old version refused."""
    before = time.perf_counter()
    session = Session(target, Redactor(), Scope(target), folder / "scratch", target_folder=folder)
    try:
        with session.recording("bench"):
            found = list(checks.refuses_old_versions(session.probe(Tls)))
    finally:
        session.close()
    seconds = time.perf_counter() - before
    if [one.passed for one in found if isinstance(one, Finding)] != [True] * VERSIONS or len(found) != VERSIONS:
        sys.exit(f"tls: the check did not decide the floor: {found}")
    return seconds


def whole_run(target: Path, folder: Path) -> float:
    """Seconds of `upheld run` of one claim over the endpoint; exits unless the claim is upheld."""
    out = folder / "run"
    command = [sys.executable, "-c", "from upheld.cli.main import main; main()", "run", "--claims", "transit-tls12"]
    command += ["--policy", str(ROOT / "policies.yaml"), "--target", str(target), "--out", str(out), "-n", "0"]
    seconds, said = timed(command, folder)
    (claim,) = json.loads((out / "run.json").read_text(encoding="utf-8"))["claims"]
    if claim["status"] != "upheld":
        sys.exit(f"tls: transit-tls12 is {claim['status']}:\n{said}")
    return seconds


def testssl(program: str, options: list[str], url: str, address: str, folder: Path) -> float:
    """Seconds of testssl.sh with these options; exits unless it found every old version refused and a current one spoken."""
    command = [program, "--warnings", "off", "--color", "0", *options, "--ip", address, url]
    seconds, said = timed(command, folder)
    refused = {name for name in ("SSLv2", "SSLv3", "TLS 1", "TLS 1.1") if re.search(rf"{name} +not offered", said)}
    if len(refused) != VERSIONS or not re.search(r"TLS 1\.[23] +offered", said):
        sys.exit(f"tls: testssl.sh {' '.join(options)} did not decide the floor:\n{said[-3000:]}")
    return seconds


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """Run a command; its seconds and what it said."""
    before = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return time.perf_counter() - before, done.stdout + done.stderr


def several(runs: int, measure: Callable[[], float]) -> float:
    """The median of some runs."""
    return statistics.median(measure() for _ in range(runs))


def main() -> None:
    """Measure and print the ratios; exit 1 when the promise is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="without the run of testssl.sh that takes minutes")
    given = parser.parse_args()
    program = shutil.which("testssl.sh") or shutil.which("testssl")
    checks = check_of("tls")
    with deployment.start() as running, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        www = running.facts["listeners"]["www"]
        described: dict[str, Any] = {
            "name": "one endpoint",
            "environment": "reference",
            "ca": running.facts["ca_file"],
            "endpoints": [{"name": "www", "url": www["url"], "address": www["address"], "public": True}],
        }
        target = folder / "target.yaml"
        target.write_text(json.dumps({"upheld": "target/1", **described}), encoding="utf-8")
        # Once beforehand, so that no run pays for compiling what the others import.
        in_process(Target.model_validate(described), checks, folder)
        check = several(given.runs, lambda: in_process(Target.model_validate(described), checks, folder))
        run = several(given.runs, lambda: whole_run(target, folder))
        print(f"tls: check in process {check:.2f} s, upheld run of one claim {run:.2f} s", flush=True)
        if program is None:
            print("tls: NOT COMPARED: testssl.sh is not installed (apt-get install testssl.sh)")
            return
        wide = {"-p": several(given.runs, lambda: testssl(program, ["-p"], www["url"], www["address"], folder))}
        if not given.quick:
            wide["without options"] = testssl(program, [], www["url"], www["address"], folder)
    for options, seconds in wide.items():
        print(
            f"tls: testssl.sh {options} {seconds:.1f} s: {seconds / check:.1f} x the check, {seconds / run:.1f} x upheld run"
            f" (promised: at least {PROMISED:.0f})"
        )
    sys.exit(1 if wide["-p"] / check < PROMISED else 0)


if __name__ == "__main__":
    main()
