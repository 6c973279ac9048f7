"""What all examples share: an environment of its own for the software, its start on free ports, the audit, the comparison.

An example is a folder with `start.py` (puts the software there and starts it), `target.yaml`, `policy.yaml` and `expected.yaml`. Its files
name ports from 18000 to 18999; a run works on a copy in which each of them is a free port.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = Path(os.environ.get("UPHELD_EXAMPLES", HERE.parent / ".examples"))
"""Where the software is installed: one folder for each example."""
START_SECONDS = 60.0
_PORT = re.compile(r"(?<![0-9A-Za-z])18[0-9]{3}(?![0-9A-Za-z])")
_TEXT = {".yaml", ".conf", ".html", ".js", ".txt", ".ini", ".cfg", ".json", ".py", ".config", ".cnf", ".sql"}


class NotInstalled(Exception):
    """The software of an example is not there; the text says what to do."""


@dataclass(frozen=True)
class Place:
    """Where an example runs: the copy of its files, the environment with its software, and the port for each one in its files."""

    name: str
    folder: Path
    environment: Path
    ports: Mapping[int, int]

    def port(self, written: int) -> int:
        """The free port that stands in the place of `written`."""
        return self.ports[written]

    def program(self, name: str) -> str:
        """The path of a program of the environment."""
        return str(self.environment / "bin" / name)

    def secret(self, name: str, value: str = "") -> str:
        """A fresh secret, written to `secrets/NAME` beside the target that refers to it."""
        kept = value or f"{secrets.token_urlsafe(12)}-Aa1"
        file = self.folder / "secrets" / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(kept, encoding="utf-8")
        file.chmod(0o600)
        return kept

    @contextlib.contextmanager
    def process(
        self, *argv: str, ready: Callable[[], bool], environ: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program in the copy until the block ends; the block begins when `ready` says so. Its output is in `software.log`."""
        log = self.folder / "software.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(environ or {}),
                start_new_session=True,
            )
        try:
            until = time.monotonic() + START_SECONDS
            while not ready():
                if process.poll() is not None or time.monotonic() > until:
                    what = "ended" if process.poll() is not None else "does not answer"
                    raise RuntimeError(f"{argv[0]} {what}:\n{log.read_text('utf-8', 'replace')[-4000:]}")
                time.sleep(0.05)
            yield process
        finally:
            _stop(process)

    def run(self, *argv: str, environ: Mapping[str, str] | None = None, given: str = "") -> str:
        """Run a program in the copy to its end; what it printed."""
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=_environment(environ or {}),
            input=given,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{argv[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


def names() -> list[str]:
    """Every example."""
    return sorted(one.parent.name for one in HERE.glob("*/start.py"))


def install(name: str) -> None:
    """Put the software of an example into an environment of its own, unless exactly that is there already."""
    example, environment = HERE / name, ENVIRONMENTS / name
    wanted = "".join(
        (example / file).read_text(encoding="utf-8")
        for file in ("requirements.txt", "package.json", "package-lock.json")
        if (example / file).exists()
    )
    stamp = environment / "installed"
    if not wanted or (stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
        return
    shutil.rmtree(environment, ignore_errors=True)
    environment.mkdir(parents=True)
    if (example / "requirements.txt").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        packages = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
        # Most modules are never imported, so none is compiled before it is.
        packages += ["--no-compile", "--no-deps", "--disable-pip-version-check"]
        packages += ["-r", str(example / "requirements.txt")]
        subprocess.run(packages, check=True)
    if (example / "package.json").exists():
        for file in ("package.json", "package-lock.json"):
            shutil.copy(example / file, environment)
        npm = [needed("npm", "nodejs and npm"), "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=environment, check=True)
    stamp.write_text(wanted, encoding="utf-8")


def needed(program: str, package: str) -> str:
    """The path of a program that the operating system brings; raises NotInstalled with the package that has it."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise NotInstalled(f"{program} is not installed (Debian: apt-get install {package})")
    return path


@contextlib.contextmanager
def started(name: str, folder: Path) -> Iterator[Place]:
    """The example, copied to the empty `folder` and started there; it is stopped when the block ends, however that is."""
    install(name)
    copy = folder / name
    shutil.copytree(HERE / name, copy, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    ports = _free_ports(copy)
    place = Place(name, copy, ENVIRONMENTS / name, ports)
    start = importlib.import_module(f"examples.{name}.start").start
    with start(place):
        yield place


def audit(place: Place, *more: str) -> dict[str, Any]:
    """Run `upheld run` on the started example, as anybody would; the object of its `run.json`."""
    reports = place.folder / "reports"
    command = "from upheld.cli.main import main; main()"
    argv = [sys.executable, "-c", command, "run", "--policy", "policy.yaml", "--target", "target.yaml"]
    argv += ["--out", str(reports), "-n", "0", "--no-color", *more]
    done = subprocess.run(argv, cwd=place.folder, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1, 3}:
        raise RuntimeError(f"upheld ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads((reports / "run.json").read_text(encoding="utf-8"))
    return found


def expected(place: Place) -> dict[str, Any]:
    """What the example says of each claim: its status, why, and which subjects are refuted or inconclusive."""
    found: dict[str, Any] = yaml.safe_load((place.folder / "expected.yaml").read_text(encoding="utf-8"))
    return found


def differences(truth: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    """Where a run differs from the truth: statuses, and finding by finding what is refuted and what is inconclusive.

    Under `refuted` and `inconclusive` of a claim stand parts of subjects, each with words of what was observed (or of the reason).
    Each must be met by a finding, each such finding must be one of them, and whatever is not named must have passed.
    """
    found: list[str] = []
    claims = {claim["id"]: claim for claim in run["claims"]}
    found += [f"{name}: expected, and not in the run" for name in truth if name not in claims]
    for name, claim in claims.items():
        if name not in truth:
            found.append(f"{name}: in the run, and nothing is expected of it")
            continue
        wanted = truth[name]
        if not wanted.get("because"):
            found.append(f"{name}: no reason is given (because)")
        if claim["status"] != wanted["status"]:
            found.append(f"{name}: {claim['status']}, expected {wanted['status']}")
        found += _compared(name, claim, wanted.get("refuted") or {}, "fail", "observed")
        found += _compared(name, claim, wanted.get("inconclusive") or {}, "inconclusive", "reason")
    return found


def _compared(
    name: str, claim: Mapping[str, Any], wanted: Mapping[str, str], verdict: str, field: str
) -> Iterator[str]:
    findings = [(one["id"], each) for one in claim["checks"] for each in one["findings"] if each["verdict"] == verdict]
    seen = [(f"{check}: {each['subject']}", each[field]) for check, each in findings]
    if verdict == "inconclusive":
        seen += [
            (one["id"], one["reason"])
            for one in claim["checks"]
            if one["verdict"] == verdict and not any(check == one["id"] for check, _ in findings)
        ]
    for subject, text in seen:
        if not any(part in subject and words in text for part, words in wanted.items()):
            yield f"{name}: not expected to be {verdict}: {subject}: {text}"
    for part, words in wanted.items():
        if not any(part in subject and words in text for subject, text in seen):
            yield f"{name}: expected to be {verdict}, and is not: {part}: {words}"


def answers(url: str) -> Callable[[], bool]:
    """Whether something at `url` answers by HTTP, whatever it says."""

    def ask() -> bool:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310  (a loopback address of our own)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    return ask


def listens(port: int) -> Callable[[], bool]:
    """Whether somebody takes connections at `port` of this machine."""

    def connect() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return connect


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    # Nothing of the harness's own Python may reach the software.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PIP_"))}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **more}


def _stop(process: subprocess.Popen[bytes], wait_seconds: float = 10.0) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_seconds)
    # Whoever the program started itself belongs to its group, which may outlive it.


def _free_ports(copy: Path) -> dict[int, int]:
    files = [one for one in copy.rglob("*") if one.is_file() and one.suffix in _TEXT]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    written = sorted({int(port) for text in texts.values() for port in _PORT.findall(text)})
    with contextlib.ExitStack() as stack:
        # All are held at once, so that no two are the same.
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in written]
        ports = dict(zip(written, (one.getsockname()[1] for one in listeners), strict=True))
    for file, text in texts.items():
        changed = _PORT.sub(lambda match: str(ports[int(match.group())]), text)
        if changed != text:
            file.write_text(changed, encoding="utf-8")
    return ports


def main(arguments: Sequence[str]) -> int:
    """`python -m examples install [NAME …]`, `python -m examples up NAME` or `python -m examples NAME`."""
    known = names()
    match list(arguments):
        case ["install", *chosen]:
            for name in chosen or known:
                install(name)
            return 0
        case ["up", name] if name in known:
            with _in_scratch(name) as place:
                print(f"{name} runs until Ctrl-C: {place.folder / 'target.yaml'}", flush=True)
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
            return 0
        case [name] if name in known:
            with _in_scratch(name) as place:
                run = audit(place)
                for claim in run["claims"]:
                    print(f"{claim['status']:<13} {claim['id']}: {claim['statement']}")
                wrong = differences(expected(place), run)
                print("\n".join(wrong) or "every verdict is the expected one")
            return 1 if wrong else 0
        case _:
            print(f"{main.__doc__}\nexamples: {', '.join(known)}", file=sys.stderr)
            return 2


@contextlib.contextmanager
def _in_scratch(name: str) -> Iterator[Place]:
    import tempfile  # noqa: PLC0415  (only the command needs it)

    with tempfile.TemporaryDirectory(prefix="upheld-example-") as folder, started(name, Path(folder)) as place:
        yield place
