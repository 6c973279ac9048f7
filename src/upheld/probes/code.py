"""Static analysis of the repository's own code at the branch's head, by bandit and by semgrep with the project's rules.

Both run over a fresh copy in which nothing of the repository can tell them what to leave out. What a comment in the code
suppresses is found all the same, and marked. What they could not scan is told, file by file.
"""

from __future__ import annotations

import dataclasses
import errno
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from upheld import rules
from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.git import Git
from upheld.probes.resting import Arguments, Resting, Rests, below, code_ending_with, code_folders
from upheld.probes.tools import find_tool, run_tool, tool_mark

if TYPE_CHECKING:
    from upheld.target.code import Repository
    from upheld.target.model import Target

SECONDS = 300.0
"""How long one tool may take."""
LARGEST = 1024 * 1024 * 1024
"""Bytes of all code that is analysed."""
_NO_NAME_HERE = frozenset(
    {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}
)
_SEVERITIES = {"ERROR": "high", "CRITICAL": "high", "HIGH": "high", "WARNING": "medium", "MEDIUM": "medium"}
_PYTHON = (".py", ".pyi", ".pyw")
_SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")


@dataclass(frozen=True, slots=True)
class Issue:
    """What a tool found: rule, place, severity (high, medium or low). `suppressed` is the comment that wants it passed over."""

    rule: str
    path: str
    line: int
    severity: str
    message: str
    suppressed: str

    def __str__(self) -> str:
        """`B602 in app/run.py:12`."""
        return f"{self.rule} in {self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one tool saw: how many files it scanned, which it did not (with the reason), and what it found."""

    tool: str
    files: int
    unscanned: tuple[tuple[str, str], ...]
    issues: tuple[Issue, ...]


