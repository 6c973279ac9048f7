"""What this project promises of itself, decided over its own files."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from upheld import INSPECTED, OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.base import Probe, look
from upheld.probes.code import Code
from upheld.probes.git import Git
from upheld.probes.resting import Resting, Rests
from upheld.probes.tools import run_tool

if TYPE_CHECKING:
    from upheld.target.model import Target

SECONDS = 60.0
_USES = re.compile(r"^\s*(?:-\s+)?[\"']?uses[\"']?\s*:\s*[\"']?(?P<what>[^\s\"'#]+)")
_PINNED = re.compile(r"[^@]+@[0-9a-f]{40}|docker://[^@]+@sha256:[0-9a-f]{64}|\./.*")
_CI = re.compile(r"(?:.*/)?action\.ya?ml|\.github/workflows/[^/]+\.ya?ml")
_IMPORTS = ("upheld", "upheld.cli.main", "upheld.plugin")
_EVENTS: tuple[str, ...] = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
    "socket.sendto",
    "subprocess.Popen",
    "os.system",
)
_EVENTS += ("os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
_SCRIPT = """
import importlib, json, socket, sys
folder, report, names, events = sys.argv[1], sys.argv[2], sys.argv[3].split(","), set(sys.argv[4].split(","))
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event in events else None)
sys.path.insert(0, folder)
files = [str(importlib.import_module(name).__file__) for name in names]
during = sorted(set(seen))
seen.clear()
try:  # What is not noticed here would not have been noticed before either.
    socket.create_connection(("127.0.0.1", 1), 1)
except OSError:
    pass
with open(report, "w") as stream:
    json.dump({"during": during, "noticed": sorted(set(seen)), "files": files}, stream)
"""


@dataclass(frozen=True, slots=True)
class Import:
    """What Python noticed while a module was imported."""

    names: tuple[str, ...]
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """A place at which a definition uses an action."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} in {self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Definitions:
    """The definitions of workflows and actions, and the actions that they use."""

    files: tuple[str, ...]
    uses: tuple[Use, ...]


def _engine(target: Target, arguments: object) -> Callable[[str], bool]:  # noqa: ARG001
    return lambda path: path.startswith("src/upheld/")


def _definitions(target: Target, arguments: object) -> Callable[[str], bool]:  # noqa: ARG001
    return lambda path: _CI.fullmatch(path) is not None


class Project(Probe):
    """This project's own files."""

    name: ClassVar[str] = "project"
    detached = True
    needs = ("repository",)
    rests: ClassVar[Resting] = {
        # What else is installed may be imported, too.
        "importing": Rests(content=_engine, tools=("bandit",)),
        "definitions": Rests(content=_definitions),
    }

    @look
    def importing(self) -> Import:
        """Import the engine in a Python of its own that notices connections and programs; proves that it would notice one."""
        git = cast("Git", self.session.probe(Git))
        self.session.scratch.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="import-", dir=self.session.scratch))
        try:
            for path in git.paths():
                if path.startswith("src/upheld/"):
                    place = scratch / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(git.content(path))
            report = scratch / "report.json"
            command = [sys.executable, "-I", "-B", "-c", _SCRIPT, str(scratch / "src"), str(report)]
            command += [",".join(_IMPORTS), ",".join(_EVENTS)]
            said = run_tool(command, folder=scratch, report=report, seconds=SECONDS)
            if "socket.connect" not in said["noticed"]:
                raise Unobservable("a connection that was made on purpose was not noticed")
            elsewhere = [one for one in said["files"] if not Path(one).is_relative_to(scratch)]
            if elsewhere:
                raise Unobservable(f"another copy was imported: {elsewhere[0]}")
            return Import(_IMPORTS, tuple(said["during"]))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    @look
    def definitions(self) -> Definitions:
        """Every use of an action in workflows and actions."""
        git = cast("Git", self.session.probe(Git))
        files = tuple(path for path in git.paths() if _CI.fullmatch(path))
        if not files:
            raise Unobservable("the project has no workflow and no action")
        uses = [
            Use(path, number, found["what"])
            for path in files
            for number, line in enumerate(git.text(path).splitlines(), 1)
            if (found := _USES.match(line))
        ]
        return Definitions(files, tuple(uses))


@check(basis=OBSERVED)
def importing_is_quiet(project: Project) -> Iterator[Finding]:
    """Importing the engine opens no connection and starts no program."""
    seen = project.importing()
    expected = "no connection and no other program"
    yield Finding(", ".join(seen.names), not seen.events, expected, ", ".join(seen.events) or "none")


@check(basis=INSPECTED)
def engine_has_no_place_that(code: Code, *, rules: tuple[str, ...]) -> Iterator[Finding | NotObserved | LeftOut]:
    """No code of the engine does what bandit's tests of those names find, but where a comment says why it may."""
    analysis = code.bandit()  # By all its tests, as other checks ask it, so that a cache answers for all of them.
    for path, reason in analysis.unscanned:
        yield NotObserved(path, reason, "scanned")
    for issue in analysis.issues:
        if issue.rule not in rules:
            continue
        if issue.suppressed:
            yield LeftOut(issue, issue.suppressed)
        else:
            yield Finding(issue, False, f"none of {', '.join(rules)}", issue.message)
    yield Finding(f"{analysis.files} files", True, f"none of {', '.join(rules)}", "scanned")


@check(basis=INSPECTED)
def actions_are_pinned(project: Project) -> Iterator[Finding]:
    """Every action that is used is named by the full digest of a commit."""
    seen = project.definitions()
    for use in seen.uses:
        yield Finding(use, _PINNED.fullmatch(use.what) is not None, "a digest of 40 digits", use.what)
    yield Finding(f"{len(seen.files)} definitions", True, "read", f"{len(seen.uses)} uses")
