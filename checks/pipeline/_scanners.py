"""Which commands of a pipeline scan dependencies, which lock files each covers, and whether what it finds fails the build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from upheld.probes.workflows import PipelineJob, Step

_RUNNER = r"(?:(?:sudo|env|npx|bunx|uvx|time|exec|uv run|poetry run|pipenv run|pipx run|python3? -m|[A-Z_]+=\S*)\s+)*"
_COMMANDS = {
    "pip-audit": re.compile(rf"^{_RUNNER}pip[-_]audit\b"),
    "npm audit": re.compile(
        rf"^{_RUNNER}(npm|pnpm|yarn)\b(?:\s+-\S+(?:[= ]\S+)?)*\s+(?:npm\s+)?audit\b(?!\s+(fix|signatures))"
    ),
    "osv-scanner": re.compile(rf"^{_RUNNER}osv-scanner\b"),
    "trivy": re.compile(rf"^{_RUNNER}trivy\s+(fs|filesystem|repo|repository|rootfs)\b"),
    "grype": re.compile(rf"^{_RUNNER}grype\b"),
    "safety": re.compile(rf"^{_RUNNER}safety\s+(check|scan)\b"),
    "snyk": re.compile(rf"^{_RUNNER}snyk\s+test\b"),
    "cargo audit": re.compile(rf"^{_RUNNER}cargo[ -](audit|deny)\b"),
    "bundler-audit": re.compile(rf"^{_RUNNER}(bundle|bundler)[ -]audit\b"),
    "composer audit": re.compile(rf"^{_RUNNER}composer\s+audit\b"),
    "govulncheck": re.compile(rf"^{_RUNNER}govulncheck\b"),
}
_ACTIONS = {
    "pypa/gh-action-pip-audit": "pip-audit",
    "google/osv-scanner-action": "osv-scanner",
    "aquasecurity/trivy-action": "trivy",
    "anchore/scan-action": "grype",
}
_FAILING = {"fail-build": "true", "fail-on-vuln": "true", "internal-be-careful-allow-failure": "false"}
"""The settings of those actions that decide whether findings fail the build, with the value by which they do, which is the default."""
_FOLDERS = {
    "npm audit": ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"),
    "cargo audit": ("Cargo.lock",),
    "bundler-audit": ("Gemfile.lock",),
    "composer audit": ("composer.lock",),
    "govulncheck": ("go.sum",),
}
"""What those cover that scan the folder in which they run."""
_TREES = {"osv-scanner", "trivy", "grype", "snyk"}
"""Those that scan all lock files below a folder."""


@dataclass(frozen=True, slots=True)
class ScanCommand:
    """A command of a job that scans dependencies; `void` says why what it finds would not fail the build."""

    tool: str
    text: str
    folder: str
    void: str

    def covers(self, lock_file: str) -> bool:
        """Whether it scans a lock file."""
        folder, _, name = f"/{lock_file}".rpartition("/")
        if lock_file in self._named():
            return True
        if self.tool in _FOLDERS:
            return name in _FOLDERS[self.tool] and _join(
                self.folder, self._option("--prefix|-C|--cwd|--dir") or ""
            ) == folder.strip("/")
        if self.tool in _TREES and not self._option("--lockfile|-L"):
            roots = [word.removeprefix("dir:") for word in self.text.split()[1:] if not word.startswith("-")]
            paths = [_join(self.folder, word) for word in roots if word.startswith((".", "dir", "/")) or "/" in word]
            return any(not root or lock_file.startswith(f"{root}/") for root in paths or [_join(self.folder, "")])
        return False

    def _named(self) -> set[str]:
        found = re.findall(
            r"(?:^|\s)(?:-r|--requirement|-L|--lockfile|--file|-f)[= ]?(?:[a-z.]+:)?([^\s'\"]+)", self.text
        )
        return {_join(self.folder, one) for one in found}

    def _option(self, names: str) -> str:
        match = re.search(rf"(?:^|\s)(?:{names})[= ](\S+)", self.text)
        return match[1] if match else ""


def scans_of(job: PipelineJob) -> Iterator[ScanCommand]:
    """The commands of a job that scan dependencies."""
    outer = "the job's failure is passed over (continue-on-error)" if job.tolerant else ""
    outer = outer or job.detached
    outer = outer or (f"the job runs only on a condition ({job.condition})" if job.condition else "")
    for step in job.steps:
        void = outer or ("the step's failure is passed over (continue-on-error)" if step.tolerant else "")
        void = void or (f"the step runs only on a condition ({step.condition})" if step.condition else "")
        if step.action:
            yield from _action(step, void)
        yield from _commands(step, void)


def _action(step: Step, void: str) -> Iterator[ScanCommand]:
    name = "/".join(step.action.partition("@")[0].split("/")[:2])
    tool = _ACTIONS.get(name)
    if tool is None:
        return
    settings = dict(step.settings)
    if tool == "pip-audit":
        text = "pip-audit " + " ".join(f"-r {one}" for one in settings.get("inputs", "").split())
    elif tool == "osv-scanner":
        text = f"osv-scanner {settings.get('scan-args', '.')}"
    else:
        text = f"{tool} {settings.get('scan-ref') or settings.get('path') or '.'}"
    if tool == "trivy" and not re.fullmatch(r"0*[1-9][0-9]*", settings.get("exit-code", "")):
        void = void or "it is not told to fail on findings (exit-code)"
    for setting, fails in _FAILING.items():
        # What an expression decides is not certain.
        if settings.get(setting, fails).casefold() != fails:
            void = void or f"it is told not to fail on findings ({setting})"
    yield ScanCommand(tool, text, "", void)


def _commands(step: Step, void: str) -> Iterator[ScanCommand]:
    script = re.sub(r"\\\r?\n\s*", " ", step.command)
    folder, careless, pipefail = step.folder, "", step.shell == "bash" or "pipefail" in step.shell
    if "{0}" in step.shell and "-e" not in step.shell.replace("pipefail", ""):
        careless = "its shell goes on after a failure"
    for line in map(str.strip, script.splitlines()):
        if re.match(r"set\s+\+(e|o errexit)", line):
            careless = "the script goes on after a failure (set +e)"
        elif re.match(r"set\s+-\w*e", line):
            careless = ""
        pipefail = pipefail or (line.startswith("set ") and "pipefail" in line)
        here = folder
        parts = re.split(r"(\|\||&&|;|\||&(?!>|\d)|\s#.*$)", line)
        for place in range(0, len(parts), 2):
            text = parts[place].strip()
            if match := re.fullmatch(r"(?:cd|pushd)\s+(\S+)", text):
                here = _join(here, match[1])
                continue
            tool = next((name for name, pattern in _COMMANDS.items() if pattern.search(text)), None)
            if tool is None or re.search(r"\s(--help|--version|--dry-run|-d)\b", text):
                continue
            after = [*parts[place + 1 : place + 3], "", ""]
            yield ScanCommand(tool, text, here, void or careless or _void(tool, text, after, pipefail=pipefail))
        if re.match(r"(cd|pushd)\s", line):
            folder = here


def _void(tool: str, text: str, after: list[str], *, pipefail: bool) -> str:
    """Why findings of a command would not fail its step, by how it goes on and by its own options."""
    operator, following = after[0], after[1].strip()
    swallowed = {
        "||": "" if re.match(r"(exit\s+[1-9]|false\b)", following) else f"its failure is passed over (|| {following})",
        "&": "it runs in the background",
        "|": "" if pipefail else "it is piped on, and only the last command of a pipe counts",
    }
    if swallowed.get(operator):
        return swallowed[operator]
    if re.search(r"--exit-zero|--exit-code[= ]0\b|--audit-level[= ]none|--no-error", text):
        return "it is told not to fail on findings"
    needed = {"trivy": r"--exit-code[= ][1-9]", "grype": r"(--fail-on|-f)[= ]"}.get(tool, "")
    if not re.search(needed, text):
        return "it is not told to fail on findings"
    if re.search(r"--omit|--production|--only[= ]|--groups[= ]", text):
        return "it leaves out a part of the packages"
    return ""


def _join(folder: str, path: str) -> str:
    """A path in the repository, without dots; leading out of it is not meant."""
    parts: list[str] = []
    for part in f"{folder}/{path}".strip("\"'").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