def _folders(target: Target, arguments: Arguments) -> tuple[str, ...]:  # noqa: ARG001
    return code_folders(target)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a tool said of a folder: the files that it scanned, those with which something was wrong, and what it found."""

    scanned: set[str]
    faults: dict[str, str]
    issues: list[Issue]


class Code(Probe):
    """The code under `repository.code` in the target."""

    name = "code"
    detached = True
    needs = ("repository",)
    rests: ClassVar[Resting] = {
        "bandit": Rests(content=code_ending_with(*_PYTHON[:1], within="within"), folders=_folders, tools=("bandit",)),
        "semgrep": Rests(content=code_ending_with(*_PYTHON[:1], *_SCRIPTS), folders=_folders, tools=("semgrep",)),
    }

    @look
    def bandit(self, rules: tuple[str, ...] = (), within: tuple[str, ...] = ()) -> Analysis:
        """What bandit finds in the Python code by `rules` (all its own, when empty), in these folders or files only (when any).

        Raises Unobservable when there is no such code, or it scanned nothing.
        """
        tool = find_tool("bandit", "pip install 'upheld[code]'")

        def analysed(folder: Path, scratch: Path) -> _Seen:
            settings = scratch / "bandit.ini"
            settings.write_text("[bandit]\n", encoding="ascii")
            report = scratch / "report.json"
            command = [tool, "-q", "-r", ".", "-f", "json", "-o", str(report), "--ignore-nosec", "-x", ""]
            command += ["--ini", str(settings), *(["-t", ",".join(rules)] if rules else [])]
            said = run_tool(command, folder=folder, report=report, seconds=SECONDS)
            try:
                scanned = {_inside(name) for name in said["metrics"] if name != "_totals"}
                faults = {_inside(one["filename"]): str(one["reason"]) for one in said["errors"]}
                issues = [
                    Issue(
                        str(one["test_id"]),
                        _inside(one["filename"]),
                        int(one["line_number"]),
                        str(one["issue_severity"]).lower(),
                        str(one["issue_text"]),
                        self._suppressed(_inside(one["filename"]), one["line_range"], "nosec"),
                    )
                    for one in said["results"]
                ]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Unobservable(f"the report of bandit cannot be understood: {error}") from error
            return _Seen(scanned, faults, issues)

        return self._analysis("bandit", sorted(rules), self._wanted(_PYTHON[:1], within), analysed)

    @look
    def semgrep(self) -> Analysis:
        """What semgrep finds by the project's own rules; raises Unobservable when there is no code, or it scanned nothing."""
        tool = find_tool("semgrep", "pipx install semgrep, in an environment of its own")

        def analysed(folder: Path, scratch: Path) -> _Seen:
            # Without one of its own, semgrep leaves out tests and more.
            (folder / ".semgrepignore").write_text("", encoding="ascii")
            report = scratch / "report.json"
            command = [tool, "scan", "--metrics", "off", "--disable-version-check", "--config", str(rules.FOLDER)]
            command += ["--json", "--output", str(report), "--quiet", "--disable-nosem", "--no-git-ignore"]
            command += ["--max-target-bytes", "0", "--jobs", "2", "."]
            more = {"SEMGREP_SEND_METRICS": "off", "SEMGREP_ENABLE_VERSION_CHECK": "0"}
            more |= {"SEMGREP_SETTINGS_FILE": str(scratch / "settings.yml"), "SEMGREP_LOG_FILE": str(scratch / "log")}
            said = run_tool(command, folder=folder, report=report, seconds=SECONDS, more=more)
            try:
                scanned = {_inside(name) for name in said["paths"]["scanned"]}
                faults: dict[str, str] = {}
                for one in said["errors"]:
                    if not one.get("path"):
                        raise Unobservable(f"semgrep did not work: {str(one.get('message', ''))[:300]}")
                    faults[_inside(one["path"])] = str(one.get("message", "")).strip().partition("\n")[0][:200]
                issues = [
                    Issue(
                        str(one["check_id"]).rpartition(".")[2],
                        _inside(one["path"]),
                        int(one["start"]["line"]),
                        _SEVERITIES.get(str(one["extra"]["severity"]).upper(), "low"),
                        str(one["extra"]["message"]).strip(),
                        self._suppressed(
                            _inside(one["path"]),
                            range(max(1, int(one["start"]["line"]) - 1), int(one["end"]["line"]) + 1),
                            "nosem",
                        ),
                    )
                    for one in said["results"]
                ]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Unobservable(f"the report of semgrep cannot be understood: {error}") from error
            return _Seen(scanned, faults, issues)

        return self._analysis("semgrep", [], self._wanted((*_PYTHON[:1], *_SCRIPTS)), analysed)

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Repository:
        if self.target.repository is None:
            raise Unobservable("the target describes no repository")
        return self.target.repository

    @property
    def _git(self) -> Git:
        return cast("Git", self.session.probe(Git))

    def _wanted(self, endings: tuple[str, ...], within: tuple[str, ...] = ()) -> set[str]:
        """The paths of the code as it is at the branch's head."""
        folders = [one.strip("/").removeprefix("./") for one in self._described.code]
        paths = self._git.paths()
        for one in folders:
            if one not in {"", "."} and not any(path == one or path.startswith(f"{one}/") for path in paths):
                raise Unobservable(f"the branch has no folder {one}, which the target names as code")
        wanted = {
            path
            for path in paths
            if path.endswith(endings) and below(path, folders) and (not within or below(path, within))
        }
        if not wanted:
            raise Unobservable(f"the code has no file that ends with {' or '.join(endings)}")
        return wanted

    def _analysis(
        self, tool: str, chosen: list[str], wanted: set[str], analysed: Callable[[Path, Path], _Seen]
    ) -> Analysis:
        """What a tool that looks at each file by itself sees; of files that it saw before, what it saw then."""
        known = self._known(tool, chosen, wanted)
        scanned = set(known)
        issues = [issue for found in known.values() for issue in found]
        faults: dict[str, str] = {}
        if fresh := wanted - scanned:
            with self._copy(fresh) as (folder, scratch):
                seen = analysed(folder, scratch)
            faults = seen.faults
            scanned |= seen.scanned - set(faults)
            issues += seen.issues
            self._remember(tool, chosen, fresh & scanned, seen.issues)
        if not scanned & wanted:
            raise Unobservable(f"{tool} scanned none of {len(wanted)} files")
        unscanned = tuple((path, faults.get(path) or "it was skipped") for path in sorted(wanted - scanned))
        in_order = sorted(issues, key=lambda one: (one.path, one.line, one.rule, one.message))
        return Analysis(tool, len(scanned & wanted), unscanned, tuple(in_order))

    def _made_of(self, tool: str, chosen: list[str], path: str) -> dict[str, object]:
        return {"tool": tool_mark(tool), "rules": chosen, "path": path, "content": self._git.identity(path)}

    def _known(self, tool: str, chosen: list[str], wanted: set[str]) -> dict[str, list[Issue]]:
        cache = self.session.cache
        if cache is None or not tool_mark(tool):
            return {}
        found = ((path, cache.get(tool, self._made_of(tool, chosen, path))) for path in sorted(wanted))
        return {path: [Issue(**one) for one in value] for path, value in found if value is not None}

    def _remember(self, tool: str, chosen: list[str], scanned: set[str], issues: list[Issue]) -> None:
        cache = self.session.cache
        if cache is None or not tool_mark(tool):
            return
        of: dict[str, list[dict[str, object]]] = {path: [] for path in scanned}
        for one in issues:
            if one.path in of:
                of[one.path].append(dataclasses.asdict(one))
        for path, found in of.items():
            cache.put(tool, self._made_of(tool, chosen, path), found)

    @contextmanager
    def _copy(self, wanted: set[str]) -> Iterator[tuple[Path, Path]]:
        """A folder with these files, and a folder beside it."""
        self.session.scratch.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="code-", dir=self.session.scratch))
        try:
            folder = scratch / "code"
            folder.mkdir()
            left = LARGEST
            for path in wanted:
                content = self._git.content(path)
                left -= len(content)
                if left < 0:  # A few objects can stand for terabytes of files.
                    raise Unobservable(f"the code is larger than {LARGEST // 1024**2} MiB")
                _write(folder / path, content)
            yield folder, scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _suppressed(self, path: str, lines: Sequence[int], word: str) -> str:
        """The comment on one of these lines that asks the tool to be silent; empty when there is none."""
        text = self._git.content(path).decode("utf-8", "replace").split("\n")
        for number in lines:
            if 0 < number <= len(text) and (found := re.search(rf"(#|//|/\*).*\b{word}\w*.*", text[number - 1])):
                return found[0].strip()[:200]
        return ""


def _write(place: Path, content: bytes) -> None:
    """Write a file, unless this machine takes no such name: then no tool scans it, and it is told as unscanned."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    except (OSError, UnicodeEncodeError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_NAME_HERE:
            raise Unobservable(f"the code cannot be laid out for analysis: {error.strerror}") from error


def _inside(name: str) -> str:
    return name.removeprefix("./")
